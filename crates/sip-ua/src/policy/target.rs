//! Where a request may go, by who named the place.

use sip_msg::{Text, Uri};

use super::{Policy, Violation, number};

/// Who named the target of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TargetSource {
    /// Our own application: a call or another request it asks for.
    Caller,
    /// A peer, with a REFER.
    Refer,
    /// A peer, with the Contact of a 3xx.
    Redirect,
}

/// A set of targets: `sip`, `sips` and `tel` in any domain, without numbers that cost extra, unless set otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Targets {
    /// The schemes, in lower case.
    pub schemes: Vec<Text>,
    /// The domains and addresses, `*.example.com` for all below one; `None` = any.
    pub domains: Option<Vec<Text>>,
    /// What the number has to begin with, if it is one; `None` = any.
    pub numbers: Option<Vec<Text>>,
    /// What numbers begin with that cost extra: `+` and country code as a rule, and as dialled where that is how it is set.
    pub premium: Vec<Text>,
}

impl Default for Targets {
    fn default() -> Self {
        let texts = |texts: &[&'static str]| texts.iter().map(|text| Text::from_static(text)).collect();
        Self {
            schemes: texts(&["sip", "sips", "tel"]),
            domains: None,
            numbers: None,
            premium: texts(&number::PREMIUM),
        }
    }
}

impl Targets {
    /// Whatever is asked for.
    #[must_use]
    pub fn any() -> Self {
        Self { premium: Vec::new(), ..Self::default() }
    }

    /// Only URIs of these schemes.
    #[must_use]
    pub fn schemes(mut self, schemes: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.schemes = schemes.into_iter().map(Into::into).collect();
        self
    }

    /// Only in these domains; `*.example.com` is everything below one. A `tel:` URI is in none, and passes.
    #[must_use]
    pub fn domains(mut self, domains: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.domains = Some(domains.into_iter().map(Into::into).collect());
        self
    }

    /// Only numbers that begin like one of these (`+49`); a user that is no number passes.
    #[must_use]
    pub fn numbers(mut self, prefixes: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.numbers = Some(prefixes.into_iter().map(Into::into).collect());
        self
    }

    /// What numbers begin with that cost extra, instead of the list that is there; none: such numbers may be called.
    #[must_use]
    pub fn premium(mut self, prefixes: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.premium = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// One more beginning of numbers that cost extra.
    #[must_use]
    pub fn also_premium(mut self, prefix: impl Into<Text>) -> Self {
        self.premium.push(prefix.into());
        self
    }

    fn check(&self, uri: &Uri, by: TargetSource) -> Result<(), Violation> {
        let scheme = uri.scheme_name();
        if !self.schemes.iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme)) {
            return Err(Violation::Scheme { by, scheme: scheme.to_ascii_lowercase().into() });
        }
        if let (Some(domains), Some(host)) = (&self.domains, uri.host()) {
            let host = host.to_string();
            if !domains.iter().any(|domain| covers(domain, &host)) {
                return Err(Violation::Domain { by, domain: host.into() });
            }
        }
        // What maddr names is where the request goes, whatever the host says (RFC 3261 §19.1.1).
        if let (Some(domains), Some(address)) = (&self.domains, uri.maddr()) {
            let address = address.to_string();
            if !domains.iter().any(|domain| covers(domain, &address)) {
                return Err(Violation::Domain { by, domain: address.into() });
            }
        }
        let Some(number) = number::dialled(uri) else { return Ok(()) };
        if let Some(prefix) = self.premium.iter().find(|prefix| number.starts_with(&***prefix)) {
            return Err(Violation::Premium { by, prefix: prefix.clone() });
        }
        match &self.numbers {
            Some(numbers) if !numbers.iter().any(|prefix| number.starts_with(&**prefix)) => {
                Err(Violation::Number { by })
            }
            _ => Ok(()),
        }
    }
}

fn covers(domain: &str, host: &str) -> bool {
    match domain.strip_prefix("*.") {
        None => domain.eq_ignore_ascii_case(host),
        Some(parent) => {
            host.len().checked_sub(parent.len() + 1).and_then(|at| host.split_at_checked(at)).is_some_and(
                |(_, end)| end.strip_prefix('.').is_some_and(|end| end.eq_ignore_ascii_case(parent)),
            )
        }
    }
}

impl Policy {
    /// Whether a request may go to `uri`.
    ///
    /// # Errors
    /// [`Violation::Scheme`], [`Violation::Domain`], [`Violation::Number`] or [`Violation::Premium`].
    pub fn check_target(&self, uri: &Uri, by: TargetSource) -> Result<(), Violation> {
        let targets = match by {
            TargetSource::Caller => &self.calls_to,
            TargetSource::Refer => &self.refers_to,
            TargetSource::Redirect => &self.redirects_to,
        };
        targets.check(uri, by)
    }

