//! Both sides together: what the verifier asks, the authenticator answers.

use std::time::{Duration, Instant};

use sip_msg::{AuthenticationInfo, Param};

use super::*;

fn now() -> Instant {
    testkit::Clock::new().now()
}

fn verifier(now: Instant) -> Verifier {
    Verifier::new(now, "r \"x\"", [1; 32]).user("alice", "secret").user("Jäsøn", "geheim")
}

fn challenge(verifier: &mut Verifier, now: Instant, stale: bool) -> Response {
    let lines: Vec<String> =
        verifier.challenge(now, stale).iter().map(|(name, value)| format!("{name}: {value}")).collect();
    refusal(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

fn granted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Granted { .. })
}

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Md5,
    Algorithm::Md5Sess,
    Algorithm::Sha256,
    Algorithm::Sha256Sess,
    Algorithm::Sha512_256,
    Algorithm::Sha512_256Sess,
];

// rfc: 8760 §2.3 — one challenge for each algorithm, the preferred one first, each with a qop
// rfc: 7616 §3.4.1 — the right password is granted whatever the algorithm, a wrong one denied
#[test]
fn a_right_password_is_granted_and_a_wrong_one_denied() {
    for algorithm in ALGORITHMS {
        for (integrity, userhash) in [(false, false), (true, false), (false, true), (true, true)] {
            let now = now();
            let mut verifier = verifier(now).algorithms(&[algorithm]);
            verifier = if integrity { verifier.integrity() } else { verifier };
            verifier = if userhash { verifier.userhash() } else { verifier };
            for (name, password, expected) in [
                ("alice", "secret", true),
                ("Jäsøn", "geheim", true),
                ("alice", "Secret", false),
                ("bob", "secret", false),
                ("", "", false),
            ] {
                let algorithms = Algorithms::new().prefer_integrity();
                let mut client =
                    Client::with(Credentials::new(name, password), |config| config.algorithms(algorithms));
                assert_eq!(verifier.verify(now, &request()), Verdict::Missing);
                client.challenged(&challenge(&mut verifier, now, false)).unwrap();
                let mut asked = request();
                asked.set_body("text/plain", "body");
                let (request, answers) = client.authorize(asked);
                assert_eq!(value(&answers[0], "qop") == "auth-int", integrity);
                let verdict = verifier.verify(now, &request);
                if expected {
                    assert_eq!(
                        verdict,
                        Verdict::Granted { username: name.into(), info: None },
                        "{algorithm:?}"
                    );
                } else {
                    assert_eq!(verdict, Verdict::Denied, "{algorithm:?} {name}");
                }
            }
        }
    }
    let mut verifier = verifier(now());
    let lines = verifier.challenge(now(), false);
    assert!(lines[0].1.contains("SHA-256") && lines[1].1.contains("MD5") && lines.len() == 2);
    assert!(
        lines
            .iter()
            .all(|(name, line)| *name == HeaderName::WWW_AUTHENTICATE && line.contains("qop=\"auth\""))
    );
}

// rfc: 7616 §3.4.3 — a body that was changed on the way is noticed with auth-int
#[test]
fn a_body_that_was_changed_is_noticed() {
    let now = now();
    let mut verifier = verifier(now).integrity();
    let prefer = |config: Config| config.algorithms(Algorithms::new().prefer_integrity());
    let mut client = Client::with(Credentials::new("alice", "secret"), prefer);
    client.challenged(&challenge(&mut verifier, now, false)).unwrap();
    let (mut request, _) = client.authorized();
    request.set_body("text/plain", "other");
    assert_eq!(verifier.verify(now, &request), Verdict::Denied);
}

// rfc: 7616 §3.4 — a count that was used before is a replay
#[test]
fn a_replayed_request_is_refused_and_the_next_count_granted() {
    let now = now();
    let mut verifier = verifier(now);
    let mut client = Client::alice();
    client.challenged(&challenge(&mut verifier, now, false)).unwrap();
    let (first, _) = client.authorized();
    let (second, _) = client.authorized();
    assert!(granted(&verifier.verify(now, &second)));
    assert_eq!(verifier.verify(now, &second), Verdict::Stale);
    assert!(granted(&verifier.verify(now, &first)), "late, but new");
    assert_eq!(verifier.verify(now, &first), Verdict::Stale);
    let (third, _) = client.authorized();
    assert!(granted(&verifier.verify(now, &third)));
}

