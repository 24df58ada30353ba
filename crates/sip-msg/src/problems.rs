//! [`Message::problems`]: everything that is wrong with a message, for people.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::{
    CSeq, CallId, Form, From, HeaderName, Headers, Limits, MaxForwards, Message, Params, ParseError,
    StatusCode, To, TypedHeader, Via, for_each_header,
    headers::{Content, Field},
    parse,
};

/// One thing that is wrong with a message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The header; `None` for the start line and for the framing.
    pub header: Option<HeaderName>,
    /// Offset into the message as it came, in bytes; its end for what is missing.
    pub at: usize,
    /// What should have stood there.
    pub expected: &'static str,
    /// What a UAS answers.
    pub status: StatusCode,
    /// What to fix.
    pub hint: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.header {
            Some(name) => write!(f, "{name}")?,
            None => f.write_str("message")?,
        }
        write!(f, ", byte {}: expected {} ({}); {}", self.at, self.expected, self.status, self.hint)
    }
}

impl core::convert::From<&ParseError> for Problem {
    fn from(error: &ParseError) -> Self {
        let (header, at, expected, hint) = match *error {
            ParseError::StartLine { at, expected } => (
                None,
                at,
                expected,
                "write METHOD, URI and SIP/2.0, or SIP/2.0, code and phrase, with single spaces",
            ),
            ParseError::Version { at } => (None, at, "SIP/2.0", "no other version of SIP exists"),
            ParseError::HeaderLine { at, expected } => {
                (None, at, expected, "write Name: value, and begin a continued line with a space")
            }
            ParseError::HeadEnd { at } => {
                (None, at, "an empty line", "end each header with CRLF and the head with an empty line")
            }
            ParseError::ContentLength { at, expected } => (
                Some(HeaderName::CONTENT_LENGTH),
                at,
                expected,
                "write the length of the body once, in bytes",
            ),
            ParseError::Truncated { .. } => (
                Some(HeaderName::CONTENT_LENGTH),
                0,
                "as many body bytes as Content-Length says",
                "count the body's bytes with its CRLFs, or look where the datagram was cut",
            ),
            ParseError::HeadTooLarge { .. } => {
                (None, 0, "a smaller head", "shorten the headers or raise the limit")
            }
            ParseError::TooManyHeaders { .. } => (None, 0, "fewer headers", "join lists or raise the limit"),
            ParseError::BodyTooLarge { .. } => (
                Some(HeaderName::CONTENT_LENGTH),
                0,
                "a smaller body",
                "send a link instead or raise the limit",
            ),
        };
        Self { header, at, expected, status: error.status(), hint }
    }
}

impl Problem {
    /// Everything that is wrong with a datagram: why it is no message, and what else is wrong in what can be read of it.
    #[must_use]
    pub fn find(datagram: impl Into<Bytes>, limits: &Limits) -> Vec<Self> {
        let bytes = datagram.into();
        let error = match Message::parse(bytes.clone(), limits) {
            Ok(message) => return message.problems(),
            Err(error) => error,
        };
        let mut first = Self::from(&error);
        let Some(head) = parse::salvage(&bytes, limits) else { return [first].into() };
        let length = head.headers.fields.iter().find(|field| field.name == HeaderName::CONTENT_LENGTH);
        if let (None, Some(length)) = (error.at(), length) {
            first.at = offset(&head.headers, length);
        }
        let others = head.into_message(Bytes::new()).problems();
        let others =
            others.into_iter().filter(|other| (&other.header, other.at) != (&first.header, first.at));
        let others: Vec<_> = others.collect();
        core::iter::once(first).chain(others).collect()
    }
}

