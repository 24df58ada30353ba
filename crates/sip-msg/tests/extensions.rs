//! Headers of the extensions, with their RFCs' own examples.

use sip_msg::{
    AllowEvents, AnswerMode, Diversion, Event, FlowTimer, Geolocation, HeaderError, HistoryInfo, Identity,
    InfoPackage, Join, Limits, Message, Method, MinSe, PAssertedIdentity, Path, Privacy, RAck, RSeq, Reason,
    RecvInfo, ReferSub, ReferTo, ReferredBy, Replaces, Request, ResourcePriority, SecurityClient,
    ServiceRoute, SessionExpires, SessionId, SipEtag, SipIfMatch, SubscriptionState, TargetDialog,
    TypedHeader, UserToUser,
};

fn request(lines: &str) -> Request {
    let text = format!("INVITE sip:bob@biloxi.com SIP/2.0\r\n{lines}\r\n\r\n");
    let message = Message::parse(text, &Limits::default()).expect("well framed");
    message.as_request().expect("a request").clone()
}

fn all<H: TypedHeader>(value: &str) -> Result<Vec<H>, HeaderError> {
    request(&format!("{}: {value}", H::NAME)).headers().all().collect()
}

fn read<H: TypedHeader>(value: &str) -> H {
    all::<H>(value).unwrap_or_else(|error| panic!("{value}: {error}")).pop().expect("a value")
}

// rfc: 3262 §7.1 — RSeq
// rfc: 3262 §7.2 — RAck
#[test]
fn reliable_responses_are_numbered() {
    assert_eq!(read::<RSeq>("988789"), RSeq(988_789));
    let rack: RAck = read("776656 1 INVITE");
    assert_eq!((rack.rseq, rack.cseq, rack.method), (776_656, 1, Method::INVITE));
    assert!(all::<RAck>("776656 1").is_err());
}

// rfc: 6665 §8.2.1 — Event, also as o
// rfc: 6665 §8.2.2 — Allow-Events, also as u
// rfc: 6665 §8.2.3 — Subscription-State
#[test]
fn events_have_packages_and_states() {
    let headers = request("o: presence.winfo;id=7\r\nu: spirits-INDPs, presence");
    let event: Event = headers.headers().require().unwrap();
    assert_eq!((&*event.package, event.id()), ("presence.winfo", Some("7")));
    assert!(headers.headers().require::<AllowEvents>().unwrap().contains("presence"));
    let state: SubscriptionState = read("terminated;reason=probation;retry-after=60");
    assert_eq!(
        (&*state.state, state.reason(), state.retry_after()),
        ("terminated", Some("probation"), Some(60))
    );
    assert_eq!(read::<SubscriptionState>("active;expires=3600").expires(), Some(3600));
}

// rfc: 3515 §2.1 — Refer-To, also as r
// rfc: 3892 §3 — Referred-By, also as b
// rfc: 4488 §4 — Refer-Sub
// rfc: 3891 §6.1 — Replaces: to-tag, from-tag, early-only
#[test]
fn transfers_name_target_and_call() {
    let lines = "r: <sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3B\
        to-tag%3D12345%3Bfrom-tag%3D5FFE-3994>\r\nb: <sip:r@ref.example>;cid=\"2UWQFN309shb3@ref.example\"";
    let headers = request(lines);
    let refer_to: ReferTo = headers.headers().require().unwrap();
    let (name, value) = refer_to.uri().headers().next().unwrap();
    assert_eq!(name, "Replaces");
    let replaces: Replaces = read(&value);
    assert_eq!(replaces.call_id.as_str(), "12345@192.168.118.3");
    assert_eq!(replaces.to_tag(), Some("12345"));
    assert_eq!(replaces.from_tag(), Some("5FFE-3994"));
    assert!(
        !replaces.is_early_only() && read::<Replaces>("a;to-tag=1;from-tag=2;early-only").is_early_only()
    );
    let referred_by: ReferredBy = headers.headers().require().unwrap();
    assert_eq!(referred_by.params.value("cid"), Some("2UWQFN309shb3@ref.example"));
    assert!(!read::<ReferSub>("false").subscribe);
    assert!(all::<ReferSub>("maybe").is_err());
    assert_eq!(Replaces::new("c", "t", "f").to_string(), "c;to-tag=t;from-tag=f");
}

// rfc: 3911 §7.1 — Join
// rfc: 4538 §7 — Target-Dialog
#[test]
fn other_dialogs_are_named_by_call_id_and_tags() {
    assert_eq!(read::<Join>("12adf2f34456gs5;to-tag=12345;from-tag=54321").to_tag().unwrap(), "12345");
    let target: TargetDialog = read("fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544");
    assert_eq!((target.local_tag().unwrap(), target.remote_tag().unwrap()), ("kkaz-", "6544"));
}

