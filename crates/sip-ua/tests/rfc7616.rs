//! Digest against the examples of RFC 7616 and RFC 8760.

use sip_ua::auth::digest::{Algorithm, Inputs, Protection};

// rfc: 7616 §3.9.1 — the example with MD5 and SHA-256
// rfc: 7616 §3.4.1 — response = KD(H(A1), nonce:nc:cnonce:qop:H(A2))
#[test]
fn the_examples_of_rfc_7616_come_out() {
    for (algorithm, expected) in [
        (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let inputs = Inputs {
            algorithm,
            secret: &algorithm.secret("Mufasa", "http-auth@example.org", "Circle of Life"),
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            protection: Protection::Auth { nc: 1, cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" },
            session_cnonce: "",
        };
        assert_eq!(&*inputs.response(), expected);
    }
}

// rfc: 7616 §3.9.2 — the example with SHA-512-256 and a hashed user name, with the hash that its name means: the RFC prints
// that of SHA-512 cut to 256 bits (erratum 4897)
#[test]
fn the_example_with_a_hashed_user_name_comes_out() {
    let algorithm = Algorithm::Sha512_256;
    let (name, realm) = ("J\u{e4}s\u{f8}n Doe", "api@example.org");
    let userhash = algorithm.userhash(name, realm);
    assert_eq!(&*userhash, "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b");
    let inputs = Inputs {
        algorithm,
        secret: &algorithm.secret(name, realm, "Secret, or not?"),
        method: "GET",
        uri: "/doe.json",
        nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        protection: Protection::Auth { nc: 1, cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v" },
        session_cnonce: "",
    };
    assert_eq!(&*inputs.response(), "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
}
