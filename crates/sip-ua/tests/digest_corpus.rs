//! Digest against what other implementations compute.

use sip_ua::auth::digest::{Algorithm, Inputs, Protection};
use testkit::vectors;

/// The response that we compute for one line of a table; `None` if we do not know its algorithm.
fn respond(columns: &[&str]) -> Option<String> {
    let [_, algorithm, username, realm, password, method, uri, nonce, nc, cnonce, qop, body, ..] = columns
    else {
        panic!("a line has thirteen columns: {columns:?}");
    };
    let nc = u32::from_str_radix(nc, 16).unwrap_or(1);
    let body = body.replace("\\r\\n", "\r\n");
    let protection = match *qop {
        "" => Protection::Legacy,
        "auth" => Protection::Auth { nc, cnonce },
        "auth-int" => Protection::AuthInt { nc, cnonce, body: body.as_bytes() },
        other => panic!("qop {other}"),
    };
    let algorithm = Algorithm::parse(algorithm)?;
    let secret = algorithm.secret(username, realm, password);
    let inputs =
        Inputs { algorithm, secret: &secret, method, uri, nonce, protection, session_cnonce: cnonce };
    Some(inputs.response().to_string())
}

/// Checks every line of a table; how many there were.
fn check(table: &str) -> usize {
    let mut lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.next().expect("a line that names the columns");
    let mut checked = 0;
    for line in lines {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(
            respond(&columns).expect("a known algorithm"),
            *columns.get(12).expect("a response"),
            "{line}"
        );
        checked += 1;
    }
    checked
}

// rfc: 3261 §22.4 — without qop the response is that of RFC 2069, and auth-int covers the body
// rfc: 7616 §3.4.2 — A1 of the -sess algorithms covers the nonces
#[test]
fn the_corpus_comes_out() {
    let Some(folder) = vectors::corpus(env!("CARGO_MANIFEST_DIR"), "digest") else { return };
    assert!(check(&vectors::text(&folder.join("rfc-examples.tsv"))) >= 7);
    assert!(check(&vectors::text(&folder.join("sip-vectors.tsv"))) >= 20);
}
