//! [`HeaderName`] and the header table.

use core::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use bytes::Bytes;

use crate::{
    Text,
    grammar::{self, Unexpected},
};

/// The name of a header field: one byte for a name in the table, text for any other.
///
/// Compared without regard to case; a compact form is the same name ([RFC 3261 §7.3.3]).
///
/// [RFC 3261 §7.3.3]: https://www.rfc-editor.org/rfc/rfc3261#section-7.3.3
#[derive(Clone, Eq)]
pub struct HeaderName(Repr);

#[derive(Clone, Eq)]
enum Repr {
    Known(u8),
    Other(Text),
}

struct Row {
    name: &'static str,
    /// The compact form; 0 for none.
    compact: u8,
    /// Whether several fields may be joined by commas ([RFC 3261 §7.3.1]).
    list: bool,
    rfc: u16,
}

macro_rules! header_table {
    ($($constant:ident $name:literal $compact:literal $list:ident $rfc:literal;)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as the constants they number")]
        enum Index { $($constant),* }

        const TABLE: &[Row] = &[$(Row { name: $name, compact: $compact, list: header_table!(@ $list), rfc: $rfc }),*];

        impl HeaderName {
            $(
                #[doc = concat!("`", $name, "`, RFC ", $rfc, ".")]
                pub const $constant: Self = Self(Repr::Known(Index::$constant as u8));
            )*

            /// All names in the table.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];
        }
    };
    (@ list) => { true };
    (@ single) => { false };
}

// THE HEADER TABLE: name, compact form, whether lines may be joined by commas, RFC.
header_table! {
    ACCEPT "Accept" b'\0' list 3261;
    ACCEPT_CONTACT "Accept-Contact" b'a' list 3841;
    ACCEPT_ENCODING "Accept-Encoding" b'\0' list 3261;
    ACCEPT_LANGUAGE "Accept-Language" b'\0' list 3261;
    ACCEPT_RESOURCE_PRIORITY "Accept-Resource-Priority" b'\0' list 4412;
    ALERT_INFO "Alert-Info" b'\0' list 3261;
    ALLOW "Allow" b'\0' list 3261;
    ALLOW_EVENTS "Allow-Events" b'u' list 6665;
    ANSWER_MODE "Answer-Mode" b'\0' single 5373;
    AUTHENTICATION_INFO "Authentication-Info" b'\0' single 3261;
    AUTHORIZATION "Authorization" b'\0' single 3261;
    CALL_ID "Call-ID" b'i' single 3261;
    CALL_INFO "Call-Info" b'\0' list 3261;
    CONTACT "Contact" b'm' list 3261;
    CONTENT_DISPOSITION "Content-Disposition" b'\0' single 3261;
    CONTENT_ENCODING "Content-Encoding" b'e' list 3261;
    CONTENT_ID "Content-ID" b'\0' single 8262;
    CONTENT_LANGUAGE "Content-Language" b'\0' list 3261;
    CONTENT_LENGTH "Content-Length" b'l' single 3261;
    CONTENT_TYPE "Content-Type" b'c' single 3261;
    CSEQ "CSeq" b'\0' single 3261;
    DATE "Date" b'\0' single 3261;
    DIVERSION "Diversion" b'\0' list 5806;
    ERROR_INFO "Error-Info" b'\0' list 3261;
    EVENT "Event" b'o' single 6665;
    EXPIRES "Expires" b'\0' single 3261;
    FEATURE_CAPS "Feature-Caps" b'\0' list 6809;
    FLOW_TIMER "Flow-Timer" b'\0' single 5626;
    FROM "From" b'f' single 3261;
    GEOLOCATION "Geolocation" b'\0' list 6442;
    GEOLOCATION_ERROR "Geolocation-Error" b'\0' single 6442;
    GEOLOCATION_ROUTING "Geolocation-Routing" b'\0' single 6442;
    HISTORY_INFO "History-Info" b'\0' list 7044;
    IDENTITY "Identity" b'y' list 8224;
    INFO_PACKAGE "Info-Package" b'\0' single 6086;
    IN_REPLY_TO "In-Reply-To" b'\0' list 3261;
    JOIN "Join" b'\0' single 3911;
    MAX_BREADTH "Max-Breadth" b'\0' single 5393;
    MAX_FORWARDS "Max-Forwards" b'\0' single 3261;
    MIME_VERSION "MIME-Version" b'\0' single 3261;
    MIN_EXPIRES "Min-Expires" b'\0' single 3261;
    MIN_SE "Min-SE" b'\0' single 4028;
    ORGANIZATION "Organization" b'\0' single 3261;
    PATH "Path" b'\0' list 3327;
    PRIORITY "Priority" b'\0' single 3261;
    PRIVACY "Privacy" b'\0' single 3323;
    PRIV_ANSWER_MODE "Priv-Answer-Mode" b'\0' single 5373;
    PROXY_AUTHENTICATE "Proxy-Authenticate" b'\0' single 3261;
    PROXY_AUTHORIZATION "Proxy-Authorization" b'\0' single 3261;
    PROXY_REQUIRE "Proxy-Require" b'\0' list 3261;
    P_ACCESS_NETWORK_INFO "P-Access-Network-Info" b'\0' list 7315;
    P_ASSERTED_IDENTITY "P-Asserted-Identity" b'\0' list 3325;
    P_ASSOCIATED_URI "P-Associated-URI" b'\0' list 7315;
    P_CALLED_PARTY_ID "P-Called-Party-ID" b'\0' single 7315;
    P_CHARGING_VECTOR "P-Charging-Vector" b'\0' single 7315;
    P_PREFERRED_IDENTITY "P-Preferred-Identity" b'\0' list 3325;
    RACK "RAck" b'\0' single 3262;
    REASON "Reason" b'\0' list 3326;
    RECORD_ROUTE "Record-Route" b'\0' list 3261;
    RECV_INFO "Recv-Info" b'\0' list 6086;
    REFERRED_BY "Referred-By" b'b' single 3892;
    REFER_SUB "Refer-Sub" b'\0' single 4488;
    REFER_TO "Refer-To" b'r' single 3515;
    REJECT_CONTACT "Reject-Contact" b'j' list 3841;
    REPLACES "Replaces" b'\0' single 3891;
    REPLY_TO "Reply-To" b'\0' single 3261;
    REQUEST_DISPOSITION "Request-Disposition" b'd' list 3841;
    REQUIRE "Require" b'\0' list 3261;
    RESOURCE_PRIORITY "Resource-Priority" b'\0' list 4412;
    RETRY_AFTER "Retry-After" b'\0' single 3261;
    ROUTE "Route" b'\0' list 3261;
    RSEQ "RSeq" b'\0' single 3262;
    SECURITY_CLIENT "Security-Client" b'\0' list 3329;
    SECURITY_SERVER "Security-Server" b'\0' list 3329;
    SECURITY_VERIFY "Security-Verify" b'\0' list 3329;
    SERVER "Server" b'\0' single 3261;
    SERVICE_ROUTE "Service-Route" b'\0' list 3608;
    SESSION_EXPIRES "Session-Expires" b'x' single 4028;
    SESSION_ID "Session-ID" b'\0' single 7989;
    SIP_ETAG "SIP-ETag" b'\0' single 3903;
    SIP_IF_MATCH "SIP-If-Match" b'\0' single 3903;
    SUBJECT "Subject" b's' single 3261;
    SUBSCRIPTION_STATE "Subscription-State" b'\0' single 6665;
    SUPPORTED "Supported" b'k' list 3261;
    TARGET_DIALOG "Target-Dialog" b'\0' single 4538;
    TIMESTAMP "Timestamp" b'\0' single 3261;
    TO "To" b't' single 3261;
    UNSUPPORTED "Unsupported" b'\0' list 3261;
    USER_AGENT "User-Agent" b'\0' single 3261;
    USER_TO_USER "User-to-User" b'\0' list 7433;
    VIA "Via" b'v' list 3261;
    WARNING "Warning" b'\0' list 3261;
    WWW_AUTHENTICATE "WWW-Authenticate" b'\0' single 3261;
}

