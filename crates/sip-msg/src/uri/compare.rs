//! When two URIs name the same resource: RFC 3261 §19.1.4, and RFC 3966 §5 for telephone numbers.

use alloc::vec::Vec;

use super::{Scheme, Uri};
use crate::Params;

impl Uri {
    /// Whether both name the same resource ([RFC 3261 §19.1.4]); not an equivalence relation, since it is not
    /// transitive.
    ///
    /// [RFC 3261 §19.1.4]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.4
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        if !self.scheme_name().eq_ignore_ascii_case(other.scheme_name()) {
            return false;
        }
        if self == other {
            return true; // even with a parameter twice, which the rules below know no answer for
        }
        match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                let (params, others) = (self.params(), other.params());
                same_option(self.raw_user(), other.raw_user(), false)
                    && same_option(self.raw_password(), other.raw_password(), false)
                    && self.host_port() == other.host_port()
                    && same_params(&params, &others)
                    && same_params(&others, &params)
                    && same_headers(self, other)
            }
            Scheme::Tel => same_number(self, other),
            Scheme::Other => self.raw_user() == other.raw_user(),
        }
    }
}

/// A byte as §19.1.4 compares it: an escape of a reserved byte is not that byte.
fn comparable(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let mut rest = text.as_bytes();
    core::iter::from_fn(move || {
        let (&byte, after) = rest.split_first()?;
        if byte == b'%'
            && let Some((pair, after)) = after.split_first_chunk::<2>()
            && let Ok(pair) = core::str::from_utf8(pair)
            && let Ok(decoded) = u8::from_str_radix(pair, 16)
        {
            rest = after;
            let reserved =
                matches!(decoded, b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b',');
            return Some((decoded, reserved));
        }
        rest = after;
        Some((byte, false))
    })
}

fn same_text(a: &str, b: &str, ignore_case: bool) -> bool {
    if ignore_case {
        let lower = |(byte, escaped): (u8, bool)| (byte.to_ascii_lowercase(), escaped);
        comparable(a).map(lower).eq(comparable(b).map(lower))
    } else {
        comparable(a).eq(comparable(b))
    }
}

fn same_option(a: Option<&str>, b: Option<&str>, ignore_case: bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same_text(a, b, ignore_case),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// One direction of the parameter rule: what stands only in `a` is ignored, but for the parameters that change where
/// a request goes.
fn same_params(a: &Params, b: &Params) -> bool {
    const MUST_MATCH: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    let in_b = b.index();
    a.iter().all(|param| match in_b(&param.name) {
        Some(other) => same_option(param.value.as_deref(), other.value.as_deref(), true),
        None => !MUST_MATCH.iter().any(|name| param.name.eq_ignore_ascii_case(name)),
    })
}

fn same_headers(a: &Uri, b: &Uri) -> bool {
    let sorted = |uri: &Uri| {
        let mut headers: Vec<_> = uri
            .raw_headers()
            .map(|(name, value)| {
                (
                    comparable(&name.to_ascii_lowercase()).collect::<Vec<_>>(),
                    comparable(value).collect::<Vec<_>>(),
                )
            })
            .collect();
        headers.sort_unstable();
        headers
    };
    a.raw_headers().eq(b.raw_headers()) || sorted(a) == sorted(b)
}

/// RFC 3966 §5: visual separators do not count; parameters match as a set, without regard to case.
fn same_number(a: &Uri, b: &Uri) -> bool {
    fn digits(uri: &Uri) -> impl Iterator<Item = u8> {
        let number = uri.raw_user().unwrap_or_default();
        number
            .bytes()
            .filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'))
            .map(|byte| byte.to_ascii_lowercase())
    }
    let all_in = |a: &Params, b: &Params| {
        let in_b = b.index();
        a.iter().all(|param| {
            in_b(&param.name)
                .is_some_and(|other| same_option(param.value.as_deref(), other.value.as_deref(), true))
        })
    };
    let (params, others) = (a.params(), b.params());
    digits(a).eq(digits(b)) && all_in(&params, &others) && all_in(&others, &params)
}