impl Message {
    /// Everything that is wrong with the message, in the order of the headers; empty when nothing is.
    ///
    /// Reads every header that has a type here, needed or not; [`Message::check`] tells what makes a server refuse.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let headers = self.headers();
        let mut problems = Vec::new();
        let start = parse::leading_line_ends(&headers.buffer);
        if let Self::Request(request) = self
            && let Err(crate::UriError::Malformed { at, expected }) = request.uri()
        {
            let at = start + request.method().as_str().len() + 1 + at;
            problems.push(bad(None, at, expected, "escape with % what the URI's grammar does not allow"));
        } else if let Self::Request(request) = self
            && request.uri().is_ok_and(|uri| uri.headers().next().is_some())
        {
            let mark = memchr::memchr(b'?', request.uri_text().as_bytes()).unwrap_or(0);
            let at = start + request.method().as_str().len() + 1 + mark;
            let expected = "a Request-URI without headers";
            problems.push(bad(None, at, expected, "send what follows the ? as headers of the message"));
        }
        for field in &headers.fields {
            field_problems(headers, field, &mut problems);
            rule_problems(headers, field, &mut problems);
        }
        let end =
            headers.fields.last().map_or(0, |field| offset(headers, field) + headers.value(field).len());
        for name in [HeaderName::VIA, From::NAME, To::NAME, CallId::NAME, CSeq::NAME] {
            if !headers.contains(&name) {
                problems.push(bad(Some(name), end, "this header", "every request and response needs it"));
            }
        }
        let mut seen: Vec<&HeaderName> = Vec::new();
        for field in headers.fields.iter().filter(|field| stands_once(&field.name)) {
            if seen.contains(&&field.name) {
                let name = Some(field.name.clone());
                let at = offset(headers, field);
                problems.push(bad(name, at, "this header once", "take the repeated line out"));
            } else {
                seen.push(&field.name);
            }
        }
        if let (Self::Request(request), Ok(cseq)) = (self, headers.require::<CSeq>())
            && cseq.method != *request.method()
            && let Some(field) = headers.fields.iter().find(|field| field.name == CSeq::NAME)
        {
            let at = offset(headers, field);
            problems.push(bad(
                Some(CSeq::NAME),
                at,
                "the method of the request",
                "write the method of the start line",
            ));
        }
        problems
    }
}

fn bad(header: Option<HeaderName>, at: usize, expected: &'static str, hint: &'static str) -> Problem {
    Problem { header, at, expected, status: StatusCode::BAD_REQUEST, hint }
}

/// Whether lines of this name may not be repeated: its value is no list, and it is no challenge and no credentials
/// ([RFC 3261 §7.3.1]).
///
/// [RFC 3261 §7.3.1]: https://www.rfc-editor.org/rfc/rfc3261#section-7.3.1
fn stands_once(name: &HeaderName) -> bool {
    const LISTS: [HeaderName; 5] = [
        HeaderName::WWW_AUTHENTICATE,
        HeaderName::PROXY_AUTHENTICATE,
        HeaderName::AUTHORIZATION,
        HeaderName::PROXY_AUTHORIZATION,
        HeaderName::AUTHENTICATION_INFO,
    ];
    name.rfc() == Some(3261) && !name.is_list() && !LISTS.contains(name)
}

/// What the grammar of a header allows and its rules do not.
fn rule_problems(headers: &Headers, field: &Field, problems: &mut Vec<Problem>) {
    let mut push = |expected, hint| {
        problems.push(bad(Some(field.name.clone()), offset(headers, field), expected, hint));
    };
    let mut params = Vec::new();
    if field.name == Via::NAME {
        let vias: Vec<Via> = headers.all_of_line(field).filter_map(Result::ok).collect();
        if vias.iter().any(|via| via.branch().is_some_and(|branch| branch == Via::MAGIC_COOKIE)) {
            push("a branch after the cookie", "add to z9hG4bK what no other request has");
        }
        params.extend(vias.into_iter().map(|via| via.params));
    } else if field.name == From::NAME {
        params.extend(headers.all_of_line::<From>(field).filter_map(Result::ok).map(|from| from.params));
    } else if field.name == To::NAME {
        params.extend(headers.all_of_line::<To>(field).filter_map(Result::ok).map(|to| to.params));
    } else if field.name == MaxForwards::NAME {
        let hops = headers.all_of_line::<MaxForwards>(field).find_map(Result::ok);
        if hops.is_some_and(|hops| hops.0 > 255) {
            push("a number of hops of at most 255", "write 70, the usual number");
        }
    }
    if params.iter().any(repeats) {
        push("each parameter once", "take the repeated parameter out");
    }
}

