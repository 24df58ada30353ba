//! A transaction layer on real sockets, for tests.

use std::net::SocketAddr;
use std::time::Duration;

use sip_msg::{CSeq, CallId, From, Method, Request, Response, StatusCode, To, Uri};
use sip_txn::driver::{self, Listen, Settings, Transports};
use sip_txn::{Config, Ending, Event, Output, SendOptions, TransactionLayer, Transport};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const LOCAL: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// A layer on real sockets.
pub(crate) struct Agent {
    pub(crate) layer: TransactionLayer,
    pub(crate) transports: Transports,
    asked: u32,
}

impl Agent {
    pub(crate) async fn bind(transports: &[Transport], settings: impl Into<Settings>) -> Self {
        let listen: Vec<_> =
            transports.iter().map(|transport| Listen::new(*transport, LOCAL.into())).collect();
        Self::new(Transports::bind(&listen, settings).await.unwrap())
    }

    pub(crate) fn new(transports: Transports) -> Self {
        let mut config = Config::new([1; 32]);
        for (transport, address) in transports.local_addresses() {
            config = config.listen(*transport, *address);
        }
        Self { layer: TransactionLayer::new(config), transports, asked: 0 }
    }

    pub(crate) fn address(&self, transport: Transport) -> SocketAddr {
        self.transports.local_addresses().iter().find(|(found, _)| *found == transport).unwrap().1
    }

    pub(crate) async fn event(&mut self) -> Event {
        loop {
            while let Some(output) = self.layer.poll_output() {
                match output {
                    Output::Action(action) => self.transports.perform(action),
                    Output::Event(event) => return event,
                }
            }
            let at = self.layer.poll_timeout();
            tokio::select! {
                input = self.transports.next() => self.layer.handle_input(driver::now(), input),
                () = driver::sleep_until(at) => self.layer.handle_timeout(driver::now()),
            }
        }
    }

    /// Answers every request with 200 and `padding` bytes, for ever.
    pub(crate) fn serve(mut self, padding: usize) -> JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                if let Event::Request { server, request, .. } = self.event().await {
                    let response = Response::answer(&request, StatusCode::OK)
                        .to_tag("b")
                        .body("text/plain", vec![b'x'; padding])
                        .build();
                    // The answer may come too late for a peer that has gone.
                    let _ = self.layer.respond(driver::now(), server, response);
                }
            }
        })
    }

    /// Sends one OPTIONS.
    pub(crate) fn send(&mut self, uri: &str) {
        let uri: Uri = uri.parse().unwrap();
        self.asked += 1;
        let request = Request::builder(Method::OPTIONS, &uri)
            .header(&From::new(uri.clone()).with_tag("a"))
            .header(&To::new(uri.clone()))
            .header(&CallId(format!("call-{}", self.asked).into()))
            .header(&CSeq::new(1, Method::OPTIONS))
            .build();
        self.layer.request(driver::now(), request, SendOptions::default()).unwrap();
    }

    /// Sends one OPTIONS and waits for its outcome.
    pub(crate) async fn ask(&mut self, uri: &str) -> Result<StatusCode, Ending> {
        self.send(uri);
        let outcome = async {
            loop {
                match self.event().await {
                    Event::Response { response, .. } => return Ok(response.status()),
                    Event::ClientEnded { ending, .. } if ending != Ending::Normal => return Err(ending),
                    _ => {}
                }
            }
        };
        timeout(Duration::from_secs(20), outcome).await.expect("an outcome")
    }
}

/// Why the transport failed; nothing else may have happened.
pub(crate) fn failure(outcome: Result<StatusCode, Ending>) -> String {
    match outcome {
        Err(Ending::TransportFailed(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}
