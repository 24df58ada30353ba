//! What the parts of an agent share: the layer below, ids, the index of who owns what, the outputs.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use sip_msg::{Allow, AllowEvents, Server, Supported, UserAgent};
use sip_msg::{HeaderName, Host, Method, Request, Response, StatusCode, Text, Uri};
use sip_txn::{ClientId, Ending, RequestError, SendOptions, ServerId, TransactionLayer};

use crate::auth::{Heard, server_and_user};
use crate::config::Config;
use crate::dialog::{Dialog, DialogKey};
use crate::event::{
    DialogId, Event, Output, PublicationId, ReferId, RegistrationId, RequestId, SubscriptionId,
};
use crate::ids::Ids;
use crate::invite::reliable::{self, Reliable};
use crate::invite::replaces;
use crate::invite::session_timer;
use crate::refer::PACKAGE;
use crate::registration::{Flows, Pace, instance};
use crate::session_id::{Peer, SessionIds};

/// The methods we answer ourselves; what the application takes besides, [`Context::methods`] adds.
pub(crate) const METHODS: &[Method] = &[
    Method::INVITE,
    Method::ACK,
    Method::BYE,
    Method::CANCEL,
    Method::OPTIONS,
    Method::INFO,
    Method::UPDATE,
    Method::PRACK,
    Method::REFER,
    Method::NOTIFY,
    Method::SUBSCRIBE,
];

/// The option tags we support, in Require of the peer too.
pub(crate) const OPTIONS: &[&str] = &[
    session_timer::TIMER,
    reliable::OPTION,
    "199",
    "norefersub",
    "tdialog",
    replaces::REPLACES,
    replaces::JOIN,
];

/// Whose client transaction it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Owner {
    Call(DialogId),
    Registration(RegistrationId),
    Request(RequestId),
    /// What is told of a REFER that came outside of calls.
    Refer(ReferId),
    /// A subscription in dialogs of its own, whichever side we are.
    Subscription(SubscriptionId),
    Publication(PublicationId),
}

/// What finds a subscription in a dialog of its own, before its dialog is whole and whatever fork answers: Call-ID and our
/// tag.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SubscriptionKey {
    pub(crate) call_id: Text,
    pub(crate) local_tag: Text,
}

impl SubscriptionKey {
    pub(crate) fn of(key: &DialogKey) -> Self {
        Self { call_id: key.call_id.clone(), local_tag: key.local_tag.clone() }
    }

    /// Whether a dialog's key is one of this subscription's.
    pub(crate) fn is_of(&self, key: &DialogKey) -> bool {
        self.call_id == key.call_id && self.local_tag == key.local_tag
    }
}

/// What a call has to tell a usage beside it; the agent passes it on.
#[derive(Debug)]
pub(crate) enum News {
    /// What came of the call that a REFER asked for.
    Progress(ReferId, StatusCode),
    /// The answer to a NOTIFY that went through a call's dialog.
    Notified(ReferId, Result<Response, Ending>),
    /// A call was answered that takes the place of another.
    Replaced { old: DialogId, by: Text },
}

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) layer: TransactionLayer,
    pub(crate) ids: Ids,
    pub(crate) config: Config,
    pub(crate) output: VecDeque<Output>,
    /// Which device we are.
    pub(crate) instance: Text,
    /// When it is whose turn to register.
    pub(crate) pace: Pace,
    /// What registrations stand on.
    pub(crate) flows: Flows,
    /// The GRUU to answer calls with, by the user of our Contact and the domain of the account.
    pub(crate) gruus: HashMap<(Text, Host), Uri>,
    pub(crate) heard: Heard,
    pub(crate) session_ids: SessionIds,
    pub(crate) clients: HashMap<ClientId, Owner>,
    pub(crate) servers: HashMap<ServerId, DialogId>,
    pub(crate) dialogs: HashMap<DialogKey, DialogId>,
    pub(crate) subscriptions: HashMap<SubscriptionKey, Owner>,
    pub(crate) news: VecDeque<News>,
}

impl Context {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            layer: TransactionLayer::new(config.transactions.clone()),
            ids: Ids::new(config.transactions.seed),
            instance: config.instance.clone().unwrap_or_else(|| instance(config.transactions.seed)),
            pace: Pace::new(config.registration_rate),
            flows: Flows::default(),
            gruus: HashMap::new(),
            config,
            output: VecDeque::new(),
            heard: Heard::default(),
            session_ids: SessionIds::default(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            dialogs: HashMap::new(),
            subscriptions: HashMap::new(),
            news: VecDeque::new(),
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.output.push_back(Output::Event(event));
    }

    /// The methods that are not answered with 405.
    pub(crate) fn methods(&self) -> Vec<Method> {
        METHODS.iter().chain(&self.config.takes).cloned().collect()
    }

