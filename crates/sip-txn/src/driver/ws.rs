//! WebSocket, plain and over TLS ([RFC 7118]): each message of a WebSocket is one SIP message.
//!
//! [RFC 7118]: https://www.rfc-editor.org/rfc/rfc7118

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use sip_msg::{Host, HostPort, Text};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response, create_response, write_response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::connection::{BYTES, Opened, Sink, Source};
use super::{OPEN, Told, tcp};
use crate::{ConnectId, Flow, Transport};

/// The sub-protocol of SIP.
const SIP: &str = "sip";
/// The largest HTTP request we read.
const HEAD: usize = 8192;
/// How long a message may take to come once it has begun, or up to twice as long.
const SLOW: Duration = Duration::from_secs(32);
/// Bytes that wait in a WebSocket itself: the largest message that may be queued, and answers to pings of a peer that reads
/// none of them.
const UNSENT: usize = BYTES + (64 << 10);
/// Our question whether the peer is there, as the core writes it; a WebSocket has its own way to ask.
const PING: &[u8] = b"\r\n\r\n";
/// The peer's answer, as the core reads it.
const PONG: &[u8] = b"\r\n";

/// Settings for WebSockets: which handshakes are accepted, and what our own look like.
#[derive(Clone)]
#[non_exhaustive]
pub struct WebSocket {
    /// The path that clients must ask for; any unless set.
    pub path: Option<String>,
    /// The web pages that may connect, as browsers name them in `Origin`: `https://phone.example.com`. Any unless set.
    /// A client that names none is no browser, and not kept out by this.
    pub origins: Option<Vec<String>>,
    /// Decides last, and sees cookies and credentials ([RFC 7118 §7]).
    ///
    /// [RFC 7118 §7]: https://www.rfc-editor.org/rfc/rfc7118#section-7
    pub admission: Option<Arc<dyn HandshakeAdmission>>,
    /// The path that we ask for as a client; `/`.
    pub client_path: String,
    /// The largest message, in bytes; 256 KiB.
    pub message_bytes: usize,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            path: None,
            origins: None,
            admission: None,
            client_path: "/".to_owned(),
            message_bytes: 256 * 1024,
        }
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("path", &self.path)
            .field("origins", &self.origins)
            .field("client_path", &self.client_path)
            .field("message_bytes", &self.message_bytes)
            .finish_non_exhaustive()
    }
}

impl WebSocket {
    /// Sets the only path that clients may ask for.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets the only web pages that may connect.
    #[must_use]
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Sets who decides last about a handshake.
    #[must_use]
    pub fn admission(mut self, admission: Arc<dyn HandshakeAdmission>) -> Self {
        self.admission = Some(admission);
        self
    }

    /// Sets the path that we ask for as a client.
    #[must_use]
    pub fn client_path(mut self, path: impl Into<String>) -> Self {
        self.client_path = path.into();
        self
    }

    /// Sets the largest message, in bytes.
    #[must_use]
    pub fn message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    fn config(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_write_buffer_size(UNSENT)
            .max_message_size(Some(self.message_bytes))
            .max_frame_size(Some(self.message_bytes))
    }

    /// What to answer a handshake: 101, or why not.
    fn judge(&self, request: &Request, remote: SocketAddr) -> Result<Response, Refusal> {
        let mut response = create_response(request).map_err(|error| Refusal::of(&error))?;
        if self.path.as_ref().is_some_and(|path| request.uri().path() != path) {
            return Err(Refusal::new(404, "no SIP here"));
        }
        let handshake = Handshake { request, remote };
        if let (Some(origins), Some(origin)) = (&self.origins, handshake.header("Origin"))
            && !origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
        {
            return Err(Refusal::new(403, "this page may not connect"));
        }
        let offered = request.headers().get_all("Sec-WebSocket-Protocol").iter();
        let offers_sip = offered
            .filter_map(|offer| offer.to_str().ok())
            .flat_map(|offer| offer.split(','))
            .any(|protocol| protocol.trim() == SIP);
        if !offers_sip {
            return Err(Refusal::new(400, "the sub-protocol is sip"));
        }
        if let Some(admission) = &self.admission {
            admission.admit(&handshake)?;
        }
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SIP));
        Ok(response)
    }
}