/// Slots of the hash table; a power of two about three times the number of names.
const SLOTS: usize = 256;
const EMPTY: u8 = u8::MAX;
const INDEX: [u8; SLOTS] = index();

/// First and last byte and the length tell nearly all names apart.
const fn slot(first: u8, last: u8, length: usize) -> usize {
    let (first, last) = ((first | 0x20) as usize, (last | 0x20) as usize);
    (first.wrapping_mul(37) ^ last.wrapping_mul(11)).wrapping_add(length.wrapping_mul(29)) % SLOTS
}

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated at compile time")]
const fn index() -> [u8; SLOTS] {
    let mut slots = [EMPTY; SLOTS];
    let mut row = 0;
    while row < TABLE.len() {
        let name = TABLE[row].name.as_bytes();
        let mut at = slot(name[0], name[name.len() - 1], name.len());
        while slots[at] != EMPTY {
            at = (at + 1) % SLOTS;
        }
        slots[at] = row as u8;
        row += 1;
    }
    slots
}

const COMPACT: [u8; 26] = compact_index();

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated at compile time")]
const fn compact_index() -> [u8; 26] {
    let mut letters = [EMPTY; 26];
    let mut row = 0;
    while row < TABLE.len() {
        if TABLE[row].compact != 0 {
            letters[(TABLE[row].compact - b'a') as usize] = row as u8;
        }
        row += 1;
    }
    letters
}

impl HeaderName {
    /// Reads a name in any case, or its compact form.
    ///
    /// # Errors
    /// [`Unexpected`] when it is empty or holds a byte that no token has.
    pub fn parse(name: impl Into<Bytes>) -> Result<Self, Unexpected> {
        let name = name.into();
        if let Some(known) = Self::known(&name) {
            return Ok(known);
        }
        match name.iter().position(|&byte| !grammar::is(byte, grammar::TOKEN)) {
            None if !name.is_empty() => Ok(Self(Repr::Other(Text::from_bytes(name)))),
            at => Err(Unexpected { at: at.unwrap_or(0), expected: "a header name" }),
        }
    }

