//! Telephone numbers, as far as they cost money.

use sip_msg::{Scheme, Uri};

/// What numbers begin with that cost extra wherever they are called from: satellites, international networks and the
/// premium services of national plans. How they are dialled inside a country ("0900") depends on the country.
pub(super) const PREMIUM: [&str; 24] = [
    // Of no country: Inmarsat, satellites, international networks, international premium rate.
    "+870", "+881", "+882", "+883", "+979",  //
    "+1900", // North America
    "+3190", // Netherlands
    "+3290", // Belgium
    "+3389", // France
    "+34803", "+34806", "+34807", "+34905", // Spain
    "+39892", "+39899", // Italy
    "+41900", "+41901", "+41906", // Switzerland
    "+43900", "+43901", "+43930", "+43931", // Austria
    "+449",   // United Kingdom
    "+49900", // Germany
];

/// The number that a URI dials, without what only helps to read it; `00` and `011` in front stand for `+`.
///
/// `None` for a user that is no number.
pub(super) fn dialled(uri: &Uri) -> Option<String> {
    if uri.scheme() == Scheme::Other {
        return None;
    }
    let user = uri.user()?;
    let user = user.split(';').next().unwrap_or_default();
    let number: String = user.chars().filter(|digit| !matches!(digit, '-' | '.' | '(' | ')' | ' ')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    if digits.is_empty()
        || !digits.bytes().all(|digit| digit.is_ascii_digit() || matches!(digit, b'*' | b'#'))
    {
        return None;
    }
    let abroad = number.strip_prefix("011").or_else(|| number.strip_prefix("00"));
    Some(abroad.map_or_else(|| number.clone(), |rest| format!("+{rest}")))
}