fn repeats(params: &Params) -> bool {
    let mut names: Vec<_> = params.iter().map(|param| param.name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// Where the value of `field` begins.
fn offset(headers: &Headers, field: &Field) -> usize {
    match &field.content {
        Content::Received { value, .. } => value.start(),
        Content::Own(_) => {
            let before = headers.fields.iter().take_while(|other| !core::ptr::eq(*other, field));
            let lines: usize =
                before.map(|other| other.name.as_str().len() + headers.value(other).len() + 4).sum();
            lines + field.name.as_str().len() + 2
        }
    }
}

macro_rules! problems_of_each {
    ($($header:ident)*) => {
        fn field_problems(headers: &Headers, field: &Field, problems: &mut Vec<Problem>) {
            $(
                if field.name == <crate::$header as TypedHeader>::NAME {
                    return problems_of::<crate::$header>(headers, field, problems);
                }
            )*
        }
    };
}

for_each_header!(problems_of_each);

fn problems_of<H: TypedHeader>(headers: &Headers, field: &Field, problems: &mut Vec<Problem>) {
    for value in headers.all_of_line::<H>(field) {
        if let Err(crate::HeaderError::Malformed { name, at, expected }) = value {
            let hint = hint(&name, H::FORM);
            problems.push(bad(Some(name), offset(headers, field) + at, expected, hint));
        }
    }
}

fn hint(name: &HeaderName, form: Form) -> &'static str {
    if *name == Via::NAME {
        return "write SIP/2.0/UDP host:port;branch=z9hG4bK…";
    }
    if *name == From::NAME || *name == To::NAME || *name == HeaderName::CONTACT {
        return "write \"Name\" <sip:user@host>;param=value, with quotes around anything but plain words";
    }
    if *name == CSeq::NAME {
        return "write a number below 2147483648, a space and the method";
    }
    if *name == HeaderName::ROUTE || *name == HeaderName::RECORD_ROUTE {
        return "write each hop as <sip:host;lr>, with commas between";
    }
    match form {
        Form::Single => "write one value by the header's grammar, quoting and escaping what is special",
        Form::Element | Form::List => "write values with one comma between, quoting those that hold commas",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    const GOOD: &str = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=1\r\n\
        To: <sip:b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n";

    /// Header, the text from the byte named on, and what was expected.
    fn problems(text: &str) -> Vec<(String, String, &'static str)> {
        let message = Message::parse(text.to_owned(), &Limits::default()).unwrap();
        let found = message.problems().into_iter().map(|problem| {
            let rest: String = text[problem.at..].chars().take(6).collect();
            (problem.header.map_or_else(String::new, |name| name.to_string()), rest, problem.expected)
        });
        found.collect()
    }

    fn problem(header: &str, rest: &str, expected: &'static str) -> (String, String, &'static str) {
        (header.into(), rest.into(), expected)
    }

    #[test]
    fn a_good_message_has_no_problems() {
        assert_eq!(problems(GOOD), []);
    }

    #[test]
    fn each_problem_names_its_byte() {
        let bad = GOOD
            .replace("<sip:b>", "\"B\"\r\n  <sip:b;>")
            .replace("1 OPTIONS", "1 INVITE")
            .replace("70", "x")
            .replace("Call-ID: 1", "Call-ID: 1\r\nCall-ID: 2\r\nContact: <sip:c>,, <sip:d>");
        let expected = [
            problem("To", ">\r\nCal", "a URI parameter"),
            problem("Contact", ", <sip", "a URI scheme and :"),
            problem("Max-Forwards", "x\r\n\r\n", "a number of hops"),
            problem("Call-ID", "2\r\nCon", "this header once"),
            problem("CSeq", "1 INVI", "the method of the request"),
        ];
        assert_eq!(problems(&bad), expected);
        assert_eq!(problems(&GOOD.replace("sip:a SIP", "sip: SIP")), [problem("", " SIP/2", "a host")]);
        let missing = problems(&GOOD.replace("Call-ID: 1\r\n", ""));
        assert_eq!(missing, [problem("Call-ID", "\r\n\r\n", "this header")]);
    }

    #[test]
    fn what_check_refuses_is_always_among_the_problems() {
        for (good, bad, at, expected) in [
            ("sip:a SIP", "sip:a?b=c SIP", "?b=c S", "a Request-URI without headers"),
            ("z9hG4bK1", "z9hG4bK", "SIP/2.", "a branch after the cookie"),
            ("bK1", "bK1;branch=x", "SIP/2.", "each parameter once"),
            ("tag=1", "tag=1;TAG=2", "<sip:a", "each parameter once"),
            ("<sip:b>", "<sip:b>;tag=1;x;tag=1", "<sip:b", "each parameter once"),
            ("CSeq: 1 O", "CSeq: 2147483648 O", "214748", "a number below 2^31"),
        ] {
            let text = GOOD.replace(good, bad);
            let message = Message::parse(text.clone(), &Limits::default()).unwrap();
            assert!(message.check().is_err(), "{bad}");
            let found = problems(&text);
            assert_eq!(found.len(), 1, "{bad}: {found:?}");
            assert_eq!((found[0].1.as_str(), found[0].2), (at, expected), "{bad}");
        }
    }

    // rfc: 3261 §7.3.1 — only lists, challenges and credentials may stand on several lines
    // rfc: 3261 §20.22 — Max-Forwards is at most 255
    #[test]
    fn what_no_server_need_refuse_is_named_too() {
        let lines = "Subject: a\r\nSubject: b\r\nAuthorization: A b=c\r\nAuthorization: B c=d\r\nAllow: A\r\nAllow: B";
        let text = GOOD.replace("Max-Forwards: 70", &format!("Max-Forwards: 256\r\n{lines}"));
        let expected = [
            problem("Max-Forwards", "256\r\nS", "a number of hops of at most 255"),
            problem("Subject", "b\r\nAut", "this header once"),
        ];
        assert_eq!(problems(&text), expected);
    }

    #[test]
    fn a_datagram_that_is_no_message_is_read_as_far_as_it_goes() {
        let found = |text: &str| -> Vec<(usize, u16)> {
            let problems = Problem::find(text.to_owned(), &Limits::default());
            problems.iter().map(|problem| (problem.at, problem.status.code())).collect()
        };
        let length = GOOD.len();
        let short = GOOD.replace("70\r\n", "x\r\nl: 9\r\n");
        assert_eq!(found(&short), [(length, 400), (length - 6, 400)]);
        assert_eq!(found(&GOOD.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia")), [(14, 505)]);
        assert_eq!(found("nonsense"), [(8, 400)]);
        assert_eq!(found(&format!("\r\n\r\n{}", GOOD.replace("sip:a SIP", "sip:@ SIP"))), [(16, 400)]);
        assert_eq!(found(GOOD), []);
    }

    #[test]
    fn a_problem_reads_as_one_line() {
        let error = Message::parse("OPTIONS sip:a SIP/2.0\r\nl: x\r\n\r\n", &Limits::default()).unwrap_err();
        let line = "Content-Length, byte 26: expected a number of bytes (400 Bad Request); \
            write the length of the body once, in bytes";
        assert_eq!(Problem::from(&error).to_string(), line);
    }
}
