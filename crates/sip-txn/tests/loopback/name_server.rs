//! A name server with the zone of a test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::proto::rr::{LowerName, Name};
use hickory_server::proto::serialize::txt::Parser;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use sip_txn::Question;
use sip_txn::driver::{Dns, Resolver, Resolving};
use tokio::net::{TcpListener, UdpSocket};

use crate::agent::LOCAL;

/// Knows `test.` and nothing else; ends when it is dropped.
pub(crate) struct NameServer {
    address: SocketAddr,
    _server: Server<Catalog>,
}

impl NameServer {
    /// `records`: lines of a zone file, relative to `test.`.
    pub(crate) async fn start(records: &str) -> Self {
        // A line that begins with a space would belong to the name of the one before.
        let records: String = records.lines().map(|line| format!("{}\n", line.trim_start())).collect();
        let text = format!("@ 3600 IN SOA ns hostmaster 1 3600 600 86400 3600\n@ 3600 IN NS ns\n{records}");
        let origin = Name::from_ascii("test.").unwrap();
        let (origin, records) = Parser::new(text, None, Some(origin)).parse().unwrap();
        let zone = InMemoryZoneHandler::<hickory_server::net::runtime::TokioRuntimeProvider>::new(
            origin.clone(),
            records,
            ZoneType::Primary,
            AxfrPolicy::Deny,
        );
        let mut catalog = Catalog::new();
        catalog.upsert(LowerName::new(&origin), vec![Arc::new(zone.unwrap())]);
        let mut server = Server::new(catalog);
        // Answers that do not fit into a datagram are asked for again, at the same port, which another test may have.
        let (socket, address, listener) = loop {
            let socket = UdpSocket::bind(SocketAddr::from(LOCAL)).await.unwrap();
            let address = socket.local_addr().unwrap();
            if let Ok(listener) = TcpListener::bind(address).await {
                break (socket, address, listener);
            }
        };
        server.register_socket(socket);
        server.register_listener(listener, Duration::from_secs(5), 4096);
        Self { address, _server: server }
    }

    /// A resolver that asks this server alone, and remembers what it was asked itself.
    pub(crate) fn resolver(&self) -> Arc<Recorder> {
        let dns = Dns::servers(&[self.address]).unwrap();
        Arc::new(Recorder { dns, asked: Mutex::default() })
    }
}

#[derive(Debug)]
pub(crate) struct Recorder {
    dns: Dns,
    asked: Mutex<Vec<String>>,
}

impl Recorder {
    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Resolver for Recorder {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        let text = match question {
            Question::Naptr(name) => format!("NAPTR {name}"),
            Question::Srv(name) => format!("SRV {name}"),
            Question::Addresses(name) => name.to_string(),
        };
        self.asked.lock().unwrap().push(text);
        self.dns.resolve(question)
    }
}
