//! What authentication costs on both sides: time and allocations.

use std::time::{Duration, Instant};

use divan::{AllocProfiler, Bencher};
use sip_msg::{Authorization, CSeq, CallId, Credentials, From, Method, Request, To, Uri};
use sip_ua::auth::digest::{Algorithm, Inputs, Protection};
use sip_ua::auth::{Verdict, Verifier};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256, Algorithm::Sha256Sess];
const USERS: usize = 10_000;

fn main() {
    divan::main();
}

#[expect(clippy::disallowed_methods, reason = "`Instant` has no other constructor")]
fn now() -> Instant {
    Instant::now()
}

fn register(answer: Option<Credentials>) -> Request {
    let uri: Uri = "sip:example.com".parse().expect("a URI");
    let user: Uri = "sip:user7@example.com".parse().expect("a URI");
    let mut request = Request::builder(Method::REGISTER, &uri)
        .header(&From::new(user.clone()).with_tag("1928301774"))
        .header(&To::new(user))
        .header(&CallId("a84b4c76e66710".into()))
        .header(&CSeq::new(2, Method::REGISTER))
        .build();
    if let Some(answer) = answer {
        request.headers_mut().push(&Authorization(answer));
    }
    request
}

/// A REGISTER as a server gets it, with the count for a nonce.
fn answered(verifier: &mut Verifier, now: Instant, algorithm: Algorithm, nc: u32) -> Request {
    let lines = verifier.challenge(now, false);
    let line = lines.first().map(|(_, line)| line.to_string()).unwrap_or_default();
    let nonce = line.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let secret = algorithm.secret("user7", "example.com", "password7");
    let (method, uri) = ("REGISTER", "sip:example.com");
    let protection = Protection::Auth { nc, cnonce: "0a4f113b0a4f113b" };
    let inputs = Inputs { algorithm, secret: &secret, method, uri, nonce, protection, session_cnonce: "" };
    let answer = Credentials::digest()
        .with("username", "user7")
        .with("realm", "example.com")
        .with("nonce", nonce)
        .with("uri", uri)
        .with("response", &*inputs.response())
        .with("algorithm", algorithm.name())
        .with("cnonce", "0a4f113b0a4f113b")
        .with("qop", "auth")
        .with("nc", format!("{nc:08x}"));
    register(Some(answer))
}

fn verifier(now: Instant, algorithm: Algorithm) -> Verifier {
    let empty = Verifier::new(now, "example.com", [7; 32]).algorithms(&[algorithm]);
    let lifetime = empty.lifetime(Duration::from_secs(3600));
    (0..USERS)
        .fold(lifetime, |verifier, user| verifier.user(format!("user{user}"), &format!("password{user}")))
}

/// A right password of one among ten thousand users, each time with a fresh nonce.
#[divan::bench(args = ALGORITHMS)]
fn verify(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let now = now();
    let verifier = std::cell::RefCell::new(verifier(now, algorithm));
    bencher.with_inputs(|| answered(&mut verifier.borrow_mut(), now, algorithm, 1)).bench_local_refs(
        |request| {
            let verdict = verifier.borrow_mut().verify(now, request);
            assert!(matches!(verdict, Verdict::Granted { .. }));
            verdict
        },
    );
}

/// A wrong password, or a user who is not there: the same work.
#[divan::bench(args = ["user7", "nobody"])]
fn refuse(bencher: Bencher<'_, '_>, user: &str) {
    let now = now();
    let verifier = std::cell::RefCell::new(verifier(now, Algorithm::Sha256));
    bencher
        .with_inputs(|| {
            let mut request = answered(&mut verifier.borrow_mut(), now, Algorithm::Sha256, 1);
            if let Ok(Some(Authorization(answer))) = request.headers().get::<Authorization>() {
                let wrong = answer.with("username", user).with("response", "0".repeat(64));
                request.headers_mut().replace(&Authorization(wrong));
            }
            request
        })
        .bench_local_refs(|request| {
            let verdict = verifier.borrow_mut().verify(now, request);
            assert_eq!(verdict, Verdict::Denied);
            verdict
        });
}

/// The challenges for one refusal, with SHA-256 and MD5.
#[divan::bench]
fn challenge(bencher: Bencher<'_, '_>) {
    let now = now();
    let mut verifier = Verifier::new(now, "example.com", [7; 32]);
    bencher.bench_local(|| verifier.challenge(now, false));
}

/// The arithmetic alone: from the secret to the response.
#[divan::bench(args = ALGORITHMS)]
fn response(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let secret = algorithm.secret("user7", "example.com", "password7");
    let protection = Protection::Auth { nc: 1, cnonce: "0a4f113b" };
    let (method, uri, nonce) = ("REGISTER", "sip:example.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093");
    let inputs = Inputs { algorithm, secret: &secret, method, uri, nonce, protection, session_cnonce: "" };
    bencher.bench_local(|| divan::black_box(&inputs).response());
}