    /// The option tags we support; that of reliable provisional responses can be switched off.
    pub(crate) fn options(&self) -> Vec<&'static str> {
        let reliable = self.config.reliable != Reliable::Off;
        let known = |option: &&str| match *option {
            reliable::OPTION => reliable,
            replaces::REPLACES => self.config.replaces,
            replaces::JOIN => self.config.joins,
            _ => true,
        };
        OPTIONS.iter().copied().filter(known).collect()
    }

    pub(crate) fn supported(&self) -> Supported {
        self.options().into_iter().map(Text::from_static).collect()
    }

    /// Sends a request in a transaction of its own.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        request: Request,
        owner: Owner,
    ) -> Result<ClientId, RequestError> {
        self.send_with(now, request, owner, SendOptions::default())
    }

    /// Sends a request of a dialog to where the dialog's route set leads.
    pub(crate) fn send_in(
        &mut self,
        now: Instant,
        dialog: &Dialog,
        request: Request,
        owner: Owner,
    ) -> Result<ClientId, RequestError> {
        self.send_with(now, request, owner, dialog.send_options())
    }

    pub(crate) fn send_with(
        &mut self,
        now: Instant,
        mut request: Request,
        owner: Owner,
        options: SendOptions,
    ) -> Result<ClientId, RequestError> {
        if let Owner::Call(id) = owner {
            self.open_session(id, request.headers());
            self.stamp(request.headers_mut(), Peer::To);
        }
        let asked = self.keeps_asked().then(|| server_and_user(&request));
        let client = self.layer.request(now, request, options)?;
        if let Some(asked) = asked {
            self.heard.note(client, asked);
        }
        self.clients.insert(client, owner);
        Ok(client)
    }

    /// Sends a response; one whose transaction is gone has nobody left to hear it.
    pub(crate) fn respond(&mut self, now: Instant, server: ServerId, mut response: Response) {
        self.stamp(response.headers_mut(), Peer::From);
        // The transaction may have ended by its own timers; that is no trouble of the caller's.
        let _ = self.layer.respond(now, server, response);
    }

    /// Puts Allow, Supported and User-Agent on a request.
    pub(crate) fn introduce(&self, request: &mut Request) {
        request.headers_mut().push(&Allow(self.methods()));
        if !OPTIONS.is_empty() {
            request.headers_mut().push(&self.supported());
        }
        if *request.method() == Method::INVITE {
            request.headers_mut().push(&self.packages());
        }
        self.sign(request);
    }

    /// The event packages we know as a notifier ([RFC 6665 §4.4.4]).
    ///
    /// [RFC 6665 §4.4.4]: https://www.rfc-editor.org/rfc/rfc6665#section-4.4.4
    pub(crate) fn packages(&self) -> AllowEvents {
        let names = self.config.notifies.iter().map(|package| package.name.clone());
        AllowEvents(names.chain([Text::from_static(PACKAGE)]).collect())
    }

    /// Puts User-Agent on a request.
    pub(crate) fn sign(&self, request: &mut Request) {
        request.headers_mut().push(&UserAgent(self.config.user_agent.clone()));
    }

    /// Puts Supported and User-Agent on a request in a call: each but ACK says `timer` ([RFC 4028 §7.1]).
    ///
    /// [RFC 4028 §7.1]: https://www.rfc-editor.org/rfc/rfc4028#section-7.1
    pub(crate) fn sign_in_call(&self, request: &mut Request) {
        request.headers_mut().push(&self.supported());
        self.sign(request);
    }

    /// Puts Server, and with `capabilities` also Allow and Supported, on a response.
    pub(crate) fn sign_response(&self, response: &mut Response, capabilities: bool) {
        if capabilities {
            response.headers_mut().push(&Allow(self.methods()));
            response.headers_mut().push(&self.supported());
            response.headers_mut().push(&self.packages());
        }
        response.headers_mut().push(&Server(self.config.user_agent.clone()));
    }
}

/// One line for a person, on a request that ended without an answer.
pub(crate) fn explain(ending: &Ending) -> Text {
    match ending {
        Ending::Normal => "ended without an answer".into(),
        Ending::TimedOut => "no answer in time".into(),
        Ending::TransportFailed(why) => why.clone(),
        _ => "ended".into(),
    }
}

pub(crate) fn supported() -> Supported {
    Supported(OPTIONS.iter().map(|option| Text::from_static(option)).collect())
}

/// Adds the application's own headers.
pub(crate) fn push_all(
    headers: &mut sip_msg::Headers,
    more: &[(HeaderName, Text)],
) -> Result<(), sip_msg::HeaderError> {
    more.iter().try_for_each(|(name, value)| headers.push_raw(name.clone(), value.as_bytes()))
}
