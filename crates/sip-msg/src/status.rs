//! [`StatusCode`]: all registered codes with reason phrase and meaning, and [`Class`].

use core::fmt;

/// A status code, 100 to 699 ([RFC 3261 §21]).
///
/// [RFC 3261 §21]: https://www.rfc-editor.org/rfc/rfc3261#section-21
#[derive(Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct StatusCode(u16);

/// What transactions ask of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Class {
    /// 1xx: more will follow.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx to 6xx.
    Failure,
}

macro_rules! statuses {
    ($($code:literal $constant:ident $reason:literal $description:literal;)*) => {
        impl StatusCode {
            $(
                #[doc = concat!($code, " ", $reason, ": ", $description)]
                pub const $constant: Self = Self($code);
            )*

            /// All registered codes, in order.
            pub const ALL: &'static [Self] = &[$(Self::$constant),*];

            /// The usual reason phrase; that of the class (x00) for an unregistered code.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    100..=199 => "Session Progress",
                    200..=299 => "OK",
                    300..=399 => "Multiple Choices",
                    400..=499 => "Bad Request",
                    500..=599 => "Server Internal Error",
                    _ => "Busy Everywhere",
                }
            }

            /// One sentence that says what the code means; `None` for an unregistered code.
            #[must_use]
            pub fn description(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($description),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    100 TRYING "Trying" "The next hop has the request and works on it.";
    180 RINGING "Ringing" "The callee's device alerts its user.";
    181 CALL_IS_BEING_FORWARDED "Call Is Being Forwarded" "The call goes on to another destination.";
    182 QUEUED "Queued" "The callee is busy and the call waits its turn.";
    183 SESSION_PROGRESS "Session Progress" "The call makes progress, perhaps with early media.";
    199 EARLY_DIALOG_TERMINATED "Early Dialog Terminated" "One branch of a forked call has ended.";
    200 OK "OK" "The request succeeded.";
    202 ACCEPTED "Accepted" "The request was taken, its outcome is told later (deprecated).";
    204 NO_NOTIFICATION "No Notification" "The subscription stands and no notification will follow.";
    300 MULTIPLE_CHOICES "Multiple Choices" "The callee can be reached at several addresses; choose one.";
    301 MOVED_PERMANENTLY "Moved Permanently" "The callee has a new address for good.";
    302 MOVED_TEMPORARILY "Moved Temporarily" "The callee can be reached elsewhere for now.";
    305 USE_PROXY "Use Proxy" "The callee must be reached through the proxy in Contact.";
    380 ALTERNATIVE_SERVICE "Alternative Service" "The call failed, but another service is offered.";
    400 BAD_REQUEST "Bad Request" "The request is malformed.";
    401 UNAUTHORIZED "Unauthorized" "The server wants to know who asks; send credentials.";
    402 PAYMENT_REQUIRED "Payment Required" "Reserved for a request that must be paid for.";
    403 FORBIDDEN "Forbidden" "The server understood and refuses; do not try again.";
    404 NOT_FOUND "Not Found" "There is no such user here.";
    405 METHOD_NOT_ALLOWED "Method Not Allowed" "The method is known but not allowed for this address; see Allow.";
    406 NOT_ACCEPTABLE "Not Acceptable" "The server can only answer in forms that Accept rules out.";
    407 PROXY_AUTHENTICATION_REQUIRED "Proxy Authentication Required" "The proxy wants to know who asks; send credentials.";
    408 REQUEST_TIMEOUT "Request Timeout" "The callee could not be found in time.";
    410 GONE "Gone" "The user was here once and has left no new address.";
    412 CONDITIONAL_REQUEST_FAILED "Conditional Request Failed" "SIP-If-Match names event state the server does not hold.";
    413 REQUEST_ENTITY_TOO_LARGE "Request Entity Too Large" "The body is larger than the server takes.";
    414 REQUEST_URI_TOO_LONG "Request-URI Too Long" "The Request-URI is longer than the server takes.";
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type" "The server cannot read a body of this type; see Accept.";
    416 UNSUPPORTED_URI_SCHEME "Unsupported URI Scheme" "The server does not know the scheme of the Request-URI.";
    417 UNKNOWN_RESOURCE_PRIORITY "Unknown Resource-Priority" "A required resource priority is unknown.";
    420 BAD_EXTENSION "Bad Extension" "A required extension is not supported; see Unsupported.";
    421 EXTENSION_REQUIRED "Extension Required" "The server needs an extension the request does not support; see Require.";
    422 SESSION_INTERVAL_TOO_SMALL "Session Interval Too Small" "The session timer is shorter than allowed; see Min-SE.";
    423 INTERVAL_TOO_BRIEF "Interval Too Brief" "The expiry is shorter than allowed; see Min-Expires.";
    424 BAD_LOCATION_INFORMATION "Bad Location Information" "The location in the request is malformed or useless.";
    425 BAD_ALERT_MESSAGE "Bad Alert Message" "The alert in the body could not be understood.";
    428 USE_IDENTITY_HEADER "Use Identity Header" "The server wants a signed identity.";
    429 PROVIDE_REFERRER_IDENTITY "Provide Referrer Identity" "The server wants proof of who referred the caller.";
    430 FLOW_FAILED "Flow Failed" "The connection to the user is broken; try another.";
    433 ANONYMITY_DISALLOWED "Anonymity Disallowed" "The callee takes no anonymous calls.";
    436 BAD_IDENTITY_INFO "Bad Identity Info" "The certificate of the signed identity could not be fetched.";
    437 UNSUPPORTED_CREDENTIAL "Unsupported Credential" "The certificate of the signed identity is not trusted.";
    438 INVALID_IDENTITY_HEADER "Invalid Identity Header" "The signature of the identity is wrong.";
    439 FIRST_HOP_LACKS_OUTBOUND_SUPPORT "First Hop Lacks Outbound Support" "The first proxy cannot keep connections to the user open.";
    440 MAX_BREADTH_EXCEEDED "Max-Breadth Exceeded" "The request may not be forked any further.";
    469 BAD_INFO_PACKAGE "Bad Info Package" "The INFO names a package that was not agreed; see Recv-Info.";
    470 CONSENT_NEEDED "Consent Needed" "A recipient must first agree to be sent this.";
    480 TEMPORARILY_UNAVAILABLE "Temporarily Unavailable" "The callee is known but cannot be reached now.";
    481 CALL_TRANSACTION_DOES_NOT_EXIST "Call/Transaction Does Not Exist" "The request belongs to no call known here.";
    482 LOOP_DETECTED "Loop Detected" "The request came here before.";
    483 TOO_MANY_HOPS "Too Many Hops" "Max-Forwards reached zero.";
    484 ADDRESS_INCOMPLETE "Address Incomplete" "The number needs more digits.";
    485 AMBIGUOUS "Ambiguous" "The address fits several users.";
    486 BUSY_HERE "Busy Here" "The callee is busy on this device.";
    487 REQUEST_TERMINATED "Request Terminated" "The caller gave up before an answer.";
    488 NOT_ACCEPTABLE_HERE "Not Acceptable Here" "This device cannot do the session that was offered.";
    489 BAD_EVENT "Bad Event" "The event package is unknown; see Allow-Events.";
    491 REQUEST_PENDING "Request Pending" "Both sides changed the session at once; try again shortly.";
    493 UNDECIPHERABLE "Undecipherable" "The encrypted body could not be decrypted here.";
    494 SECURITY_AGREEMENT_REQUIRED "Security Agreement Required" "A security mechanism must be agreed first.";
    500 SERVER_INTERNAL_ERROR "Server Internal Error" "The server failed; see Retry-After.";
    501 NOT_IMPLEMENTED "Not Implemented" "The server does not know the method.";
    502 BAD_GATEWAY "Bad Gateway" "A server further on gave an invalid response.";
    503 SERVICE_UNAVAILABLE "Service Unavailable" "The server is overloaded or down for maintenance; see Retry-After.";
    504 SERVER_TIME_OUT "Server Time-out" "A server further on did not answer in time.";
    505 VERSION_NOT_SUPPORTED "Version Not Supported" "The server does not speak this version of SIP.";
    513 MESSAGE_TOO_LARGE "Message Too Large" "The message is larger than the server takes.";
    555 PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED "Push Notification Service Not Supported" "The named push service is not supported.";
    580 PRECONDITION_FAILURE "Precondition Failure" "A precondition of the session, such as bandwidth, cannot be met.";
    600 BUSY_EVERYWHERE "Busy Everywhere" "The callee is busy on all devices.";
    603 DECLINE "Decline" "The callee does not want the call.";
    604 DOES_NOT_EXIST_ANYWHERE "Does Not Exist Anywhere" "There is no such user anywhere.";
    606 NOT_ACCEPTABLE_ANYWHERE "Not Acceptable" "No device of the callee can do the session that was offered.";
    607 UNWANTED "Unwanted" "The callee marks the call as unwanted.";
    608 REJECTED "Rejected" "A machine on the way rejected the call as unwanted.";
}

impl StatusCode {
    /// A code from 100 to 699, registered or not.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 { Some(Self(code)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// What transactions ask.
    #[must_use]
    pub const fn class(self) -> Class {
        match self.0 {
            0..=199 => Class::Provisional,
            200..=299 => Class::Success,
            300.. => Class::Failure,
        }
    }

    /// 1xx.
    #[must_use]
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 2xx to 6xx.
    #[must_use]
    pub const fn is_final(self) -> bool {
        self.0 >= 200
    }

    /// 2xx.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 / 100 == 2
    }

    /// 3xx.
    #[must_use]
    pub const fn is_redirection(self) -> bool {
        self.0 / 100 == 3
    }

    /// 4xx.
    #[must_use]
    pub const fn is_client_error(self) -> bool {
        self.0 / 100 == 4
    }

    /// 5xx.
    #[must_use]
    pub const fn is_server_error(self) -> bool {
        self.0 / 100 == 5
    }

    /// 6xx.
    #[must_use]
    pub const fn is_global_failure(self) -> bool {
        self.0 / 100 == 6
    }
}

impl fmt::Display for StatusCode {
    /// Number and reason phrase.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.reason())
    }
}

impl fmt::Debug for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_and_in_order() {
        assert!(StatusCode::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            StatusCode::ALL.iter().all(|status| status.description().is_some_and(|text| text.ends_with('.')))
        );
        assert_eq!(StatusCode::ALL.len(), 75);
    }

    // rfc: 3261 §8.1.3.2 — an unknown final code is treated as the x00 of its class
    #[test]
    fn unregistered_codes_take_the_phrase_of_their_class() {
        assert_eq!(StatusCode::new(431).unwrap().reason(), "Bad Request");
        assert_eq!(StatusCode::new(99), None);
        assert_eq!(StatusCode::new(700), None);
        assert_eq!(StatusCode::new(699).unwrap().class(), Class::Failure);
    }
}