    /// Whether a request to `original` may follow a 3xx to `to`: a target that is allowed, and secure where the original was
    /// ([RFC 3261 §8.1.3.4]).
    ///
    /// # Errors
    /// [`Violation::LeavesTls`], and those of [`check_target`](Self::check_target).
    ///
    /// [RFC 3261 §8.1.3.4]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.3.4
    pub fn check_redirect(&self, original: &Uri, to: &Uri) -> Result<(), Violation> {
        if original.is_sips() && !to.is_sips() {
            return Err(Violation::LeavesTls { scheme: to.scheme_name().to_ascii_lowercase().into() });
        }
        self.check_target(to, TargetSource::Redirect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    fn check(policy: &Policy, text: &str) -> Result<(), Violation> {
        policy.check_target(&uri(text), TargetSource::Refer)
    }

    #[test]
    fn the_default_lets_people_and_plain_numbers_through() {
        let policy = Policy::default();
        for target in
            ["sip:bob@example.com", "sips:bob@192.0.2.1", "tel:+493012345", "sip:1900@example.com", "sip:h"]
        {
            assert_eq!(check(&policy, target), Ok(()), "{target}");
        }
        let error = check(&policy, "mailto:bob@example.com").unwrap_err();
        assert_eq!(
            error.to_string(),
            "a REFER leads to a URI of the scheme \"mailto\", which is not allowed"
        );
        assert_eq!(error.status().code(), 403);
    }

    #[test]
    fn numbers_that_cost_extra_are_known_however_they_are_written() {
        let policy = Policy::default();
        let same = [
            "tel:+1-900-555.0100",
            "sip:+19005550100@example.com",
            "sip:0019005550100@example.com;user=phone",
            "sip:01119005550100@example.com",
            "sip:%2b1%39005550100@example.com",
            "sip:+1(900)5550100;phone-context=x@example.com",
        ];
        for target in same {
            let error = Violation::Premium { by: TargetSource::Refer, prefix: "+1900".into() };
            assert_eq!(check(&policy, target), Err(error), "{target}");
        }
        let own = Policy::default().refers_to(Targets::default().premium(["0900"]));
        assert!(check(&own, "sip:0900123@example.com").is_err());
        assert!(check(&own, "sip:+19005550100@example.com").is_ok());
        assert!(own.check_target(&uri("sip:+19005550100@example.com"), TargetSource::Caller).is_err());
        assert!(check(&Policy::default().refers_to(Targets::any()), same[0]).is_ok());
    }

    #[test]
    fn domains_are_whole_names_and_maddr_counts() {
        let targets = Targets::default().domains(["example.com", "*.example.org"]);
        let policy = Policy::default().refers_to(targets);
        for allowed in ["sip:a@EXAMPLE.com", "sip:a@b.c.example.org:5070", "tel:+4912345"] {
            assert_eq!(check(&policy, allowed), Ok(()), "{allowed}");
        }
        for refused in [
            "sip:a@notexample.com",
            "sip:a@example.org",
            "sip:a@evilexample.org",
            "sip:a@192.0.2.1",
            "sip:a@example.com;maddr=192.0.2.1",
        ] {
            assert!(matches!(check(&policy, refused), Err(Violation::Domain { .. })), "{refused}");
        }
    }

    #[test]
    fn a_list_of_numbers_is_for_numbers_only() {
        let policy = Policy::default().refers_to(Targets::default().numbers(["+49", "110"]));
        for allowed in ["tel:+49301234", "sip:110@example.com", "sip:bob@example.com"] {
            assert_eq!(check(&policy, allowed), Ok(()), "{allowed}");
        }
        assert_eq!(check(&policy, "tel:+33123"), Err(Violation::Number { by: TargetSource::Refer }));
    }

    // rfc: 3261 §8.1.3.4 — a redirect does not lead from sips to what is less, unless a person says so
    #[test]
    fn a_redirect_stays_within_tls() {
        let policy = Policy::default();
        let (sips, sip) = (uri("sips:bob@example.com"), uri("sip:bob@example.net"));
        assert_eq!(policy.check_redirect(&sips, &sip), Err(Violation::LeavesTls { scheme: "sip".into() }));
        assert_eq!(policy.check_redirect(&sip, &sips), Ok(()));
        assert!(policy.check_redirect(&sip, &uri("http://example.com")).is_err());
    }
}
