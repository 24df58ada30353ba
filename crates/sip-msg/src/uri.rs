//! [`Uri`]: `sip:`, `sips:`, `tel:` and, kept as they are, other schemes.

use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str::FromStr};

use bytes::Bytes;

use crate::{
    Host, HostPort, Param, Params, StatusCode, Text,
    grammar::{self, Cursor, Unexpected},
};

mod compare;
mod read;

/// Why a URI could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The text does not follow the grammar.
    #[error("URI: expected {expected} at byte {at}")]
    Malformed {
        /// Offset into the URI, in bytes.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
}

impl UriError {
    /// What a UAS answers: 400.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

impl From<Unexpected> for UriError {
    fn from(error: Unexpected) -> Self {
        Self::Malformed { at: error.at, expected: error.expected }
    }
}

/// The scheme of a [`Uri`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Scheme {
    /// `sip:` ([RFC 3261 §19.1]).
    ///
    /// [RFC 3261 §19.1]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1
    Sip,
    /// `sips:`: TLS on each hop.
    Sips,
    /// `tel:` ([RFC 3966 §3]).
    ///
    /// [RFC 3966 §3]: https://www.rfc-editor.org/rfc/rfc3966#section-3
    Tel,
    /// Any other: [`Uri::scheme_name`] says which.
    Other,
}

/// A URI as SIP uses it.
///
/// It is kept as it stands on the wire: reading one copies and allocates nothing, and writing gives the bytes that were
/// read. [`Uri::user`] and [`Uri::password`] resolve percent escapes. `==` compares the parts; what names the same
/// resource by [RFC 3261 §19.1.4] is asked with [`Uri::equivalent`].
///
/// [RFC 3261 §19.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4
#[derive(Clone)]
pub struct Uri {
    /// Good by the grammar of its scheme, so that a search for separators finds the parts.
    text: Text,
    scheme: Scheme,
}

/// The parts that follow the scheme.
#[derive(Clone, Copy, Default)]
struct Parts<T> {
    /// `tel:` keeps its number here, an unknown scheme all that follows the colon.
    user: Option<T>,
    password: Option<T>,
    /// Empty for `tel:` and unknown schemes.
    host: T,
    port: Option<u16>,
    /// Each with its `;`.
    params: T,
    headers: Option<T>,
}

impl<T> Parts<T> {
    fn map<U>(self, each: impl Fn(T) -> U) -> Parts<U> {
        Parts {
            user: self.user.map(&each),
            password: self.password.map(&each),
            host: each(self.host),
            port: self.port,
            params: each(self.params),
            headers: self.headers.map(&each),
        }
    }
}

impl Uri {
    /// `sip:host`.
    #[must_use]
    pub fn sip(host_port: impl Into<HostPort>) -> Self {
        Self::new("sip", &host_port.into())
    }

    /// `sips:host`.
    #[must_use]
    pub fn sips(host_port: impl Into<HostPort>) -> Self {
        Self::new("sips", &host_port.into())
    }

    fn new(scheme: &str, host_port: &HostPort) -> Self {
        let host = host_port.host.to_string();
        Self::join(scheme, &Parts { host, port: host_port.port, ..Parts::default() })
    }

