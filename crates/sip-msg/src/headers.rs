//! [`Headers`]: the ordered multimap of header fields.

use alloc::{string::ToString, vec::Vec};
use core::{borrow::Borrow, fmt, marker::PhantomData};

use bytes::Bytes;

use crate::{Cursor, Form, HeaderError, HeaderName, TypedHeader, Unexpected, span::Span};

/// The header fields of a message, in order.
///
/// A field that came off the wire is a span of the message's buffer and is written out byte for byte; one that was
/// set here has bytes of its own. Values are read as a type when asked for, not before.
#[derive(Clone, Default)]
pub struct Headers {
    pub(crate) buffer: Bytes,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: HeaderName,
    pub(crate) content: Content,
}

#[derive(Clone)]
pub(crate) enum Content {
    /// As it came: the whole line without its end, the value in it, and whether a fold is in the value.
    Received { line: Span, value: Span, folded: bool },
    /// Set here.
    Own(Bytes),
}

impl Headers {
    /// No header fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of `H`; over all lines if `H` is a list.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`] when the value does not follow its grammar.
    pub fn get<H: TypedHeader>(&self) -> Result<Option<H>, HeaderError> {
        let mut fields = self.fields.iter();
        let Some(field) = fields.find(|field| self.holds::<H>(field)) else { return Ok(None) };
        if H::FORM != Form::List
            && let Content::Received { value, folded: false, .. } = field.content
        {
            let mut cursor = Cursor::over(&self.buffer, value.start(), value.range().end);
            let error = match H::parse(&mut cursor) {
                Ok(first) => match end::<H>(&mut cursor) {
                    Ok(_) => return Ok(Some(first)),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            return Err(self.malformed::<H>(field, value.start(), error));
        }
        let mut values = self.all::<H>();
        let mut first = values.next().transpose()?;
        if H::FORM == Form::List
            && let Some(first) = &mut first
        {
            for more in values {
                first.extend(more?);
            }
        }
        Ok(first)
    }

    /// Whether a field has values of `H`; an empty line is an empty list.
    fn holds<H: TypedHeader>(&self, field: &Field) -> bool {
        field.name == H::NAME && !(H::FORM == Form::Element && self.value(field).is_empty())
    }

    /// The first value of `H`, which must be there.
    ///
    /// # Errors
    /// [`HeaderError::Missing`] when there is none, [`HeaderError::Malformed`] when it does not follow its grammar.
    pub fn require<H: TypedHeader>(&self) -> Result<H, HeaderError> {
        self.get()?.ok_or(HeaderError::Missing(H::NAME))
    }

    /// All values of `H`, across lines and commas; for a [`Form::List`], one list a line.
    ///
    /// A malformed value gives one error and ends its line; the next line is read.
    #[must_use]
    pub fn all<H: TypedHeader>(&self) -> All<'_, H> {
        All { headers: self, next_field: 0, line: None, header: PhantomData }
    }

    /// The values on one line.
    pub(crate) fn all_of_line<'a, H: TypedHeader>(&'a self, field: &'a Field) -> All<'a, H> {
        let empty = H::FORM == Form::Element && self.value(field).is_empty();
        let line = if empty { None } else { Some(self.line(field)) };
        All { headers: self, next_field: self.fields.len(), line, header: PhantomData }
    }

    /// Adds a header at the end.
    ///
    /// CR, LF and NUL in a text of `header` are written as spaces, so that it cannot forge further headers.
    pub fn push<H: TypedHeader>(&mut self, header: &H) {
        self.fields.push(own(H::NAME, wire(header)));
    }

    /// Adds a header before the first of its name; else at the top if it is a Via, else behind the Vias.
    pub fn push_front<H: TypedHeader>(&mut self, header: &H) {
        let at = self.position(&H::NAME).unwrap_or_else(|| {
            if H::NAME == HeaderName::VIA {
                return 0;
            }
            self.fields.iter().rposition(|field| field.name == HeaderName::VIA).map_or(0, |last| last + 1)
        });
        self.fields.insert(at, own(H::NAME, wire(header)));
    }

    /// Puts a header in the place of all lines of its name, or at the end.
    pub fn replace<H: TypedHeader>(&mut self, header: &H) {
        self.replace_all(own(H::NAME, wire(header)));
    }

    pub(crate) fn replace_all(&mut self, new: Field) {
        match self.position(&new.name) {
            None => self.fields.push(new),
            Some(at) => {
                let mut index = 0;
                self.fields.retain(|field| {
                    index += 1;
                    index <= at + 1 || field.name != new.name
                });
                if let Some(field) = self.fields.get_mut(at) {
                    *field = new;
                }
            }
        }
    }

    /// Puts a header in the place of the top-most value of its name, even within a comma list; else at the end.
    pub fn replace_front<H: TypedHeader>(&mut self, header: &H) {
        let value = wire(header);
        let Some(at) = self.position(&H::NAME) else { return self.push(header) };
        let source = self.fields.get(at).map(|field| self.source(field)).unwrap_or_default();
        let rest = if H::FORM == Form::Element { rest_after_first::<H>(&source) } else { None };
        let joined = match rest {
            Some(rest) => [&value, &b", "[..], &rest].concat().into(),
            None => value,
        };
        if let Some(field) = self.fields.get_mut(at) {
            *field = own(H::NAME, joined);
        }
    }

    /// Takes the top-most value of `H` off, even out of a comma list.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`] when the value does not follow its grammar; nothing is taken then.
    pub fn pop_front<H: TypedHeader>(&mut self) -> Result<Option<H>, HeaderError> {
        let Some(at) = self.position(&H::NAME) else { return Ok(None) };
        let Some(first) = self.all::<H>().next().transpose()? else { return Ok(None) };
        let source = self.fields.get(at).map(|field| self.source(field)).unwrap_or_default();
        let rest = if H::FORM == Form::Element { rest_after_first::<H>(&source) } else { None };
        match (rest, self.fields.get_mut(at)) {
            (Some(rest), Some(field)) => *field = own(H::NAME, rest),
            _ => drop(self.fields.remove(at)),
        }
        Ok(Some(first))
    }

    /// Takes all lines of `name` away; says whether there was one.
    pub fn remove(&mut self, name: impl Borrow<HeaderName>) -> bool {
        let before = self.fields.len();
        self.fields.retain(|field| field.name != *name.borrow());
        self.fields.len() != before
    }

    /// The first value of `name` as it stands, line folds included.
    #[must_use]
    pub fn raw(&self, name: impl Borrow<HeaderName>) -> Option<&[u8]> {
        self.fields.iter().find(|field| field.name == *name.borrow()).map(|field| self.value(field))
    }

    /// The values of all lines of `name`, as they stand.
    pub fn raw_all(&self, name: impl Borrow<HeaderName>) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |field| field.name == *name.borrow()).map(|field| self.value(field))
    }

    /// Adds a line with any name and value at the end.
    ///
    /// # Errors
    /// [`HeaderError::Injection`] when the value holds CR, LF or NUL.
    pub fn push_raw(&mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let value = value.as_ref();
        if let Some(at) = value.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(HeaderError::Injection { name, at });
        }
        self.fields.push(own(name, Bytes::copy_from_slice(value.trim_ascii())));
        Ok(())
    }

    /// Whether there is a line of `name`.
    #[must_use]
    pub fn contains(&self, name: impl Borrow<HeaderName>) -> bool {
        self.position(name.borrow()).is_some()
    }

    /// Names and values of all lines, in order; values as they stand, line folds included.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> {
        self.fields.iter().map(|field| (&field.name, self.value(field)))
    }

    /// Number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    fn position(&self, name: &HeaderName) -> Option<usize> {
        self.fields.iter().position(|field| field.name == *name)
    }

    pub(crate) fn value<'a>(&'a self, field: &'a Field) -> &'a [u8] {
        match &field.content {
            Content::Received { value, .. } => value.of(&self.buffer),
            Content::Own(value) => value,
        }
    }

    /// The value as it stands, sharing the buffer.
    pub(crate) fn shared(&self, field: &Field) -> Bytes {
        match &field.content {
            Content::Received { value, .. } if value.range().end <= self.buffer.len() => {
                self.buffer.slice(value.range())
            }
            Content::Received { .. } => Bytes::new(),
            Content::Own(value) => value.clone(),
        }
    }

    /// The value with each line fold as one space ([RFC 3261 §7.3.1]).
    fn source(&self, field: &Field) -> Bytes {
        if memchr::memchr(b'\n', self.value(field)).is_none() {
            return self.shared(field);
        }
        unfold(self.value(field)).into()
    }

    /// The same, without a share in the buffer where it can do without.
    fn line<'a>(&'a self, field: &'a Field) -> Line<'a> {
        let (source, start, end) = match &field.content {
            Content::Received { value, folded: false, .. } => {
                (Source::Borrowed(&self.buffer), value.range().start, value.range().end)
            }
            Content::Received { value, .. } => {
                let unfolded = unfold(value.of(&self.buffer));
                let end = unfolded.len();
                (Source::Unfolded(unfolded.into()), 0, end)
            }
            Content::Own(value) => (Source::Borrowed(value), 0, value.len()),
        };
        Line { field, source, start, at: start, end, more: true }
    }

    /// Copies all lines of `name` from another message, sharing its buffer; a line fold becomes the space it means.
    pub(crate) fn copy_from(&mut self, other: &Self, name: &HeaderName) {
        for field in other.fields.iter().filter(|field| field.name == *name) {
            self.fields.push(own(name.clone(), other.source(field)));
        }
    }

    /// An error in a value that starts at `start` of what was read.
    fn malformed<H: TypedHeader>(&self, field: &Field, start: usize, error: Unexpected) -> HeaderError {
        let at = folded_offset(self.value(field), error.at.saturating_sub(start));
        HeaderError::Malformed { name: H::NAME, at, expected: error.expected }
    }
}