/// Decides about handshakes, by what HTTP tells of the client: its address, page, cookies or credentials.
///
/// Called from the connection's task: it must not block.
pub trait HandshakeAdmission: Send + Sync {
    /// Whether to accept a WebSocket.
    ///
    /// # Errors
    /// What to answer instead.
    fn admit(&self, handshake: &Handshake<'_>) -> Result<(), Refusal>;
}

/// The request that asks for a WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    request: &'a Request,
    remote: SocketAddr,
}

impl Handshake<'_> {
    /// The client's address, or that of the last HTTP proxy before us.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The path that is asked for, with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.request.uri().path_and_query().map_or("/", |path| path.as_str())
    }

    /// A header by its name, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }
}

/// The answer to a handshake that is not accepted.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: u16,
    reason: &'static str,
    challenge: Option<String>,
}

impl Refusal {
    /// An HTTP status from 400 to 599 (anything else becomes 403), and a few words for people.
    #[must_use]
    pub fn new(status: u16, reason: &'static str) -> Self {
        let status = if (400..600).contains(&status) { status } else { 403 };
        Self { status, reason, challenge: None }
    }

    /// 401 with a `WWW-Authenticate` header: the client must say who it is ([RFC 7118 §7]).
    ///
    /// [RFC 7118 §7]: https://www.rfc-editor.org/rfc/rfc7118#section-7
    #[must_use]
    pub fn unauthorized(challenge: impl Into<String>) -> Self {
        Self { challenge: Some(challenge.into()), ..Self::new(401, "who are you?") }
    }

    /// What is wrong with a request that is no WebSocket handshake.
    fn of(error: &Error) -> Self {
        let Error::Protocol(error) = error else { return Self::new(400, "not a WebSocket handshake") };
        if matches!(error, ProtocolError::WrongHttpMethod) {
            return Self::new(405, "only GET");
        }
        if matches!(error, ProtocolError::WrongHttpVersion) {
            return Self::new(505, "HTTP/1.1 is needed");
        }
        let upgrade = matches!(
            error,
            ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingSecWebSocketVersionHeader
        );
        match upgrade {
            true => Self::new(426, "this is a WebSocket, version 13"),
            false => Self::new(400, "not a WebSocket handshake"),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, self.reason);
        if self.status == 426 {
            text += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
        }
        if let Some(challenge) = self.challenge.as_ref().filter(|text| !text.contains(['\r', '\n', '\0'])) {
            text += &format!("WWW-Authenticate: {challenge}\r\n");
        }
        text += "Connection: close\r\nContent-Length: 0\r\n\r\n";
        text.into_bytes()
    }
}

/// Makes a connection of a stream that was accepted.
pub(super) async fn open(
    stream: TcpStream,
    remote: SocketAddr,
    settings: Arc<WebSocket>,
    tell: mpsc::Sender<Told>,
) {
    if let Some(flow) = tcp::prepare(&stream, Transport::Ws, remote) {
        accept(stream, Opened::new(flow, None), &settings, tell).await;
    }
}

/// The handshake of a server, over TCP or TLS; the caller bounds its time.
pub(super) async fn accept<S>(mut stream: S, opened: Opened, settings: &WebSocket, tell: mpsc::Sender<Told>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let flow = opened.flow;
    let answer = match read_request(&mut stream).await {
        Ok(Some((request, rest))) => settings.judge(&request, flow.remote).map(|response| (response, rest)),
        Ok(None) => return,
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok((response, rest)) => {
            let mut bytes = Vec::new();
            if write_response(&mut bytes, &response).is_err() || stream.write_all(&bytes).await.is_err() {
                return;
            }
            // TLS sends nothing by itself.
            if stream.flush().await.is_err() {
                return;
            }
            let (counted, read) = Counted::new(stream);
            let socket =
                WebSocketStream::from_partially_read(counted, rest, Role::Server, Some(settings.config()))
                    .await;
            start(socket, read, opened, tell).await;
        }
        Err(refusal) => {
            tracing::debug!(%flow, status = refusal.status, reason = refusal.reason, "WebSocket refused");
            // A client that does not wait for the answer needs none.
            if stream.write_all(&refusal.bytes()).await.is_ok() {
                let _ = stream.shutdown().await;
            }
        }
    }
}

