//! Challenges and credentials: WWW-Authenticate, Proxy-Authenticate, Authorization, Proxy-Authorization,
//! Authentication-Info.

use core::fmt;

use crate::{Cursor, HeaderName, Param, Params, Text, TypedHeader, Unexpected};

/// A challenge: scheme and parameters ([RFC 3261 §20.44], [RFC 7616 §3.3]).
///
/// [RFC 3261 §20.44]: https://www.rfc-editor.org/rfc/rfc3261#section-20.44
/// [RFC 7616 §3.3]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// The scheme, as `Digest`.
    pub scheme: Text,
    /// `realm`, `nonce`, `algorithm`, `qop`, `stale` …, in any order.
    pub params: Params,
}

impl Challenge {
    /// A `Digest` challenge without parameters; [`Challenge::with`] adds them.
    #[must_use]
    pub fn digest() -> Self {
        Self { scheme: Text::from_static("Digest"), params: Params::new() }
    }

    /// The same challenge with a parameter, in quotes unless [RFC 7616 §3.3] wants none (`algorithm`, `stale`).
    ///
    /// [RFC 7616 §3.3]: https://www.rfc-editor.org/rfc/rfc7616#section-3.3
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Text>) -> Self {
        put(&mut self.params, name, value.into(), &["algorithm", "stale", "charset", "userhash"]);
        self
    }
}

/// Credentials: scheme and parameters ([RFC 3261 §20.7], [RFC 7616 §3.4]).
///
/// `Debug` shows no `response`, `cnonce` or token.
///
/// [RFC 3261 §20.7]: https://www.rfc-editor.org/rfc/rfc3261#section-20.7
/// [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    /// The scheme, as `Digest`.
    pub scheme: Text,
    /// `username`, `realm`, `nonce`, `uri`, `response` …, in any order.
    pub params: Params,
    /// The token of a scheme that has one instead of parameters, as `Bearer` ([RFC 8898 §3]).
    ///
    /// [RFC 8898 §3]: https://www.rfc-editor.org/rfc/rfc8898#section-3
    pub token: Option<Text>,
}

impl Credentials {
    /// `Digest` credentials without parameters; [`Credentials::with`] adds them.
    #[must_use]
    pub fn digest() -> Self {
        Self { scheme: Text::from_static("Digest"), params: Params::new(), token: None }
    }

    /// The same credentials with a parameter, in quotes unless [RFC 7616 §3.4] wants none (`algorithm`, `qop`, `nc`).
    ///
    /// [RFC 7616 §3.4]: https://www.rfc-editor.org/rfc/rfc7616#section-3.4
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Text>) -> Self {
        put(&mut self.params, name, value.into(), &["algorithm", "qop", "nc", "userhash"]);
        self
    }
}

fn put(params: &mut Params, name: &str, value: Text, unquoted: &[&str]) {
    if unquoted.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        params.put(Param::new(name, Some(value)));
    } else {
        params.put(Param::quoted(name, value));
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut params = self.params.clone();
        for secret in ["response", "cnonce"] {
            if params.contains(secret) {
                params.set(secret, "****");
            }
        }
        f.debug_struct("Credentials")
            .field("scheme", &self.scheme)
            .field("params", &params)
            .finish_non_exhaustive()
    }
}

fn read_scheme(cursor: &mut Cursor<'_>) -> Result<Text, Unexpected> {
    let scheme = cursor.token("an authentication scheme")?;
    if !matches!(cursor.peek(), Some(b' ' | b'\t')) {
        return Err(cursor.unexpected("a space after the scheme"));
    }
    cursor.skip_space();
    Ok(scheme)
}

impl Challenge {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let scheme = read_scheme(cursor)?;
        Ok(Self { scheme, params: Params::read_comma_list(cursor)? })
    }
}

impl Credentials {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        let scheme = read_scheme(cursor)?;
        if scheme.eq_ignore_ascii_case("Digest") || cursor.rest().contains(&b'"') {
            return Ok(Self { scheme, params: Params::read_comma_list(cursor)?, token: None });
        }
        Ok(Self { scheme, params: Params::new(), token: Some(cursor.rest_text()) })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        self.params.write_comma_list(f)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        match &self.token {
            Some(token) => write!(f, " {token}"),
            None => self.params.write_comma_list(f),
        }
    }
}

macro_rules! auth_header {
    ($(#[$doc:meta])* $type:ident($inner:ident), $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct $type(pub $inner);

        impl TypedHeader for $type {
            const NAME: HeaderName = HeaderName::$name;

            fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
                Ok(Self($inner::read(cursor)?))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

auth_header! {
    /// A server's challenge, in a 401 ([RFC 3261 §20.44]); each line is one, never joined by commas.
    ///
    /// [RFC 3261 §20.44]: https://www.rfc-editor.org/rfc/rfc3261#section-20.44
    WwwAuthenticate(Challenge), WWW_AUTHENTICATE
}

auth_header! {
    /// A proxy's challenge, in a 407 ([RFC 3261 §20.27]).
    ///
    /// [RFC 3261 §20.27]: https://www.rfc-editor.org/rfc/rfc3261#section-20.27
    ProxyAuthenticate(Challenge), PROXY_AUTHENTICATE
}

auth_header! {
    /// Credentials for a server ([RFC 3261 §20.7]).
    ///
    /// [RFC 3261 §20.7]: https://www.rfc-editor.org/rfc/rfc3261#section-20.7
    Authorization(Credentials), AUTHORIZATION
}

auth_header! {
    /// Credentials for a proxy ([RFC 3261 §20.28]).
    ///
    /// [RFC 3261 §20.28]: https://www.rfc-editor.org/rfc/rfc3261#section-20.28
    ProxyAuthorization(Credentials), PROXY_AUTHORIZATION
}

/// What a server says after it took credentials: `nextnonce`, `rspauth` … ([RFC 3261 §20.6]).
///
/// [RFC 3261 §20.6]: https://www.rfc-editor.org/rfc/rfc3261#section-20.6
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthenticationInfo {
    /// The parameters.
    pub params: Params,
}

impl TypedHeader for AuthenticationInfo {
    const NAME: HeaderName = HeaderName::AUTHENTICATION_INFO;

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Unexpected> {
        Ok(Self { params: Params::read_comma_list(cursor)? })
    }
}

impl fmt::Display for AuthenticationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, param) in self.params.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            param.fmt(f)?;
        }
        Ok(())
    }
}