/// Looks behind a value, and says whether a comma and more of them follow.
#[inline]
fn end<H: TypedHeader>(cursor: &mut Cursor<'_>) -> Result<bool, Unexpected> {
    if H::FORM == Form::Element && cursor.eat_spaced(b',') {
        return Ok(true);
    }
    cursor.skip_space();
    if cursor.is_at_end() {
        return Ok(false);
    }
    Err(cursor.unexpected(if H::FORM == Form::Single {
        "the end of the value"
    } else {
        "a comma or the end"
    }))
}

/// What follows the first element and its comma; `None` at the end or when the first element is malformed.
fn rest_after_first<H: TypedHeader>(source: &Bytes) -> Option<Bytes> {
    let mut cursor = Cursor::new(source);
    H::parse(&mut cursor).ok()?;
    (cursor.eat_spaced(b',') && !cursor.is_at_end()).then(|| source.slice(cursor.at()..))
}

pub(crate) fn own(name: HeaderName, value: Bytes) -> Field {
    Field { name, content: Content::Own(value) }
}

/// The wire text of a header, without the bytes that could end its line.
fn wire<H: TypedHeader>(header: &H) -> Bytes {
    clean(header.to_string()).into()
}

/// `text` with CR, LF and NUL as spaces.
pub(crate) fn clean(text: alloc::string::String) -> alloc::string::String {
    if text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return text.replace(['\r', '\n', '\0'], " ");
    }
    text
}