    /// Reads a whole URI.
    ///
    /// # Errors
    /// [`UriError::Malformed`] when the text does not follow the grammar of its scheme.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, UriError> {
        let bytes = text.into();
        Ok(Self::read(&mut Cursor::new(&bytes))?)
    }

    /// Writes a URI of these parts.
    fn join(scheme: &str, parts: &Parts<String>) -> Self {
        let mut text = format!("{scheme}:");
        text.push_str(parts.user.as_deref().unwrap_or_default());
        if let (Some(_), Some(password)) = (&parts.user, &parts.password) {
            text.extend([":", password]);
        }
        if parts.user.is_some() && !parts.host.is_empty() {
            text.push('@');
        }
        text.push_str(&parts.host);
        if let Some(port) = parts.port {
            text.extend([":", &port.to_string()]);
        }
        text.push_str(&parts.params);
        if let Some(headers) = &parts.headers {
            text.extend(["?", headers]);
        }
        Self { text: text.into(), scheme: Scheme::named(scheme) }
    }

    fn parts(&self) -> Parts<&str> {
        let rest = self.text.split_once(':').map_or("", |(_, rest)| rest);
        match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                let (user, rest) =
                    rest.split_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
                let password = user.and_then(|user| user.split_once(':'));
                let (rest, headers) =
                    rest.split_once('?').map_or((rest, None), |(rest, headers)| (rest, Some(headers)));
                let (host_port, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
                let (host, port) = match host_port.rsplit_once(':') {
                    Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
                    _ => (host_port, None),
                };
                Parts {
                    user: password.map(|(user, _)| user).or(user),
                    password: password.map(|(_, password)| password),
                    host,
                    port,
                    params,
                    headers,
                }
            }
            Scheme::Tel => {
                let (number, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
                Parts { user: Some(number), params, ..Parts::default() }
            }
            Scheme::Other => Parts { user: Some(rest), ..Parts::default() },
        }
    }

    /// Changes parts; their text must be escaped.
    fn edit(&mut self, change: impl FnOnce(&mut Parts<String>)) {
        let mut parts = self.parts().map(String::from);
        change(&mut parts);
        *self = Self::join(self.scheme_name(), &parts);
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The scheme as written, without the colon; compared without regard to case.
    #[must_use]
    pub fn scheme_name(&self) -> &str {
        self.text.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// Whether the scheme is `sip` or `sips`.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// Whether the scheme is `sips`.
    #[must_use]
    pub fn is_sips(&self) -> bool {
        self.scheme == Scheme::Sips
    }

    /// The user of a `sip:` or `sips:` URI or the number of a `tel:` URI, percent escapes resolved.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self.scheme {
            Scheme::Sip | Scheme::Sips | Scheme::Tel => self.raw_user().map(decoded),
            Scheme::Other => None,
        }
    }

    /// The user as it stands on the wire; for an unknown scheme all that follows the colon.
    #[must_use]
    pub fn raw_user(&self) -> Option<&str> {
        self.parts().user
    }

    /// The password, percent escapes resolved. Passwords in URIs are discouraged ([RFC 3261 §19.1.1]).
    ///
    /// [RFC 3261 §19.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.1
    #[must_use]
    pub fn password(&self) -> Option<Cow<'_, str>> {
        self.raw_password().map(decoded)
    }

    fn raw_password(&self) -> Option<&str> {
        self.parts().password
    }

    /// The host; `None` for `tel:` and unknown schemes.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        self.is_sip().then(|| Host::of(self.text.share(self.parts().host)))
    }

    /// The port, when one is written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.parts().port
    }

    /// Host and port; `None` for `tel:` and unknown schemes.
    #[must_use]
    pub fn host_port(&self) -> Option<HostPort> {
        Some(HostPort { host: self.host()?, port: self.port() })
    }

    /// The parameters, as they stand on the wire.
    #[must_use]
    pub fn params(&self) -> Params {
        let share = |part| self.text.share(part);
        self.raw_params().map(|(name, value)| Param::new(share(name), value.map(share))).collect()
    }

    fn raw_params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let params = self.parts().params.split(';').skip(1);
        params.map(|param| param.split_once('=').map_or((param, None), |(name, value)| (name, Some(value))))
    }

    fn param(&self, name: &str) -> Option<Option<&str>> {
        self.raw_params().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The headers after `?`: names and values, percent escapes resolved.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.raw_headers().map(|(name, value)| (decoded(name), decoded(value)))
    }

    fn raw_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.parts().headers.unwrap_or_default();
        headers
            .split('&')
            .filter(|header| !header.is_empty())
            .map(|header| header.split_once('=').unwrap_or((header, "")))
    }

    /// The `transport` parameter, as written.
    #[must_use]
    pub fn transport_param(&self) -> Option<&str> {
        self.param("transport")?
    }

    /// Whether `lr` stands here: the element routes loosely ([RFC 3261 §19.1.1]).
    ///
    /// [RFC 3261 §19.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.1
    #[must_use]
    pub fn is_loose_router(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The `maddr` parameter: send there instead of to the host.
    #[must_use]
    pub fn maddr(&self) -> Option<Host> {
        self.param("maddr")??.parse().ok()
    }

    /// The same URI with another user; bytes that need it are escaped.
    #[must_use]
    pub fn with_user(mut self, user: &str) -> Self {
        self.set_user(Some(user));
        self
    }

    /// The same URI with another port, or none.
    #[must_use]
    pub fn with_port(mut self, port: Option<u16>) -> Self {
        if self.is_sip() {
            self.edit(|parts| parts.port = port);
        }
        self
    }

    /// The same URI with parameter `name` set; bytes of the value that need it are escaped.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.set_param(name, value);
        self
    }

    /// The same URI with a password; without a user it has none.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.edit(|parts| parts.password = Some(grammar::escape(password, grammar::PASSWORD)));
        self
    }

    /// The same URI without a password: what may be shown and sent.
    #[must_use]
    pub fn without_password(mut self) -> Self {
        if self.raw_password().is_some() {
            self.edit(|parts| parts.password = None);
        }
        self
    }

    /// The same URI with one more header after `?`.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let escape = |text| grammar::escape(text, grammar::URI_HEADER);
        self.edit(|parts| {
            let before = parts.headers.take().map_or_else(String::new, |headers| headers + "&");
            parts.headers = Some(format!("{before}{}={}", escape(name), escape(value)));
        });
        self
    }

    /// Sets or removes the user of a `sip:` or `sips:` URI, or sets the number of a `tel:` URI.
    pub fn set_user(&mut self, user: Option<&str>) {
        let user = user.filter(|user| !user.is_empty());
        if user.is_some() || self.is_sip() {
            self.edit(|parts| parts.user = user.map(escape_user));
        }
    }

    /// Sets host and port of a `sip:` or `sips:` URI.
    pub fn set_host_port(&mut self, host_port: impl Into<HostPort>) {
        let HostPort { host, port } = host_port.into();
        if self.is_sip() {
            self.edit(|parts| (parts.host, parts.port) = (host.to_string(), port));
        }
    }

    /// Sets parameter `name`, with a value or as a flag.
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        let escape = |text| Text::from(grammar::escape(text, grammar::URI_PARAM));
        let mut params = self.params();
        params.put(Param::new(escape(name), value.map(escape)));
        self.set_params(&params);
    }

    /// Takes parameter `name` away; says whether it was there.
    pub fn remove_param(&mut self, name: &str) -> bool {
        let mut params = self.params();
        let found = params.remove(name);
        if found {
            self.set_params(&params);
        }
        found
    }

    fn set_params(&mut self, params: &Params) {
        let write = |param: Param| match param.value {
            Some(value) => format!(";{}={value}", param.name),
            None => format!(";{}", param.name),
        };
        self.edit(|parts| parts.params = params.iter().map(write).collect());
    }

    /// Takes the headers after `?` away.
    pub fn clear_headers(&mut self) {
        if self.parts().headers.is_some() {
            self.edit(|parts| parts.headers = None);
        }
    }

    /// A copy that shares no buffer with a message.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self { text: self.text.detach(), scheme: self.scheme }
    }

    /// A `tel:` URI as `sip:NUMBER@host;user=phone`; any other URI as it is ([RFC 3261 §19.1.6]).
    ///
    /// [RFC 3261 §19.1.6]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.6
    #[must_use]
    pub fn tel_to_sip(&self, host_port: impl Into<HostPort>) -> Self {
        // Equal numbers become equal users: RFC 3261 asks for lower case and for this order, RFC 3966 §3 for phone-context.
        const FIRST: [&str; 4] = ["isub", "ext", "postd", "phone-context"];
        if self.scheme != Scheme::Tel {
            return self.clone();
        }
        let params = self.parts().params.to_ascii_lowercase();
        let mut params: Vec<&str> = params.split(';').skip(1).collect();
        params.sort_by_key(|param| {
            let name = param.split('=').next().unwrap_or_default();
            (FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len()), name)
        });
        let mut number = self.raw_user().unwrap_or_default().to_ascii_lowercase();
        for param in params {
            number.push(';');
            number.push_str(param);
        }
        // What is escaped in the one is escaped in the other; the rest may need it.
        let parts: Vec<_> = number.split('%').map(escape_user).collect();
        let mut sip = Self::sip(host_port).with_param("user", Some("phone"));
        sip.edit(|sip| sip.user = Some(parts.join("%")));
        sip
    }

    /// The `tel:` URI inside a `sip:` URI with `user=phone`; `None` for another.
    #[must_use]
    pub fn sip_to_tel(&self) -> Option<Self> {
        let phone = self.is_sip() && self.param("user")??.eq_ignore_ascii_case("phone");
        if !phone {
            return None;
        }
        // A user may not hold these, a telephone number may; other escapes stay.
        let mut number = String::from("tel:");
        for (index, part) in self.raw_user()?.split('%').enumerate() {
            let (bare, rest) = match part.split_at_checked(2) {
                _ if index == 0 => ("", part),
                Some(("23", rest)) => ("#", rest),
                Some(("3A" | "3a", rest)) => (":", rest),
                Some(("5B" | "5b", rest)) => ("[", rest),
                Some(("5D" | "5d", rest)) => ("]", rest),
                _ => ("%", part),
            };
            number.push_str(bare);
            number.push_str(rest);
        }
        Self::parse(Bytes::from(number)).ok()
    }
}

