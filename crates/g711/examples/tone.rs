//! Codes a 1 kHz tone both ways and prints what the coding costs: `cargo run -p g711 --example tone`.

fn main() {
    let tone: Vec<i16> =
        (0..8_000).map(|n| (f64::from(n) * std::f64::consts::FRAC_PI_4).sin()).map(scaled).collect();
    let (mut codes, mut decoded) = (vec![0; tone.len()], vec![0; tone.len()]);

    g711::ulaw::encode_slice(&tone, &mut codes);
    g711::ulaw::decode_slice(&codes, &mut decoded);
    println!("µ-law: {:.1} dB above the noise of the coding", signal_to_noise(&tone, &decoded));

    g711::alaw::encode_slice(&tone, &mut codes);
    g711::alaw::decode_slice(&codes, &mut decoded);
    println!("A-law: {:.1} dB above the noise of the coding", signal_to_noise(&tone, &decoded));
}

/// A tenth of full scale.
#[expect(clippy::cast_possible_truncation, reason = "the tone stays within a tenth of the range")]
fn scaled(value: f64) -> i16 {
    (value * 3_276.7) as i16
}

fn signal_to_noise(clean: &[i16], coded: &[i16]) -> f64 {
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let signal = power(&mut clean.iter().map(|sample| f64::from(*sample)));
    let noise = power(&mut clean.iter().zip(coded).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    10.0 * (signal / noise).log10()
}
