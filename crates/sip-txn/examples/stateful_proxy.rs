//! A stateful proxy (RFC 3261 §16): `cargo run --example stateful_proxy --features tokio -- 127.0.0.1:5060 sip:127.0.0.1:5070`.
//! Requests for itself go to the second address, all others where Route or Request-URI lead: each to one place.
#![expect(clippy::wildcard_enum_match_arm, reason = "events that a proxy has no use for")]
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use sip_msg::{HeaderName, MaxForwards, Method, NameAddr, ProxyRequire, RecordRoute, Request, Response};
use sip_msg::{Route, StatusCode, Unsupported, Uri, Via};
use sip_txn::driver::{self, Listen, Transports};
use sip_txn::{ClientId, Config, Ending, Event, Flow, Output, SendOptions, ServerId};
use sip_txn::{TransactionLayer, Transport};

/// Timer C: how long an INVITE may go on after a provisional response (§16.6 step 11).
const TIMER_C: Duration = Duration::from_secs(181);

struct Proxy {
    layer: TransactionLayer,
    next_hop: Option<Uri>,
    /// What each client transaction carries on, and when its Timer C fires.
    forwarded: HashMap<ClientId, (ServerId, Request, Instant)>,
    clients: HashMap<ServerId, ClientId>,
    timers: VecDeque<(Instant, ClientId)>,
}