/// The head of the HTTP request, and what has come after it; `None` when the peer is gone.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<(Request, Vec<u8>)>, Refusal> {
    let mut buffer = BytesMut::with_capacity(1024);
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
        match Request::try_parse(&buffer) {
            Ok(Some((length, request))) => {
                let rest = buffer.get(length..).unwrap_or_default().to_vec();
                return Ok(Some((request, rest)));
            }
            Ok(None) if buffer.len() >= HEAD => return Err(Refusal::new(431, "too long")),
            Ok(None) => {}
            Err(error) => return Err(Refusal::of(&error)),
        }
    }
}

/// Opens a plain WebSocket, and tells of it.
pub(super) async fn connect(
    connect: ConnectId,
    remote: SocketAddr,
    name: Option<Text>,
    settings: Arc<WebSocket>,
    tell: mpsc::Sender<Told>,
) {
    let opened = async {
        let stream = tcp::open(remote).await?;
        let flow = tcp::prepare(&stream, Transport::Ws, remote)
            .ok_or_else(|| format!("ws:{remote}: closed at once"))?;
        Ok((stream, flow))
    };
    match opened.await {
        Ok((stream, flow)) => {
            ask(stream, Opened::new(flow, Some(connect)), connect, name, &settings, tell).await;
        }
        // Nobody listens any more when the transports are gone.
        Err(why) => drop(tell.send(Told::Failed { connect, why }).await),
    }
}

/// The handshake of a client, over TCP or TLS.
pub(super) async fn ask<S>(
    stream: S,
    opened: Opened,
    connect: ConnectId,
    name: Option<Text>,
    settings: &WebSocket,
    tell: mpsc::Sender<Told>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Flow { transport, remote, .. } = opened.flow;
    let fail = |why: String| Told::Failed { connect, why: format!("{transport} {remote}: {why}") };
    let failed = match request(transport, remote, name, &settings.client_path) {
        Ok(request) => {
            let (counted, read) = Counted::new(stream);
            let asked =
                tokio_tungstenite::client_async_with_config(request, counted, Some(settings.config()));
            match timeout(OPEN, asked).await {
                Ok(Ok((socket, _))) => return start(socket, read, opened, tell).await,
                Ok(Err(Error::Http(response))) => fail(format!("the server answers {}", response.status())),
                Ok(Err(error)) => fail(error.to_string()),
                Err(_) => fail(format!("no handshake within {} s", OPEN.as_secs())),
            }
        }
        Err(why) => fail(why),
    };
    // Nobody listens any more when the transports are gone.
    drop(tell.send(failed).await);
}

fn request(
    transport: Transport,
    remote: SocketAddr,
    name: Option<Text>,
    path: &str,
) -> Result<ClientRequestBuilder, String> {
    let host = match name.map(|name| name.parse::<Host>()) {
        Some(Ok(host)) => host,
        Some(Err(_)) | None => remote.ip().into(),
    };
    let port = Some(remote.port()).filter(|port| *port != transport.default_port());
    let authority = HostPort::new(host, port).to_string();
    let uri = Uri::builder()
        .scheme(if transport.is_secure() { "wss" } else { "ws" })
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|error| format!("`{path}` is no path: {error}"))?;
    Ok(ClientRequestBuilder::new(uri).with_sub_protocol(SIP))
}

async fn start<S>(
    socket: WebSocketStream<Counted<S>>,
    read: Arc<AtomicU64>,
    opened: Opened,
    tell: mpsc::Sender<Told>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (writer, reader) = socket.split();
    let source = Reading { flow: opened.flow, reader, read, read_before: 0 };
    opened.start_with(source, Writing(writer), tell).await;
}