/// Escapes a user. A `#`, which many devices send as it is, is read so but not written.
fn escape_user(user: &str) -> String {
    grammar::escape(user, grammar::USER).replace('#', "%23")
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let bytes = grammar::unescape(text);
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Host> for HostPort {
    fn from(host: Host) -> Self {
        Self { host, port: None }
    }
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
            || self.scheme_name().eq_ignore_ascii_case(other.scheme_name())
                && self.raw_user() == other.raw_user()
                && self.raw_password() == other.raw_password()
                && self.host_port() == other.host_port()
                && self.raw_headers().eq(other.raw_headers())
                && self.params() == other.params()
    }
}

impl Eq for Uri {}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = Cow::Borrowed(self);
        if self.raw_password().is_some() {
            shown.to_mut().edit(|parts| parts.password = Some("****".into()));
        }
        f.write_str(&shown.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    // rfc: 3261 §19.1.1 — SIP and SIPS URI components
    // rfc: 3261 §19.1.3 — example SIP and SIPS URIs
    #[test]
    fn the_examples_of_the_rfc_are_read_and_written() {
        for text in [
            "sip:alice@atlanta.com",
            "sip:alice:secretword@atlanta.com;transport=tcp",
            "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            "sips:1212@gateway.com",
            "sip:alice@192.0.2.4",
            "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
            "sip:alice;day=tuesday@atlanta.com",
        ] {
            assert_eq!(uri(text).to_string(), text);
        }
        let full = uri("sip:al%20ice:se%3Acret@atlanta.com:5070;transport=tcp;lr;maddr=192.0.2.1?a=b%20c&d=");
        assert_eq!(full.user().unwrap(), "al ice");
        assert_eq!(full.password().unwrap(), "se:cret");
        assert_eq!(full.port(), Some(5070));
        assert_eq!(full.transport_param(), Some("tcp"));
        assert!(full.is_loose_router());
        assert_eq!(full.maddr(), "192.0.2.1".parse().ok());
        assert_eq!(full.headers().collect::<Vec<_>>(), [("a".into(), "b c".into()), ("d".into(), "".into())]);
        assert!(!format!("{full:?}").contains("cret"), "no password in logs");
    }

    // rfc: 3261 §19.1.4 — URI comparison
    #[test]
    fn uris_are_compared_part_by_part() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ] {
            assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
        }
        for (a, b) in [
            ("sip:alice@atlanta.com", "sips:alice@atlanta.com"),
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
            ("sip:a%3Bb@c", "sip:a;b@c"),
            ("sip:a@b", "sip:a:@b"),
            ("sip:a@b", "sip:b"),
            ("sip:a@b;maddr=c", "sip:a@b"),
            ("sip:a@b;user=phone", "sip:a@b"),
            ("sip:a@b;ttl=1", "sip:a@b"),
        ] {
            assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
        }
    }

    // rfc: 3261 §19.1.2 — escaping: what a part may not hold is written as %HH
    #[test]
    fn what_is_set_is_escaped() {
        let built = Uri::sip("example.com".parse::<Host>().unwrap())
            .with_user("a b@c\r\n\"%")
            .with_password("x:y")
            .with_param("p", Some("1;2"))
            .with_header("Subject", "a&b=c");
        let text = "sip:a%20b%40c%0D%0A%22%25:x%3Ay@example.com;p=1%3B2?Subject=a%26b%3Dc";
        assert_eq!(built.to_string(), text);
        assert_eq!(uri(text).user().unwrap(), "a b@c\r\n\"%");
        assert_eq!(uri(text).headers().next(), Some(("Subject".into(), "a&b=c".into())));
    }

    // rfc: 3261 §19.1.6 — relating SIP URIs and tel URLs
    // rfc: 3966 §5.1 — tel URIs compare without visual separators
    #[test]
    fn telephone_numbers_turn_into_sip_and_back() {
        let tel = uri("tel:+358-555-1234567;postd=pp22");
        let sip = tel.tel_to_sip("foo.com".parse::<HostPort>().unwrap());
        assert_eq!(sip.to_string(), "sip:+358-555-1234567;postd=pp22@foo.com;user=phone");
        assert_eq!(sip.sip_to_tel(), Some(tel.clone()));
        assert_eq!(uri("sip:1@foo.com").sip_to_tel(), None);
        assert!(uri("tel:+1-201-555-0123").equivalent(&uri("tel:+1(201)555.0123")));
        assert!(!uri("tel:+12015550123").equivalent(&uri("tel:12015550123")));
        assert!(!tel.equivalent(&uri("tel:+358-555-1234567")));
        assert_eq!(tel.user().unwrap(), "+358-555-1234567");
    }

    #[test]
    fn other_schemes_are_kept() {
        let mail = uri("MAILTO:a@b.c?d");
        assert_eq!((mail.to_string().as_str(), mail.scheme_name()), ("MAILTO:a@b.c?d", "MAILTO"));
        assert_eq!((mail.user(), mail.host()), (None, None));
    }

    #[test]
    fn errors_name_the_byte() {
        for (text, at) in [
            ("", 0),
            ("alice", 0),
            ("sip:", 4),
            ("sip:alice@", 10),
            ("sip:al ice@a", 6),
            ("sip:a@b:99999", 8),
            ("sip:a@b;", 8),
            ("sip:a@b;x=", 10),
            ("sip:a@b?x", 9),
            ("sip:%4x@b", 4),
            ("sip:2001:db8::10", 9),
            ("tel:xyz", 4),
            ("tel:+", 4),
            ("<sip:a@b>", 0),
        ] {
            let UriError::Malformed { at: found, .. } = text.parse::<Uri>().unwrap_err();
            assert_eq!(found, at, "{text}");
        }
    }
}
