//! The grammar of URIs ([RFC 3261 §19.1.1], [RFC 3966 §3]): where one ends, and whether it is good.
//!
//! [RFC 3261 §19.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.1
//! [RFC 3966 §3]: https://www.rfc-editor.org/rfc/rfc3966#section-3

use super::{Scheme, Uri};
use crate::{
    Host,
    grammar::{self, Cursor, Unexpected},
    host::read_port,
};

impl Uri {
    /// Reads a URI that goes up to the cursor's end.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let start = cursor.at();
        let scheme = read_scheme(cursor)?;
        skip_whole(cursor, scheme)?;
        Ok(Self { text: cursor.text(start, cursor.at()), scheme })
    }

    /// Reads a URI and the `>` behind it.
    #[inline]
    pub(crate) fn read_bracketed(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        const BRACKET: &str = "> after the URI";
        let start = cursor.at();
        let scheme = read_scheme(cursor)?;
        if let Scheme::Sip | Scheme::Sips = scheme {
            skip_sip(cursor)?;
        } else {
            let length = memchr::memchr(b'>', cursor.rest()).ok_or(cursor.unexpected(BRACKET))?;
            cursor.within(cursor.at() + length, |cursor| skip_whole(cursor, scheme))?;
        }
        let uri = Self { text: cursor.text(start, cursor.at()), scheme };
        cursor.expect(b'>', BRACKET)?;
        Ok(uri)
    }
}

impl Scheme {
    pub(super) fn named(name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("sip") => Self::Sip,
            () if is("sips") => Self::Sips,
            () if is("tel") => Self::Tel,
            () => Self::Other,
        }
    }
}

/// Steps over what follows the scheme, up to the cursor's end.
fn skip_whole(cursor: &mut Cursor<'_>, scheme: Scheme) -> Result<(), Unexpected> {
    match scheme {
        Scheme::Sip | Scheme::Sips => skip_sip(cursor)?,
        Scheme::Tel => skip_tel(cursor)?,
        Scheme::Other => skip_other(cursor)?,
    }
    if cursor.is_at_end() { Ok(()) } else { Err(cursor.unexpected("the end of the URI")) }
}

#[inline]
fn read_scheme(cursor: &mut Cursor<'_>) -> Result<Scheme, Unexpected> {
    if let [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', ..] = cursor.rest() {
        cursor.advance(4);
        return Ok(Scheme::Sip);
    }
    read_rare_scheme(cursor)
}

fn read_rare_scheme(cursor: &mut Cursor<'_>) -> Result<Scheme, Unexpected> {
    const EXPECTED: &str = "a URI scheme and :";
    let start = cursor.at();
    let name = cursor.take_while(grammar::SCHEME);
    if !name.first().is_some_and(u8::is_ascii_alphabetic) || !cursor.eat(b':') {
        return Err(Unexpected { at: start, expected: EXPECTED });
    }
    Ok(Scheme::named(name))
}

#[inline]
fn skip_sip(cursor: &mut Cursor<'_>) -> Result<(), Unexpected> {
    let start = cursor.at();
    // A user and a password, if they end in @; otherwise it was the host, and perhaps more.
    cursor.skip_escaped(grammar::USER)?;
    let has_user = cursor.at() > start;
    if cursor.eat(b':') {
        cursor.skip_escaped(grammar::PASSWORD)?;
    }
    if !(has_user && cursor.eat(b'@')) {
        cursor.seek(start);
    }
    Host::skip(cursor)?;
    if cursor.eat(b':') {
        read_port(cursor)?;
    }
    skip_params(cursor)?;
    if cursor.eat(b'?') { skip_headers(cursor) } else { Ok(()) }
}

fn skip_tel(cursor: &mut Cursor<'_>) -> Result<(), Unexpected> {
    const EXPECTED: &str = "a telephone number";
    let start = cursor.at();
    let rest = cursor.rest();
    let number = rest.get(..memchr::memchr(b';', rest).unwrap_or(rest.len())).unwrap_or_default();
    let (prefix, digits) = match number.strip_prefix(b"+") {
        Some(digits) => (1, digits),
        None => (0, number),
    };
    let local = prefix == 0;
    let wrong = digits.iter().position(|byte| match byte {
        b'0'..=b'9' | b'-' | b'.' | b'(' | b')' => false,
        b'*' | b'#' | b'A'..=b'F' | b'a'..=b'f' => !local,
        _ => true,
    });
    if let Some(wrong) = wrong {
        return Err(Unexpected { at: start + prefix + wrong, expected: EXPECTED });
    }
    if !digits.iter().any(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#')) {
        return Err(Unexpected { at: start, expected: EXPECTED });
    }
    cursor.advance(number.len());
    skip_params(cursor)
}

fn skip_other(cursor: &mut Cursor<'_>) -> Result<(), Unexpected> {
    let start = cursor.at();
    let rest = cursor.rest();
    let stops = |&byte: &u8| byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 127);
    let text = core::str::from_utf8(rest).map_err(|error| error.valid_up_to());
    if let Some(wrong) = rest.iter().position(stops).or(text.err()) {
        return Err(Unexpected { at: start + wrong, expected: "a URI byte" });
    }
    if rest.is_empty() {
        return Err(cursor.unexpected("something after the scheme"));
    }
    grammar::check_escapes(rest, start)?;
    cursor.advance(rest.len());
    Ok(())
}

fn skip_params(cursor: &mut Cursor<'_>) -> Result<(), Unexpected> {
    while cursor.eat(b';') {
        cursor.expect_escaped(grammar::URI_PARAM, "a URI parameter")?;
        if cursor.eat(b'=') {
            cursor.expect_escaped(grammar::URI_PARAM, "a URI parameter's value")?;
        }
    }
    Ok(())
}

fn skip_headers(cursor: &mut Cursor<'_>) -> Result<(), Unexpected> {
    loop {
        cursor.expect_escaped(grammar::URI_HEADER, "a URI header")?;
        cursor.expect(b'=', "= after a URI header's name")?;
        cursor.skip_escaped(grammar::URI_HEADER)?;
        if !cursor.eat(b'&') {
            return Ok(());
        }
    }
}