impl Proxy {
    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Request { server, flow, request } => {
                let (copy, layer) = (self.prepare(flow, &request), &mut self.layer);
                let options = SendOptions::default();
                match copy.and_then(|copy| layer.request(now, copy, options).map_err(|e| e.status())) {
                    Ok(client) => {
                        self.timers.push_back((now + TIMER_C, client));
                        self.clients.insert(server, client);
                        self.forwarded.insert(client, (server, request, now + TIMER_C));
                    }
                    Err(status) => self.answer(now, server, &request, status),
                }
            }
            Event::Ack { flow, request } => {
                let _ = self.prepare(flow, &request).map(|ack| self.layer.ack(now, ack, <_>::default()));
            }
            Event::Cancelled { invite, .. } => {
                self.clients.get(&invite).into_iter().for_each(|client| self.layer.cancel(now, *client));
            }
            Event::Response { client, response, .. } => self.send_back(now, client, response),
            Event::ClientEnded { client, ending } => {
                let Some((server, request, _)) = self.forwarded.remove(&client) else { return };
                self.clients.remove(&server);
                // 408 for an INVITE only (RFC 4320 §4.2); a failed connection is a 503 (§16.9), told as 500 (§16.7).
                match ending {
                    Ending::Normal => {}
                    Ending::TimedOut => self.answer(now, server, &request, StatusCode::REQUEST_TIMEOUT),
                    _ => self.answer(now, server, &request, StatusCode::SERVER_INTERNAL_ERROR),
                }
            }
            _ => {}
        }
    }

    /// §16.3 to §16.6: the copy that is sent on, with us in Record-Route; the layer adds Via.
    fn prepare(&self, flow: Flow, request: &Request) -> Result<Request, StatusCode> {
        let (mut copy, headers) = (request.clone(), request.headers());
        let uri = request.uri().map_err(|error| error.status())?;
        if !uri.is_sip() || headers.contains(HeaderName::PROXY_REQUIRE) {
            let known = uri.is_sip();
            return Err(if known { StatusCode::BAD_EXTENSION } else { StatusCode::UNSUPPORTED_URI_SCHEME });
        }
        let hops = headers.get::<MaxForwards>().map_err(|error| error.status())?.map_or(70, |hops| hops.0);
        copy.headers_mut().replace(&MaxForwards(hops.checked_sub(1).ok_or(StatusCode::TOO_MANY_HOPS)?));
        if headers.all::<Route>().flatten().next().is_some_and(|route| self.is_us(&route.name_addr.uri)) {
            copy.headers_mut().pop_front::<Route>().map_err(|error| error.status())?;
        }
        if self.is_us(&uri) && !copy.headers().contains(HeaderName::ROUTE) {
            let next_hop = self.next_hop.clone().ok_or(StatusCode::NOT_FOUND)?;
            copy.set_uri(&next_hop.with_user(&uri.user().unwrap_or_default()));
        }
        if *request.method() == Method::INVITE {
            let us = Uri::sip(self.layer.contact_address(flow.transport, Some(&flow.remote)));
            let us = us.with_param("transport", Some(flow.transport.name())).with_param("lr", None);
            copy.headers_mut().push_front(&RecordRoute::new(NameAddr::new(us)));
        }
        Ok(copy)
    }

    /// §16.7: a response goes back without our Via.
    fn send_back(&mut self, now: Instant, client: ClientId, mut response: Response) {
        let Some((server, request, timer_c)) = self.forwarded.get_mut(&client) else { return };
        let (server, status) = (*server, response.status());
        if status.is_provisional() {
            *timer_c = now + TIMER_C;
            self.timers.push_back((*timer_c, client));
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            let request = request.clone();
            return self.answer(now, server, &request, StatusCode::SERVER_INTERNAL_ERROR);
        }
        if status != StatusCode::TRYING && response.headers_mut().pop_front::<Via>().is_ok() {
            let _ = self.layer.respond(now, server, response); // too late: dropped (RFC 6026 §8.5)
        }
    }

    fn answer(&mut self, now: Instant, server: ServerId, request: &Request, status: StatusCode) {
        let answer = Response::answer(request, status).to_tag("proxy");
        let required = request.headers().get::<ProxyRequire>().ok().flatten().map(|tags| Unsupported(tags.0));
        let answer = required.iter().fold(answer, |answer, tags| answer.header(tags));
        let _ = self.layer.respond(now, server, answer.build());
    }

    fn is_us(&self, uri: &Uri) -> bool {
        let address = uri.host().and_then(|host| host.ip()).map(|ip| (ip, uri.port().unwrap_or(5060)).into());
        self.layer.config().listening.iter().any(|(_, ours)| Some(*ours) == address)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("usage: stateful_proxy IP:PORT [sip:NEXT-HOP]")?.parse()?;
    let next_hop = std::env::args().nth(2).map(|uri| uri.parse()).transpose()?;
    let listen = [Transport::Udp, Transport::Tcp].map(|transport| Listen::new(transport, address));
    let mut transports = Transports::bind(&listen, None).await?;
    let mut config = Config::new([7; 32]).refuse_merged(false); // in earnest: 32 random bytes
    config.listening = transports.local_addresses().to_vec();
    println!("listening on {:?}", config.listening);
    let (forwarded, clients, timers) = Default::default();
    let mut proxy = Proxy { layer: TransactionLayer::new(config), next_hop, forwarded, clients, timers };
    loop {
        while let Some(output) = proxy.layer.poll_output() {
            match output {
                Output::Action(action) => transports.perform(action),
                Output::Event(event) => proxy.handle_event(driver::now(), event),
            }
        }
        // Of those that were started anew, and those that ended, nothing more comes.
        let stale = |(at, of): &(Instant, _)| proxy.forwarded.get(of).is_none_or(|(.., c)| c != at);
        while proxy.timers.front().is_some_and(stale) {
            proxy.timers.pop_front();
        }
        let timer_c = proxy.timers.front().copied();
        let timeout = proxy.layer.poll_timeout().into_iter().chain(timer_c.map(|(at, _)| at)).min();
        tokio::select! {
            input = transports.next() => proxy.layer.handle_input(driver::now(), input),
            () = driver::sleep_until(timeout) => proxy.layer.handle_timeout(driver::now()),
        }
        if let Some((_, client)) = timer_c.filter(|(at, _)| *at <= driver::now()) {
            proxy.timers.pop_front();
            proxy.layer.cancel(driver::now(), client); // which leaves alone all but INVITE
        }
    }
}
