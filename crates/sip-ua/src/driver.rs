//! The task that runs an [`Agent`] over tokio sockets (feature `tokio`).
#![expect(clippy::disallowed_methods, reason = "a driver reads the clock and spawns its task")]

use std::collections::VecDeque;
use std::time::Instant;

use sip_txn::driver::Transports;
use tokio::sync::{mpsc, oneshot};

use crate::agent::Agent;
use crate::event::{Event, Output};
use crate::registrar::{self, Registrar};

/// How many commands may wait for the task.
const COMMANDS: usize = 1024;
/// Registrar events that may wait for the application.
const REGISTRAR_EVENTS: usize = 1024;

/// The task has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the agent's task has ended")]
pub struct Closed;

type Command = Box<dyn FnOnce(&mut Agent, Instant) + Send>;

/// Gives commands to a running agent. The task ends when the last handle is dropped, or the [`EventReceiver`].
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Runs something on the agent and brings back what it returned.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn run<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Agent, Instant) -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let (answer, answered) = oneshot::channel();
        let command: Command = Box::new(move |agent, now| {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(command(agent, now));
        });
        self.commands.send(command).await.map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)
    }

    /// Runs something on the agent, from where nobody can wait (`Drop`).
    ///
    /// # Errors
    /// [`Closed`], also when too many commands wait already.
    pub fn send(&self, command: impl FnOnce(&mut Agent, Instant) + Send + 'static) -> Result<(), Closed> {
        self.commands.try_send(Box::new(command)).map_err(|_| Closed)
    }
}

/// What the agent has to tell, in order.
#[derive(Debug)]
pub struct EventReceiver {
    events: mpsc::Receiver<Event>,
}

impl EventReceiver {
    /// The next event; `None` when the task has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

/// Starts the task. Must be called within a tokio runtime.
///
/// Events wait in a queue of [`Limits::events`](crate::Limits::events). When the application leaves it full, events
/// are lost, and calls whose events are lost are hung up.
pub fn start(agent: Agent, transports: Transports) -> (Handle, EventReceiver) {
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let (sender, events) = mpsc::channel(agent.config().limits.events.max(1));
    tokio::spawn(run(agent, transports, receiver, sender));
    (Handle { commands }, EventReceiver { events })
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn run(
    mut agent: Agent,
    mut transports: Transports,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) {
    loop {
        let mut lost = VecDeque::new();
        while let Some(output) = agent.poll_output() {
            match output {
                Output::Action(action) => transports.perform(action),
                Output::Event(event) => {
                    if let Err(mpsc::error::TrySendError::Full(event)) = events.try_send(event) {
                        lost.extend(event.dialog());
                    }
                }
            }
        }
        if !lost.is_empty() {
            for dialog in lost {
                // It may be over already.
                let _ = agent.hang_up(now(), dialog);
            }
            continue;
        }
        // Under load there is always another datagram; those who take the events must have their turn too.
        tokio::task::coop::consume_budget().await;
        let timeout = agent.poll_timeout();
        tokio::select! {
            input = transports.next() => agent.handle_input(now(), input),
            command = commands.recv() => match command {
                Some(command) => command(&mut agent, now()),
                None => return,
            },
            () = events.closed() => return,
            () = sleep_until(timeout) => agent.handle_timeout(now()),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// What a running registrar has to tell.
#[derive(Debug)]
pub struct RegistrarEvents {
    events: mpsc::Receiver<registrar::Event>,
}

impl RegistrarEvents {
    /// The next event; `None` when the task has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<registrar::Event> {
        self.events.recv().await
    }
}

/// Starts the task of a registrar; it ends when the events are dropped. Must be called within a tokio runtime.
///
/// Events that nobody takes are lost: they are only for a log.
pub fn start_registrar(mut registrar: Registrar, mut transports: Transports) -> RegistrarEvents {
    let (sender, events) = mpsc::channel(REGISTRAR_EVENTS);
    tokio::spawn(async move {
        loop {
            while let Some(output) = registrar.poll_output() {
                match output {
                    registrar::Output::Action(action) => transports.perform(action),
                    registrar::Output::Event(event) => drop(sender.try_send(event)),
                }
            }
            let timeout = registrar.poll_timeout();
            tokio::select! {
                input = transports.next() => registrar.handle_input(now(), input),
                () = sleep_until(timeout) => registrar.handle_timeout(now()),
                () = sender.closed() => return,
            }
        }
    });
    RegistrarEvents { events }
}