// rfc: 7616 §3.3 — a nonce has an end; then stale, if the digest is right
#[test]
fn a_nonce_goes_stale_with_its_age() {
    let now = now();
    let mut verifier = verifier(now).lifetime(Duration::from_secs(60));
    let mut client = Client::alice();
    client.challenged(&challenge(&mut verifier, now, false)).unwrap();
    let (request, _) = client.authorized();
    let mut wrong = Client::new(Credentials::new("alice", "guess"));
    wrong.challenged(&challenge(&mut verifier, now, false)).unwrap();
    let (guess, _) = wrong.authorized();
    let late = now + Duration::from_secs(61);
    assert_eq!(verifier.verify(late, &guess), Verdict::Denied);
    assert_eq!(verifier.verify(late, &request), Verdict::Stale);
    let again = challenge(&mut verifier, late, true);
    client.challenged(&again).unwrap();
    let (request, _) = client.authorized();
    assert!(granted(&verifier.verify(late, &request)));
}

#[test]
fn a_nonce_of_before_a_restart_is_stale_and_never_granted() {
    let now = now();
    let mut before = Verifier::new(now, "r", [2; 32]);
    let mut client = Client::alice();
    client.challenged(&challenge(&mut before, now, false)).unwrap();
    let (request, _) = client.authorized();
    let mut after = Verifier::new(now, "r", [1; 32]).user("alice", "secret");
    assert_eq!(after.verify(now, &request), Verdict::Stale);
    let mut other = Verifier::new(now, "r", [1; 32]).user("alice", "other");
    assert_eq!(other.verify(now, &request), Verdict::Denied);
}

// rfc: 7616 §3.5 — a mutual server proves that it knows the password, and the client checks it
#[test]
fn a_mutual_server_is_believed_and_an_impostor_is_not() {
    for algorithm in ALGORITHMS {
        for password in ["secret", "guess"] {
            let now = now();
            let mut verifier = verifier(now).algorithms(&[algorithm]).mutual();
            let mut client = Client::alice();
            client.challenged(&challenge(&mut verifier, now, false)).unwrap();
            let (request, _) = client.authorized();
            let Verdict::Granted { info: Some(mut info), .. } = verifier.verify(now, &request) else {
                panic!("granted, with a proof")
            };
            if password == "guess" {
                info.params.put(Param::quoted("rspauth", "0".repeat(32)));
            }
            client.succeeded(&refusal(&[&format!("Authentication-Info: {info}")]));
            assert_eq!(client.context.output.is_empty(), password == "secret", "{algorithm:?}");
        }
    }
}

// rfc: 3261 §22.3 — a proxy challenges with 407 and Proxy-Authenticate, and reads Proxy-Authorization
#[test]
fn a_proxy_asks_and_reads_with_its_own_headers() {
    let now = now();
    let mut verifier = verifier(now).proxy();
    assert_eq!(verifier.status().code(), 407);
    let mut client = Client::alice();
    client.challenged(&challenge(&mut verifier, now, false)).unwrap();
    let (request, _) = client.authorized();
    assert!(!request.headers().contains(HeaderName::AUTHORIZATION));
    assert!(granted(&verifier.verify(now, &request)));
}

#[test]
fn hashes_that_were_stored_do_for_passwords() {
    let now = now();
    let hash = Algorithm::Md5.secret("alice", "r", "secret").to_string();
    let secret = Secret::default().with_hash(Algorithm::Md5, &hash).unwrap();
    let mut verifier = Verifier::new(now, "r", [1; 32]).user_with("alice", secret.clone());
    for (offered, expected) in [(Algorithm::Md5, true), (Algorithm::Sha256, false)] {
        verifier = verifier.algorithms(&[offered]);
        let mut client = Client::alice();
        client.challenged(&challenge(&mut verifier, now, false)).unwrap();
        let (request, _) = client.authorized();
        assert_eq!(granted(&verifier.verify(now, &request)), expected, "{offered:?}");
    }
    assert!(secret.with_hash(Algorithm::Sha256, &hash).is_none(), "too short");
}

