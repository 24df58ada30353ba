//! Two sides agree on keys by `a=crypto` lines, then exchange one packet each way.
//!
//! Run with `cargo run -p srtp --example offer`.

use srtp::{Context, MasterKey, Profile, sdes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let profile = Profile::AesCm128HmacSha1_80;
    // An application takes these octets from the system's random source.
    let (ours, theirs) = (MasterKey::generate(profile, &[1; 64])?, MasterKey::generate(profile, &[2; 64])?);
    let suite = profile.suite_name().unwrap_or_default();
    println!("offer:  a=crypto:1 {suite} {}", sdes::write(&ours));
    println!("answer: a=crypto:1 {suite} {}", sdes::write(&theirs));

    // Each side protects with its own key and unprotects with the other's.
    let (mut to_them, mut from_us) = (Context::new(profile, &ours)?, Context::new(profile, &ours)?);
    let rtp = [0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 42, b'h', b'e', b'l', b'l', b'o'];
    let mut packet = rtp.to_vec();
    to_them.protect_rtp(&mut packet)?;
    println!("on the wire: {packet:02x?}");
    from_us.unprotect_rtp(&mut packet)?;
    assert_eq!(packet, rtp);
    Ok(())
}