// rfc: 4028 §4 — Session-Expires, also as x
// rfc: 4028 §5 — Min-SE
// rfc: 3326 §2 — Reason
#[test]
fn session_timers_and_reasons() {
    let headers = request("x: 4000;refresher=uac");
    let timer: SessionExpires = headers.headers().require().unwrap();
    assert_eq!((timer.seconds, timer.refresher()), (4000, Some("uac")));
    assert_eq!(read::<MinSe>("90").seconds, 90);
    let reasons: Vec<Reason> =
        all("SIP ;cause=200 ;text=\"Call completed, elsewhere\", Q.850 ;cause=16").unwrap();
    assert_eq!(
        (&*reasons[0].protocol, reasons[0].cause(), reasons[0].text()),
        ("SIP", Some(200), Some("Call completed, elsewhere"))
    );
    assert_eq!((&*reasons[1].protocol, reasons[1].cause()), ("Q.850", Some(16)));
}

// rfc: 3327 §4 — Path
// rfc: 3608 §5 — Service-Route
#[test]
fn registered_routes_are_lists() {
    assert_eq!(all::<Path>("<sip:P3.EXAMPLEHOME.COM;lr>,<sip:P1.EXAMPLEVISITED.COM;lr>").unwrap().len(), 2);
    let hops: Vec<ServiceRoute> = all("<sip:P2.HOME.EXAMPLE.COM;lr>, <sip:HSP.HOME.EXAMPLE.COM;lr>").unwrap();
    assert!(hops.iter().all(|hop| hop.uri().is_loose_router()));
}

// rfc: 3325 §9.1 — P-Asserted-Identity: a SIP and a tel identity
// rfc: 3323 §4.2 — Privacy: values separated by semicolons
// rfc: 5806 §4 — Diversion
// rfc: 7044 §5 — History-Info
// rfc: 8224 §4 — Identity
#[test]
fn identities_and_their_privacy() {
    let asserted: Vec<PAssertedIdentity> =
        all("\"Cullen Jennings\" <sip:fluffy@cisco.com>, tel:+14085264000").unwrap();
    assert_eq!(asserted[0].display_name(), Some("Cullen Jennings"));
    assert_eq!(asserted[1].uri().user().as_deref(), Some("+14085264000"));
    let privacy: Privacy = read("header ; user;critical");
    assert!(privacy.contains("USER") && privacy.to_string() == "header;user;critical");
    let diversion: Diversion = read("<tel:+19195551004>;reason=user-busy;privacy=\"full\";counter=4");
    assert_eq!(diversion.params.value("reason"), Some("user-busy"));
    let history: Vec<HistoryInfo> =
        all("<sip:bob@example.com?Reason=SIP%3Bcause%3D302>;index=1, <sip:bob@192.0.2.4>;index=1.1;rc=1")
            .unwrap();
    assert_eq!(history[1].params.value("index"), Some("1.1"));
    let text = "eyJhbGciOi.eyJhdHRl.rq3pjT1h-_RwGcZCWg==;info=<https://biloxi.example.org/biloxi.cer>;alg=ES256;ppt=shaken";
    let identity: Identity = read(text);
    assert_eq!(identity.params.value("info"), Some("https://biloxi.example.org/biloxi.cer"));
    assert_eq!(identity.to_string(), text);
}

// rfc: 3329 §2.2 — Security-Client
// rfc: 3903 §11.3.1 — SIP-ETag
// rfc: 3903 §11.3.2 — SIP-If-Match
// rfc: 4412 §3.1 — Resource-Priority
// rfc: 5373 §4 — Answer-Mode
// rfc: 5626 §10 — Flow-Timer
// rfc: 6086 §9 — Info-Package and Recv-Info; an empty Recv-Info takes none
// rfc: 6442 §4.1 — Geolocation
// rfc: 7433 §4 — User-to-User
// rfc: 7989 §5 — Session-ID
#[test]
fn single_headers_of_extensions() {
    assert_eq!(all::<SecurityClient>("ipsec-ike;q=0.1, tls;q=0.2").unwrap().len(), 2);
    assert_eq!(
        (read::<SipEtag>("dx200xyz").0, read::<SipIfMatch>("dx200xyz").0),
        ("dx200xyz".into(), "dx200xyz".into())
    );
    assert_eq!(read::<ResourcePriority>("wps.3, dsn.flash").0.len(), 2);
    assert!(read::<AnswerMode>("Auto;require").params.contains("require"));
    assert_eq!(read::<FlowTimer>("126"), FlowTimer(126));
    assert_eq!(read::<InfoPackage>("foo").package, "foo");
    assert_eq!(all::<RecvInfo>("P, R;x=y").unwrap().len(), 2);
    assert_eq!(all::<RecvInfo>("").unwrap().len(), 0);
    let location: Geolocation = read("<cid:target123@atlanta.example.com>");
    assert_eq!(location.uri.to_string(), "cid:target123@atlanta.example.com");
    let data: Vec<UserToUser> = all("56a390f3d2b7310023a2;encoding=hex;purpose=foo, \"a, b\"").unwrap();
    assert_eq!((data[0].params.value("encoding"), &*data[1].data), (Some("hex"), "a, b"));
    let session: SessionId = read("ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000");
    assert_eq!(session.local, "ab30317f1a784dc48ff824d0d3715d86");
}
