//! What must hold for every profile, packet, loss and order.

use std::collections::BTreeSet;

use proptest::prelude::*;
use srtp::{Config, Context, MasterKey, Profile, UnprotectError};
use testkit::Rng;

fn profiles() -> impl Strategy<Value = Profile> {
    let profiles: Vec<Profile> = Profile::all().chain([Profile::NullHmacSha1_80]).collect();
    prop::sample::select(profiles)
}

fn keys() -> impl Strategy<Value = MasterKey> {
    (profiles(), any::<[u8; 46]>(), prop::collection::vec(any::<u8>(), 0..8)).prop_map(
        |(profile, random, mki)| {
            let key = MasterKey::generate(profile, &random).expect("46 octets are enough");
            if mki.is_empty() { key } else { key.with_mki(&mki).expect("1 to 7 octets") }
        },
    )
}

/// RTP packets with contributing sources, extension and payload of any length.
fn rtp_packets() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop::option::of(prop::collection::vec(any::<[u8; 4]>(), 0..5));
    let fixed = (any::<bool>(), any::<u8>(), any::<[u8; 10]>());
    let payload = prop::collection::vec(any::<u8>(), 0..300);
    (fixed, prop::collection::vec(any::<[u8; 4]>(), 0..16), extension, payload).prop_map(
        |((padding, kind, rest), sources, extension, payload)| {
            let count = u8::try_from(sources.len()).expect("at most 15");
            let flags = 0x80 | u8::from(padding) << 5 | u8::from(extension.is_some()) << 4 | count;
            let mut packet = vec![flags, kind];
            packet.extend(rest);
            packet.extend(sources.concat());
            if let Some(words) = extension {
                packet.extend([0xbe, 0xde, 0, u8::try_from(words.len()).expect("at most 4")]);
                packet.extend(words.concat());
            }
            packet.extend(payload);
            packet
        },
    )
}

fn rtcp_packets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 7..200).prop_map(|rest| [vec![0x80], rest].concat())
}

fn pair(key: &MasterKey) -> (Context, Context) {
    let context = || Context::new(key.profile(), key).expect("its own profile");
    (context(), context())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_protected_comes_back(key in keys(), rtp in rtp_packets(), rtcp in rtcp_packets()) {
        let (mut sender, mut receiver) = pair(&key);
        let mut packet = rtp.clone();
        sender.protect_rtp(&mut packet).unwrap();
        prop_assert_eq!(packet.len(), rtp.len() + sender.rtp_overhead());
        receiver.unprotect_rtp(&mut packet).unwrap();
        prop_assert_eq!(packet, rtp);
        let mut packet = rtcp.clone();
        sender.protect_rtcp(&mut packet).unwrap();
        prop_assert_eq!(packet.len(), rtcp.len() + sender.rtcp_overhead());
        receiver.unprotect_rtcp(&mut packet).unwrap();
        prop_assert_eq!(packet, rtcp);
    }

    // rfc: 3711 §3.3 — a packet that fails authentication is discarded and changes nothing
    #[test]
    fn a_flipped_bit_is_an_error_and_changes_nothing(
        key in keys(), rtp in rtp_packets(), rtcp in rtcp_packets(), bit in any::<prop::sample::Index>(),
    ) {
        let (mut sender, mut receiver) = pair(&key);
        let (mut rtp, mut rtcp) = (rtp, rtcp);
        sender.protect_rtp(&mut rtp).unwrap();
        sender.protect_rtcp(&mut rtcp).unwrap();
        let flip = |packet: &[u8]| {
            let at = bit.index(packet.len() * 8);
            let mut altered = packet.to_vec();
            altered[at / 8] ^= 1 << (at % 8);
            altered
        };
        let (mut altered, before) = (flip(&rtp), format!("{receiver:?}"));
        prop_assert!(receiver.unprotect_rtp(&mut altered).is_err());
        prop_assert_eq!(altered, flip(&rtp));
        let mut altered = flip(&rtcp);
        prop_assert!(receiver.unprotect_rtcp(&mut altered).is_err());
        prop_assert_eq!(altered, flip(&rtcp));
        prop_assert_eq!(before, format!("{receiver:?}"));
        prop_assert_eq!(receiver.unprotect_rtp(&mut rtp), Ok(()));
        prop_assert_eq!(receiver.unprotect_rtcp(&mut rtcp), Ok(()));
    }

    #[test]
    fn octets_from_anywhere_are_refused_and_left_alone(key in keys(), octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut receiver, _) = pair(&key);
        let mut packet = octets.clone();
        prop_assert!(receiver.unprotect_rtp(&mut packet).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut packet).is_err());
        prop_assert_eq!(packet, octets);
    }

    // rfc: 3711 §3.3.1 — rollover with loss and reordering across the wrap
    #[test]
    fn the_wrap_is_followed_through_loss_doubling_and_reordering(
        seed in any::<u64>(), window in prop::sample::select(vec![64_usize, 128, 512]), loss in 0.0..0.5,
    ) {
        let profile = Profile::NullHmacSha1_80;
        let key = MasterKey::new(profile, &[5; 30]).unwrap();
        let config = Config::default().replay_window(window);
        let mut sender = Context::with_config(profile, &key, config).unwrap();
        let mut receiver = Context::with_config(profile, &key, config).unwrap();
        let mut rng = Rng::new(seed);
        let (mut highest, mut seen) = (None, BTreeSet::new());
        let mut held: Vec<(u64, Vec<u8>)> = Vec::new();
        // Bursts of packets on either side of three wraps, the stretches between being lost.
        for wrap in 1..=3_u64 {
            for index in (wrap << 16) - 300..(wrap << 16) + 300 {
                let number = u16::try_from(index & 0xffff).unwrap().to_be_bytes();
                let mut packet = vec![0x80, 0, number[0], number[1], 0, 0, 0, 0, 0, 0, 0, 1, 0xee];
                sender.protect_rtp(&mut packet).unwrap();
                if wrap > 1 && index == (wrap << 16) - 300 {
                    prop_assert_eq!(sender.rollover_counter(1), Some(u32::try_from(wrap - 1).unwrap()));
                }
                if !rng.chance(loss) {
                    held.push((index, packet.clone()));
                }
                if rng.chance(0.1) {
                    held.push((index, packet));
                }
                while !held.is_empty() && rng.chance(0.6) {
                    let newest_first = held.len() - 1;
                    let at = newest_first - usize::try_from(rng.below(held.len().min(100) as u64)).unwrap();
                    let (index, mut packet) = held.swap_remove(at);
                    let fresh = !seen.contains(&index)
                        && highest.is_none_or(|highest: u64| highest < index + window as u64);
                    let expected = if fresh { Ok(()) } else { Err(UnprotectError::Replayed) };
                    prop_assert_eq!(receiver.unprotect_rtp(&mut packet), expected, "index {}", index);
                    if fresh {
                        seen.insert(index);
                        highest = highest.max(Some(index));
                    }
                }
            }
            // The middle of the number space, so that neither side loses count over the gap.
            for step in 1..4_u64 {
                let index = (wrap << 16) + step * 0x4000;
                let number = u16::try_from(index & 0xffff).unwrap().to_be_bytes();
                let mut packet = vec![0x80, 0, number[0], number[1], 0, 0, 0, 0, 0, 0, 0, 1, 0xee];
                sender.protect_rtp(&mut packet).unwrap();
                prop_assert_eq!(receiver.unprotect_rtp(&mut packet), Ok(()));
                seen.insert(index);
                highest = highest.max(Some(index));
            }
            held.clear();
        }
        prop_assert!(seen.len() > 200);
    }
}