#[test]
fn users_may_be_kept_elsewhere() {
    let now = now();
    let mut verifier = Verifier::new(now, "r", [1; 32]).userhash();
    let mut client = Client::alice();
    client.challenged(&challenge(&mut verifier, now, false)).unwrap();
    let (request, _) = client.authorized();
    let verdict = verifier.verify_with(now, &request, |claim| {
        let Claim::Hash(algorithm, hash) = claim else { panic!("a hash") };
        (*algorithm.userhash("alice", "r") == *hash)
            .then(|| ("alice".into(), Secret::of_password("alice", "r", "secret")))
    });
    assert!(granted(&verdict));
}

// rfc: 7616 §3.4 — nc has exactly eight hex digits; username and username* together are an error
#[test]
fn credentials_that_are_wrong_in_form_are_denied_and_harm_nobody() {
    let now = now();
    let mut verifier = verifier(now);
    let mut client = Client::alice();
    client.challenged(&challenge(&mut verifier, now, false)).unwrap();
    let (good, answers) = client.authorized();
    type Change = fn(&mut Answer);
    let changes: [Change; 12] = [
        |answer| _ = answer.params.remove("nonce"),
        |answer| _ = answer.params.remove("uri"),
        |answer| _ = answer.params.remove("response"),
        |answer| _ = answer.params.remove("cnonce"),
        |answer| _ = answer.params.remove("nc"),
        |answer| _ = answer.params.remove("username"),
        |answer| answer.params.set("nc", "1"),
        |answer| answer.params.set("nc", "+0000001"),
        |answer| answer.params.set("qop", "auth-int"),
        |answer| answer.params.set("algorithm", "SHA-512-256"),
        |answer| answer.params.set("response", ""),
        |answer| answer.params.set("username*", "UTF-8''alice"),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut answer = answers[0].clone();
        change(&mut answer);
        let mut request = good.clone();
        request.headers_mut().replace(&Authorization(answer));
        assert_eq!(verifier.verify(now, &request), Verdict::Denied, "{index}");
    }
    let mut other = answers[0].clone();
    other.params.set("realm", "of somebody else");
    let mut request = good.clone();
    request.headers_mut().replace(&Authorization(other));
    assert_eq!(verifier.verify(now, &request), Verdict::Missing);
    assert!(granted(&verifier.verify(now, &good)), "none of them used the nonce up");
}

// rfc: 7616 §3.4 — a name in username* is the same as in username
#[test]
fn a_name_may_come_in_utf_8() {
    let now = now();
    let mut verifier = verifier(now);
    let mut client = Client::new(Credentials::new("Jäsøn", "geheim"));
    client.challenged(&challenge(&mut verifier, now, false)).unwrap();
    let (mut request, answers) = client.authorized();
    let mut answer = answers[0].clone();
    answer.params.remove("username");
    answer.params.set("username*", "UTF-8''J%C3%A4s%C3%B8n");
    request.headers_mut().replace(&Authorization(answer));
    let info: Option<AuthenticationInfo> = None;
    assert_eq!(verifier.verify(now, &request), Verdict::Granted { username: "Jäsøn".into(), info });
}

// rfc: 3261 §22.4 — a client of RFC 2069 is let in, each nonce once
#[test]
fn a_client_without_qop_is_let_in_once_for_each_nonce() {
    let now = now();
    let mut verifier = Verifier::new(now, "r", [1; 32]).user("alice", "secret");
    let lines = verifier.challenge(now, false);
    let line = lines[1].1.replace(", qop=\"auth\"", "");
    let mut client = Client::alice();
    client.challenged(&refusal(&[&format!("WWW-Authenticate: {line}")])).unwrap();
    let (request, answers) = client.authorized();
    assert!(!answers[0].params.contains("nc"));
    assert!(granted(&verifier.verify(now, &request)));
    assert_eq!(verifier.verify(now, &request), Verdict::Stale);
}