struct Reading<S> {
    flow: Flow,
    reader: SplitStream<WebSocketStream<Counted<S>>>,
    /// Bytes that have come from the network.
    read: Arc<AtomicU64>,
    /// As many had come when the last message was whole.
    read_before: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Source for Reading<S> {
    async fn next(&mut self) -> Result<Told, String> {
        let flow = self.flow;
        loop {
            let Ok(next) = timeout(SLOW, self.reader.next()).await else {
                let read = self.read.load(Ordering::Relaxed);
                if read == self.read_before {
                    continue;
                }
                return Err("no whole message came in time".to_owned());
            };
            self.read_before = self.read.load(Ordering::Relaxed);
            let bytes = match next {
                Some(Ok(Message::Text(text))) => text.into(),
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Pong(_))) => Bytes::from_static(PONG),
                // Answered by tungstenite.
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_))) | None => return Err("closed by the peer".to_owned()),
                Some(Err(error)) => return Err(error.to_string()),
            };
            return Ok(Told::Message { flow, bytes });
        }
    }
}

struct Writing<S>(SplitSink<WebSocketStream<Counted<S>>, Message>);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Sink for Writing<S> {
    async fn send(&mut self, message: Bytes, last: bool) -> Result<(), String> {
        let message = if message == PING {
            Message::Ping(Bytes::new())
        } else {
            // RFC 7118 §4.2: what is not UTF-8 must be binary, and text is recommended for the rest.
            match message.clone().try_into() {
                Ok(text) => Message::Text(text),
                Err(_) => Message::Binary(message),
            }
        };
        let sent = if last { self.0.send(message).await } else { self.0.feed(message).await };
        sent.map_err(|error| error.to_string())
    }

    async fn close(&mut self) {
        // A peer that is gone needs no farewell.
        let _ = self.0.close().await;
    }
}

/// A stream that counts what it reads, to know a message that comes drop by drop from silence.
struct Counted<S> {
    stream: S,
    read: Arc<AtomicU64>,
}

impl<S> Counted<S> {
    fn new(stream: S) -> (Self, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        (Self { stream, read: Arc::clone(&read) }, read)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = std::pin::Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len().saturating_sub(before);
        self.read.fetch_add(count.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Secure WebSockets: the same after a TLS handshake.
#[cfg(feature = "tls")]
pub(super) mod secure {
    use rustls::ClientConfig;
    use tokio::sync::watch;

    use super::super::tls::{self, Tls};
    use super::*;

    /// Makes a connection of a stream that was accepted.
    pub(in super::super) async fn open(
        stream: TcpStream,
        remote: SocketAddr,
        tls: watch::Receiver<Option<Tls>>,
        settings: Arc<WebSocket>,
        tell: mpsc::Sender<Told>,
    ) {
        if let Some((stream, opened)) = tls::accept(stream, remote, Transport::Wss, &tls).await {
            accept(stream, opened, &settings, tell).await;
        }
    }

    /// Opens a connection whose certificate names `name`, and tells of it.
    pub(in super::super) async fn connect(
        connect: ConnectId,
        remote: SocketAddr,
        name: Text,
        config: Arc<ClientConfig>,
        settings: Arc<WebSocket>,
        tell: mpsc::Sender<Told>,
    ) {
        match tls::establish(remote, &name, Transport::Wss, config).await {
            Ok((stream, flow)) => {
                ask(stream, Opened::new(flow, Some(connect)), connect, Some(name), &settings, tell).await;
            }
            // Nobody listens any more when the transports are gone.
            Err(why) => drop(tell.send(Told::Failed { connect, why }).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_pings_and_reads_nothing_fills_no_memory() {
        let taken = allocation_counter::measure(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (mut peer, ours) = tokio::io::duplex(64 << 10);
                let config = WebSocket::default().config();
                let socket = WebSocketStream::from_raw_socket(ours, Role::Server, Some(config)).await;
                let (_writer, mut reader) = socket.split();
                let mut ping = vec![0x89, 0x80 | 125];
                ping.resize(2 + 4 + 125, 0);
                let pinging = async {
                    for _ in 0..8 * UNSENT / ping.len() {
                        peer.write_all(&ping).await.unwrap();
                    }
                };
                let reading = async { while let Some(Ok(_)) = reader.next().await {} };
                tokio::select! {
                    () = pinging => {}
                    () = reading => panic!("the connection ended"),
                }
            });
        });
        // What grows is copied, so for a moment it is there twice.
        assert!(taken.bytes_max < 4 * UNSENT as u64, "{taken:?}");
    }
}
