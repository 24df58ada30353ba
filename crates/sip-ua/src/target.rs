//! Where requests go, as far as a URI says it, and the Contact that suits.

use std::net::SocketAddr;

use sip_msg::{Contact, Route};
use sip_msg::{HostPort, Uri};
use sip_txn::{TransactionLayer, Transport};

/// The URI of a domain's registrar: the address-of-record without its user ([RFC 3261 §10.2.6]).
///
/// [RFC 3261 §10.2.6]: https://www.rfc-editor.org/rfc/rfc3261#section-10.2.6
pub(crate) fn without_user(aor: &Uri) -> Uri {
    let mut uri = aor.clone();
    uri.set_user(None);
    uri.clear_headers();
    uri
}

/// The transport that a request will most probably use: what its first Route or its Request-URI asks for.
pub(crate) fn transport(route: Option<&Uri>, request_uri: &Uri) -> Transport {
    let next = route.unwrap_or(request_uri);
    match next.transport_param().map(str::to_ascii_lowercase).as_deref() {
        Some("ws") if next.is_sips() => Transport::Wss,
        _ if next.is_sips() => Transport::Tls,
        Some("ws") => Transport::Ws,
        Some("wss") => Transport::Wss,
        Some("tcp") => Transport::Tcp,
        Some("tls") => Transport::Tls,
        _ => Transport::Udp,
    }
}

/// Whether a request says itself that it goes over TLS.
pub(crate) fn is_secure(request: &sip_msg::Request) -> bool {
    let route = request.headers().all::<Route>().flatten().next();
    let uri = request.uri().ok();
    uri.is_some_and(|uri| transport(route.as_ref().map(|route| route.uri()), &uri).is_secure())
}

/// The numeric address in a URI, if it has one: it decides which of our addresses the peer can reach.
pub(crate) fn address(route: Option<&Uri>, request_uri: &Uri) -> Option<SocketAddr> {
    let HostPort { host, port } = route.unwrap_or(request_uri).host_port()?;
    Some(SocketAddr::new(host.ip()?, port.unwrap_or(5060)))
}

/// Our Contact: `sip:user@address`, with the transport where it is not UDP, `sips:` in a secure dialog.
pub(crate) fn contact(
    layer: &TransactionLayer,
    transport: Transport,
    remote: Option<&SocketAddr>,
    user: Option<&str>,
    secure: bool,
) -> Uri {
    let address = layer.contact_address(transport, remote);
    let mut uri = if secure { Uri::sips(address) } else { Uri::sip(address) };
    uri.set_user(user);
    match transport {
        Transport::Tcp => uri.set_param("transport", Some("tcp")),
        Transport::Tls if !secure => uri.set_param("transport", Some("tls")),
        Transport::Ws | Transport::Wss => uri.set_param("transport", Some("ws")),
        Transport::Udp | Transport::Tls => {}
    }
    uri
}

/// The first Contact of a message that a request can be sent to: one with a SIP or SIPS URI, as it has to be in a dialog
/// ([RFC 3261 §8.1.1.8]).
///
/// [RFC 3261 §8.1.1.8]: https://www.rfc-editor.org/rfc/rfc3261#section-8.1.1.8
pub(crate) fn first_contact(headers: &sip_msg::Headers) -> Option<Uri> {
    headers.all::<Contact>().find_map(|contact| {
        let contact = contact.ok()?;
        contact.uri().filter(|uri| uri.is_sip() || uri.is_sips()).map(Uri::detach)
    })
}

/// The proxies an application names, as loose routes: nobody means a strict router of RFC 2543 any more.
pub(crate) fn loose(proxies: &[Uri]) -> Vec<Route> {
    proxies.iter().map(|proxy| Route::new(proxy.clone().with_param("lr", None))).collect()
}

/// Request-URI and Route lines for a target behind a route set ([RFC 3261 §12.2.1.1]).
///
/// A first route without `lr` is a strict router: it goes into the Request-URI, and the target behind the last route.
///
/// [RFC 3261 §12.2.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-12.2.1.1
pub(crate) fn routed(route_set: &[Route], target: &Uri) -> (Uri, Vec<Route>) {
    match route_set.split_first() {
        Some((first, rest)) if !first.uri().is_loose_router() => {
            let last = Route::new(target.clone());
            (as_request_uri(first.uri()), rest.iter().cloned().chain([last]).collect())
        }
        _ => (as_request_uri(target), route_set.to_vec()),
    }
}

/// Takes off what a Request-URI must not have: headers and the `method` parameter ([RFC 3261 §19.1.1], table 1).
///
/// [RFC 3261 §19.1.1]: https://www.rfc-editor.org/rfc/rfc3261#section-19.1.1
fn as_request_uri(uri: &Uri) -> Uri {
    let mut uri = uri.clone();
    uri.clear_headers();
    uri.remove_param("method");
    uri
}

/// Takes off what a To or From must not have: headers, port, transport, lr and their like (table 1 there).
pub(crate) fn as_address(uri: &Uri) -> Uri {
    let mut uri = uri.clone();
    uri.clear_headers();
    for param in ["transport", "maddr", "ttl", "lr", "method"] {
        uri.remove_param(param);
    }
    uri
}