/// The parts of a value between its folds, each without the white space of the folds around it, and where it stands.
fn unfolded_parts(value: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let lines = value.split(|&byte| byte == b'\n').map(move |line| {
        let start = at + (line.len() - line.trim_ascii_start().len());
        at += line.len() + 1;
        (start, line.trim_ascii())
    });
    // A line that is all white space belongs to the fold around it.
    lines.filter(|(_, part)| !part.is_empty())
}

/// The value with each fold as one space.
fn unfold(value: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::with_capacity(value.len());
    for (_, part) in unfolded_parts(value) {
        if !unfolded.is_empty() {
            unfolded.push(b' ');
        }
        unfolded.extend_from_slice(part);
    }
    unfolded
}

/// Where byte `at` of the unfolded value stands in the folded one.
fn folded_offset(value: &[u8], at: usize) -> usize {
    let mut begins = 0;
    for (start, part) in unfolded_parts(value) {
        if at < begins + part.len() {
            return start + at.saturating_sub(begins);
        }
        begins += part.len() + 1;
    }
    value.len()
}

/// All values of one header; from [`Headers::all`].
#[derive(Debug)]
pub struct All<'a, H> {
    headers: &'a Headers,
    next_field: usize,
    line: Option<Line<'a>>,
    header: PhantomData<H>,
}

/// A line that is being read.
#[derive(Debug)]
struct Line<'a> {
    field: &'a Field,
    source: Source<'a>,
    /// Where in the source the value begins, the next element, and where it ends.
    start: usize,
    at: usize,
    end: usize,
    /// Whether a comma came before `at`, or nothing was read.
    more: bool,
}

#[derive(Debug)]
enum Source<'a> {
    Borrowed(&'a Bytes),
    Unfolded(Bytes),
}

