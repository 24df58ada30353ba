/* The smallest answerer on sofia-sip's transactions and dialogs (nta): 200 to an INVITE, a dialog until its BYE.
 *
 * usage: answer-sofia PORT
 *
 * The user agent above them (nua) costs several times as much, and is not what a load is put on.
 */
#include <stdio.h>
#include <stdlib.h>

#define SU_ROOT_MAGIC_T void
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_wait.h>

static nta_agent_t *agent;
static sip_contact_t *contact;
static char const sdp[] =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/* In a dialog: its BYE ends it. */
static int in_dialog(nta_leg_magic_t *magic, nta_leg_t *leg, nta_incoming_t *request, sip_t const *sip)
{
    (void)magic, (void)request;
    if (sip->sip_request->rq_method != sip_method_bye)
        return 405;
    nta_leg_destroy(leg);
    return 200;
}

/* The ACK of our 2xx, or the end of waiting for it: the dialog then stands until its BYE. */
static int acknowledged(nta_incoming_magic_t *magic, nta_incoming_t *request, sip_t const *sip)
{
    (void)magic, (void)sip;
    nta_incoming_destroy(request);
    return 0;
}

/* Outside of dialogs: an INVITE makes one. */
static int called(nta_leg_magic_t *magic, nta_leg_t *leg, nta_incoming_t *request, sip_t const *sip)
{
    (void)magic, (void)leg;
    if (sip->sip_request->rq_method != sip_method_invite)
        return 481;
    nta_leg_t *dialog = nta_leg_tcreate(
        agent, in_dialog, NULL, SIPTAG_CALL_ID(sip->sip_call_id), SIPTAG_FROM(sip->sip_to),
        SIPTAG_TO(sip->sip_from), NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq), TAG_END());
    if (!dialog)
        return 500;
    nta_leg_tag(dialog, NULL);
    nta_leg_server_route(dialog, sip->sip_record_route, sip->sip_contact);
    nta_incoming_tag(request, nta_leg_get_tag(dialog));
    nta_incoming_bind(request, acknowledged, NULL);
    nta_incoming_treply(
        request, SIP_200_OK, SIPTAG_CONTACT(contact), SIPTAG_CONTENT_TYPE_STR("application/sdp"),
        SIPTAG_PAYLOAD_STR(sdp), TAG_END());
    return 0;
}

int main(int count, char **words)
{
    char address[64];
    su_home_t home[1] = {SU_HOME_INIT(home)};
    if (count != 2 || atoi(words[1]) <= 0)
        return fprintf(stderr, "usage: answer-sofia PORT\n"), 2;
    snprintf(address, sizeof address, "sip:127.0.0.1:%d;transport=udp", atoi(words[1]));
    su_init();
    su_home_init(home);
    su_root_t *root = su_root_create(NULL);
    agent = nta_agent_create(root, URL_STRING_MAKE(address), NULL, NULL, NTATAG_UA(1), TAG_END());
    if (!agent || !nta_leg_tcreate(agent, called, NULL, NTATAG_NO_DIALOG(1), TAG_END()))
        return perror(address), 1;
    contact = sip_contact_make(home, address);
    puts("listening");
    fflush(stdout);
    su_root_run(root);
    return 0;
}