    /// The name in the table that `name` spells, if any.
    #[inline]
    pub(crate) fn known(name: &[u8]) -> Option<Self> {
        let (first, last) = (*name.first()?, *name.last()?);
        if name.len() == 1 {
            let letter = usize::from((first | 0x20).checked_sub(b'a')?);
            let row = *COMPACT.get(letter)?;
            return (row != EMPTY && first.is_ascii_alphabetic()).then_some(Self(Repr::Known(row)));
        }
        let mut at = slot(first, last, name.len());
        loop {
            let &row = INDEX.get(at)?;
            let candidate = TABLE.get(usize::from(row))?.name.as_bytes();
            if candidate == name || candidate.eq_ignore_ascii_case(name) {
                return Some(Self(Repr::Known(row)));
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// A name outside the table; the caller has checked that it is a token.
    pub(crate) fn other(name: Text) -> Self {
        Self(Repr::Other(name))
    }

    fn row(&self) -> Option<&'static Row> {
        match &self.0 {
            Repr::Known(row) => TABLE.get(usize::from(*row)),
            Repr::Other(_) => None,
        }
    }

    /// The name in its usual spelling; one outside the table as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(row) => TABLE.get(usize::from(*row)).map_or("", |row| row.name),
            Repr::Other(name) => name,
        }
    }

    /// The compact form, as `v` for Via.
    #[must_use]
    pub fn compact(&self) -> Option<char> {
        self.row().filter(|row| row.compact != 0).map(|row| char::from(row.compact))
    }

    /// Whether several lines of this name mean the same as one line with the values joined by commas
    /// ([RFC 3261 §7.3.1]).
    ///
    /// Not so for a name outside the table, nor for challenges and credentials, whose own commas would make the
    /// list ambiguous.
    ///
    /// [RFC 3261 §7.3.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.3.1
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.row().is_some_and(|row| row.list)
    }

    /// The RFC that defines the header; `None` for a name outside the table.
    #[must_use]
    pub fn rfc(&self) -> Option<u16> {
        self.row().map(|row| row.rfc)
    }
}

impl PartialEq for Repr {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(a), Self::Known(b)) => a == b,
            (Self::Other(a), Self::Other(b)) => a.eq_ignore_ascii_case(b),
            (Self::Known(_), Self::Other(_)) | (Self::Other(_), Self::Known(_)) => false,
        }
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().bytes().for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
    }
}

impl FromStr for HeaderName {
    type Err = Unexpected;

    fn from_str(name: &str) -> Result<Self, Unexpected> {
        Self::known(name.as_bytes()).map_or_else(|| Self::parse(Bytes::copy_from_slice(name.as_bytes())), Ok)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // rfc: 3261 §7.3.1 — header names are case-insensitive
    #[test]
    fn every_name_is_found_in_any_case() {
        for name in HeaderName::ALL {
            assert_eq!(name.as_str().parse::<HeaderName>().as_ref(), Ok(name));
            assert_eq!(name.as_str().to_ascii_uppercase().parse::<HeaderName>().as_ref(), Ok(name));
            assert_eq!(name.as_str().to_ascii_lowercase().parse::<HeaderName>().as_ref(), Ok(name));
        }
    }

    // rfc: 3261 §7.3.3 — compact forms
    #[test]
    fn compact_forms_are_the_same_name() {
        let compact: std::string::String = HeaderName::ALL.iter().filter_map(HeaderName::compact).collect();
        assert_eq!(compact.len(), 19);
        for name in HeaderName::ALL {
            if let Some(letter) = name.compact() {
                assert_eq!(letter.to_string().parse::<HeaderName>().as_ref(), Ok(name));
                assert_eq!(letter.to_ascii_uppercase().to_string().parse::<HeaderName>().as_ref(), Ok(name));
            }
        }
        for letter in
            ["v", "f", "t", "i", "m", "c", "l", "s", "k", "e", "o", "u", "r", "b", "x", "y", "a", "j", "d"]
        {
            assert!(letter.parse::<HeaderName>().unwrap().rfc().is_some(), "{letter}");
        }
        assert_eq!("q".parse::<HeaderName>().unwrap().rfc(), None);
        assert_eq!("!".parse::<HeaderName>().unwrap().rfc(), None);
    }

    #[test]
    fn names_outside_the_table_are_kept_as_they_came() {
        let name: HeaderName = "X-Custom".parse().unwrap();
        assert_eq!(name.as_str(), "X-Custom");
        assert_eq!(name, "x-cuSTOM".parse().unwrap());
        assert!("".parse::<HeaderName>().is_err());
        assert!("a b".parse::<HeaderName>().is_err());
    }

    #[test]
    fn lookup_probes_few_slots() {
        let worst =
            (0..SLOTS).map(|at| (0..).take_while(|step| INDEX[(at + step) % SLOTS] != EMPTY).count()).max();
        assert!(worst < Some(16), "{worst:?}");
    }
}
