//! Our own binding among all those that a 2xx to a REGISTER lists ([RFC 3261 §10.2.4]).
//!
//! [RFC 3261 §10.2.4]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.4

use sip_msg::{Contact, ContactAddress, Expires, Headers, Uri};

/// Who we are in a list of bindings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    /// The Contact as we sent it.
    pub(super) contact: &'a Uri,
    /// Our instance id.
    pub(super) instance: &'a str,
    /// The flow's number.
    pub(super) reg_id: u32,
}

impl Own<'_> {
    /// Our Contact: by instance and flow, else by URI, else the only one there is, since a registrar that rewrote it beyond
    /// recognition still means ours.
    pub(super) fn find<'b>(&self, contacts: &'b [ContactAddress]) -> Option<&'b ContactAddress> {
        let same = |contact: &&ContactAddress| contact.name_addr.uri.equivalent(self.contact);
        let mine = |contact: &&ContactAddress| self.is_mine(contact);
        contacts
            .iter()
            .find(|contact| mine(contact) && same(contact))
            .or_else(|| contacts.iter().find(|contact| mine(contact) && contact.params.contains("reg-id")))
            .or_else(|| contacts.iter().find(same))
            .or_else(|| contacts.iter().find(mine))
            .or_else(|| contacts.first().filter(|only| contacts.len() == 1 && only.instance().is_none()))
    }

    /// Bindings of an earlier life of this device, which lead nowhere now.
    pub(super) fn remains<'b>(
        &self,
        contacts: &'b [ContactAddress],
        own: &'b ContactAddress,
    ) -> impl Iterator<Item = &'b Uri> {
        let this = *self;
        let other = move |contact: &&ContactAddress| {
            !std::ptr::eq(*contact, own)
                && this.is_mine(contact)
                && !contact.name_addr.uri.equivalent(&own.name_addr.uri)
        };
        contacts.iter().filter(other).map(|contact| &contact.name_addr.uri)
    }

    /// URNs of UUIDs do not mind case (RFC 8141 §3.1).
    fn is_mine(&self, contact: &ContactAddress) -> bool {
        let instance = contact.instance().is_some_and(|urn| urn.eq_ignore_ascii_case(self.instance));
        let flow = contact.params.value("reg-id").and_then(|id| id.parse().ok());
        instance && flow.is_none_or(|flow: u32| flow == self.reg_id)
    }
}

/// The addresses that a 2xx lists.
pub(super) fn listed(headers: &Headers) -> Vec<ContactAddress> {
    headers.all::<Contact>().flatten().filter_map(|contact| contact.address().cloned()).collect()
}

/// The seconds granted to our own Contact: its own, else those for all, else what we asked for.
pub(super) fn granted(own: Option<&ContactAddress>, headers: &Headers, asked: u32) -> u32 {
    let general = || headers.get::<Expires>().ok().flatten().map(|Expires(seconds)| seconds);
    own.and_then(|own| own.params.value("expires")?.parse().ok()).or_else(general).unwrap_or(asked)
}

#[cfg(test)]
mod tests {
    use sip_msg::HeaderName;

    use super::*;

    fn found(ours: &str, reg_id: u32, lines: &[&str]) -> (Option<u32>, usize) {
        let mut headers = Headers::default();
        for line in lines {
            headers.push_raw(HeaderName::CONTACT, line).unwrap();
        }
        let contact: Uri = ours.parse().unwrap();
        let own = Own { contact: &contact, instance: "urn:uuid:1", reg_id };
        let contacts = listed(&headers);
        let found = own.find(&contacts);
        let remains = found.map_or(0, |found| own.remains(&contacts, found).count());
        (found.map(|found| granted(Some(found), &headers, 3600)), remains)
    }

    /// A reg-id, the Contact lines of a 200, and what is ours of them: its time, and how many others of ours there are.
    type Case = (u32, &'static [&'static str], (Option<u32>, usize));

    // rfc: 5626 §4.1 — an instance id is compared as a URN, without its brackets
    // rfc: 3261 §10.2.4 — a binding of ours is found by URI comparison
    #[test]
    fn our_binding_is_found_by_instance_then_by_uri_then_as_the_only_one() {
        const ALICE: &str = "sip:alice@192.0.2.1:5060";
        let cases: [Case; 8] = [
            (
                1,
                &[
                    "<sip:alice@192.0.2.9>;expires=3",
                    "<sip:ALICE@192.0.2.1>;expires=9, <sip:alice@192.0.2.1:5060>;expires=7",
                ],
                (Some(7), 0),
            ),
            (
                1,
                &[
                    "<sip:alice@192.0.2.1:5060>;expires=3",
                    "<sip:x@198.51.100.1>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=7",
                ],
                (Some(7), 0),
            ),
            (
                1,
                &[
                    "<sip:alice@192.0.2.1:5060>;+sip.instance=\"<urn:uuid:1>\";expires=3",
                    "<sip:old@192.0.2.1>;+sip.instance=\"<URN:UUID:1>\"",
                ],
                (Some(3), 1),
            ),
            (
                2,
                &[
                    "<sip:a@192.0.2.1>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=3",
                    "<sip:b@192.0.2.1>;+sip.instance=\"<urn:uuid:1>\";reg-id=2;expires=7",
                ],
                (Some(7), 0),
            ),
            (1, &["<sip:x@198.51.100.1:1024>;expires=50"], (Some(50), 0)),
            (1, &["<sip:x@198.51.100.1:1024>;+sip.instance=\"<urn:uuid:2>\";expires=50"], (None, 0)),
            (1, &["<sip:x@198.51.100.1>", "<sip:y@198.51.100.1>"], (None, 0)),
            (1, &["*"], (None, 0)),
        ];
        for (reg_id, lines, expected) in cases {
            assert_eq!(found(ALICE, reg_id, lines), expected, "{lines:?}");
        }
    }
}