impl<'a, H: TypedHeader> All<'a, H> {
    fn next_line(&mut self) -> Option<Line<'a>> {
        loop {
            let field = self.headers.fields.get(self.next_field)?;
            self.next_field += 1;
            if self.headers.holds::<H>(field) {
                return Some(self.headers.line(field));
            }
        }
    }

    /// Reads one value; a line that has more is left standing before the next one, else at its end.
    #[inline]
    fn read(&self, line: &mut Line<'a>) -> Result<H, HeaderError> {
        let source = match &line.source {
            Source::Borrowed(source) => source,
            Source::Unfolded(source) => source,
        };
        let mut cursor = Cursor::over(source, line.at, line.end);
        line.more = false;
        let read = H::parse(&mut cursor).and_then(|value| Ok((value, end::<H>(&mut cursor)?)));
        let (value, more) =
            read.map_err(|error| self.headers.malformed::<H>(line.field, line.start, error))?;
        (line.at, line.more) = (cursor.at(), more);
        Ok(value)
    }
}

impl<H: TypedHeader> Iterator for All<'_, H> {
    type Item = Result<H, HeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => self.next_line()?,
        };
        let value = self.read(&mut line);
        self.line = Some(line).filter(|line| line.more);
        Some(value)
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl fmt::Debug for Headers {
    /// Names and values; credentials are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| {
            let secret = *name == HeaderName::AUTHORIZATION || *name == HeaderName::PROXY_AUTHORIZATION;
            (name, if secret { "****".into() } else { alloc::string::String::from_utf8_lossy(value) })
        });
        f.debug_map().entries(shown).finish()
    }
}

