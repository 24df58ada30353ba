//! Where a response goes when its connection is gone and nobody takes it at the address of its request ([RFC 3263 §5]): to
//! the servers that the sent-by of the top Via leads to, one after the other.
//!
//! [RFC 3263 §5]: https://www.rfc-editor.org/rfc/rfc3263#section-5

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sip_msg::{Message, Text, Via};

use crate::layer::{Asker, TransactionLayer};
use crate::locate::{Locator, Step, Target};
use crate::{Action, Answer, Flow, QueryId, ServerId, Transport};

/// The search for one client.
#[derive(Debug)]
pub(in crate::layer) struct ReturnPath {
    locator: Locator,
    /// The latest response.
    bytes: Bytes,
    asking: Option<QueryId>,
    /// The address that is being tried; at first the one of the request.
    trying: SocketAddr,
}

impl TransactionLayer {
    /// A connection for a response is open.
    pub(in crate::layer) fn response_connected(
        &mut self,
        now: Instant,
        id: ServerId,
        flow: Flow,
        bytes: Bytes,
    ) {
        if let Some(server) = self.servers.get_mut(id.0) {
            server.reply = flow;
        }
        let latest = self.return_paths.remove(&id).map(|path| path.bytes);
        if let Some(latest) = latest.filter(|latest| *latest != bytes) {
            self.transmit(now, flow, bytes);
            return self.transmit(now, flow, latest);
        }
        self.transmit(now, flow, bytes);
    }

    /// No connection for a response could be opened to `server`. The transaction may be over already.
    pub(in crate::layer) fn response_not_connected(
        &mut self,
        now: Instant,
        id: ServerId,
        server: (Transport, SocketAddr),
        bytes: Bytes,
        why: &Text,
    ) {
        let (transport, remote) = server;
        match self.return_paths.get_mut(&id) {
            Some(path) if path.trying == remote && path.asking.is_none() => {}
            // Another response waited for the same connection: the search has begun.
            Some(path) => {
                path.bytes = bytes;
                return;
            }
            None => {
                let room = self.return_paths.len() < self.config.limits.waiting;
                let via = self.top_via(&bytes).filter(|_| room);
                let Some(via) = via else { return self.lose_response(id, why) };
                let locator = Locator::for_response(&via, transport);
                let path = ReturnPath { locator, bytes, asking: None, trying: remote };
                self.return_paths.insert(id, path);
            }
        }
        self.next_return_path(now, id, why);
    }

    fn top_via(&self, response: &Bytes) -> Option<Via> {
        let message = Message::parse(response.clone(), &self.config.message_limits).ok()?;
        message.headers().all::<Via>().next()?.ok()
    }

    /// A response while the search for an earlier one is under way: it takes its place. Gives it back when there is none.
    pub(super) fn join_return_path(&mut self, id: ServerId, bytes: Bytes) -> Option<Bytes> {
        match self.return_paths.get_mut(&id) {
            Some(path) => {
                path.bytes = bytes;
                None
            }
            None => Some(bytes),
        }
    }

    fn next_return_path(&mut self, now: Instant, id: ServerId, why: &Text) {
        while let Some(path) = self.return_paths.get_mut(&id) {
            match path.locator.step(|_| None) {
                Step::Ask(question) => {
                    self.next_id += 1;
                    let query = QueryId(self.next_id);
                    path.asking = Some(query);
                    self.queries.insert(query, Asker::Server(id));
                    return self.act(Action::Resolve { query, question });
                }
                Step::Try(target) if target.address == path.trying => {}
                Step::Try(target) => {
                    path.trying = target.address;
                    let bytes = path.bytes.clone();
                    let Target { transport, address, server_name } = target;
                    return self.connect_back(now, id, bytes, transport, address, &server_name);
                }
                Step::Exhausted => return self.lose_response(id, why),
            }
        }
    }

    pub(in crate::layer) fn return_path_resolved(
        &mut self,
        now: Instant,
        id: ServerId,
        query: QueryId,
        answer: Answer,
    ) {
        let Some(path) = self.return_paths.get_mut(&id).filter(|path| path.asking == Some(query)) else {
            return;
        };
        path.asking = None;
        path.locator.answer(answer, &mut self.random);
        self.next_return_path(now, id, &Text::from_static("the DNS knows no way back"));
    }
}