impl PartialEq for Headers {
    /// Same names and values in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Allow, Contact, Date, From, Limits, MaxForwards, Message, Method, Request, Route, Subject, Supported,
        To, Uri, Via, WwwAuthenticate,
    };

    fn headers(lines: &str) -> Headers {
        let text = alloc::format!("OPTIONS sip:a SIP/2.0\r\n{lines}\r\n\r\n");
        Message::parse(text, &Limits::default()).unwrap().headers().clone()
    }

    fn lines(headers: &Headers) -> Vec<String> {
        let text = |(name, value): (&HeaderName, &[u8])| {
            alloc::format!("{name}: {}", String::from_utf8_lossy(value))
        };
        headers.iter().map(text).collect()
    }

    fn via(branch: &'static str) -> Via {
        Via::new("UDP", "a".parse::<crate::Host>().unwrap(), branch)
    }

    fn branches(headers: &Headers) -> Vec<String> {
        headers.all::<Via>().map(|via| via.unwrap().branch().unwrap().to_string()).collect()
    }

    // rfc: 3261 §7.3.1 — several lines are one list, and commas separate only outside quotes and brackets
    #[test]
    fn values_are_found_across_lines_and_commas() {
        let headers = headers(
            "Via: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2\r\nX: y\r\nv: SIP/2.0/UDP c;branch=3\r\n\
             Contact: \"a, b\" <sip:c@d;x=1,2>;p=\"q,r\" , <sip:e@f>\r\n\
             Supported: 100rel,timer\r\nk: replaces\r\nAllow: INVITE\r\nSubject: one, two",
        );
        assert_eq!(branches(&headers), ["1", "2", "3"]);
        let contacts: Vec<Contact> = headers.all().collect::<Result<_, _>>().unwrap_or_default();
        assert_eq!(contacts.len(), 0, "a comma in a URI parameter must be escaped");
        assert_eq!(headers.get::<Supported>().unwrap().unwrap().to_string(), "100rel, timer, replaces");
        assert_eq!(headers.require::<Allow>().unwrap().0, [Method::INVITE]);
        assert_eq!(headers.require::<Subject>().unwrap().0, "one, two");
    }

    // rfc: 3261 §7.3.1 — Authorization and WWW-Authenticate are never joined by commas, nor is Date
    #[test]
    fn commas_of_challenges_and_dates_belong_to_them() {
        let headers = headers(
            "WWW-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth,auth-int\"\r\n\
             WWW-Authenticate: Digest realm=\"c\", nonce=\"d\"\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT",
        );
        let realms: Vec<String> = headers
            .all::<WwwAuthenticate>()
            .map(|challenge| challenge.unwrap().0.params.value("realm").unwrap().into())
            .collect();
        assert_eq!(realms, ["a", "c"]);
        assert!(headers.require::<Date>().is_ok());
    }

    // rfc: 3261 §7.3.1 — a fold is one space
    #[test]
    fn a_fold_is_one_space() {
        let headers = headers("Subject: a \r\n\t b\r\n \r\n c  d");
        assert_eq!(headers.require::<Subject>().unwrap().0, "a b c  d");
        assert_eq!(headers.raw(HeaderName::SUBJECT), Some(&b"a \r\n\t b\r\n \r\n c  d"[..]));
    }

    #[test]
    fn errors_name_the_byte_of_the_value_as_it_came() {
        let headers = headers("To: \"A\"\r\n  \r\n   <sip:a b>\r\nFrom: x\r\nMax-Forwards: 1 2");
        let at = |error| {
            let HeaderError::Malformed { at, .. } = error else { panic!("{error}") };
            at
        };
        assert_eq!(at(headers.require::<To>().unwrap_err()), 18);
        assert_eq!(at(headers.require::<From>().unwrap_err()), 1);
        let error = headers.require::<MaxForwards>().unwrap_err();
        assert_eq!(error.to_string(), "Max-Forwards: expected the end of the value at byte 2");
        assert_eq!(headers.require::<Via>().unwrap_err().to_string(), "Via is missing");
    }

    #[test]
    fn the_top_most_value_is_taken_off_and_replaced_even_in_a_list() {
        let mut headers = headers(
            "To: x\r\nVia: SIP/2.0/UDP a;branch=1 ,\r\n SIP/2.0/UDP b;branch=2\r\nv: SIP/2.0/UDP c;branch=3",
        );
        headers.replace_front(&via("x"));
        assert_eq!(branches(&headers), ["x", "2", "3"]);
        headers.push_front(&via("0"));
        assert_eq!(branches(&headers), ["0", "x", "2", "3"]);
        for expected in ["0", "x", "2", "3"] {
            assert_eq!(headers.pop_front::<Via>().unwrap().unwrap().branch().unwrap(), expected);
        }
        assert_eq!(headers.pop_front::<Via>(), Ok(None));
        assert_eq!(lines(&headers), ["To: x"]);
        assert!(headers.pop_front::<To>().is_err());
        assert_eq!(lines(&headers), ["To: x"], "a malformed value is not taken");
    }

    #[test]
    fn headers_are_pushed_replaced_and_removed_in_their_places() {
        let mut headers = headers("Via: SIP/2.0/UDP a\r\nm: <sip:a>\r\nQ: 1\r\nContact: <sip:b>");
        let uri: Uri = "sip:c".parse().unwrap();
        headers.replace(&Contact::new(uri.clone()));
        headers.push_front(&Route::new(uri.clone()));
        headers.push_front(&Route::new(uri.with_port(Some(1))));
        headers.push(&MaxForwards(70));
        headers.replace(&Subject::from("s"));
        let expected = [
            "Via: SIP/2.0/UDP a",
            "Route: <sip:c:1>",
            "Route: <sip:c>",
            "Contact: <sip:c>",
            "Q: 1",
            "Max-Forwards: 70",
            "Subject: s",
        ];
        assert_eq!(lines(&headers), expected);
        let other: HeaderName = "q".parse().unwrap();
        assert!(headers.contains(&other) && headers.remove(&other) && !headers.remove(other));
        assert_eq!(headers.raw_all(HeaderName::ROUTE).count(), 2);
    }

    #[test]
    fn line_ends_are_refused_in_raw_values_and_blanked_in_typed_ones() {
        let mut request = Request::builder(Method::OPTIONS, &"sip:a".parse().unwrap()).build();
        for evil in ["a\r\nb: c", "a\nb", "a\rb", "a\0b"] {
            let error = request.headers_mut().push_raw(HeaderName::SUBJECT, evil).unwrap_err();
            assert_eq!(error, HeaderError::Injection { name: HeaderName::SUBJECT, at: 1 });
            request.headers_mut().push(&Subject::from(evil));
        }
        request.headers_mut().push_raw(HeaderName::SUBJECT, " padded ").unwrap();
        let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
        assert!(text.contains("Subject: a  b: c\r\n") && text.contains("Subject: padded\r\n"), "{text}");
        assert!(!text.contains("\nb"), "{text}");
    }

    #[test]
    fn credentials_stay_out_of_logs() {
        let headers =
            headers("Authorization: Digest response=\"secret\"\r\nProxy-Authorization: Bearer secret");
        assert!(!alloc::format!("{headers:?}").contains("secret"));
        let typed = headers.get::<crate::ProxyAuthorization>().unwrap().unwrap();
        assert!(!alloc::format!("{typed:?}").contains("secret"));
        let typed = headers.get::<crate::Authorization>().unwrap().unwrap();
        assert!(!alloc::format!("{typed:?}").contains("secret"));
    }
}
