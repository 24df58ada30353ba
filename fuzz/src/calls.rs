//! The target of `sip-ua`: calls written down by somebody else.

use std::time::{Duration, Instant};

use sdp::{Direction, SessionDescription};
use sip_txn::Transport;
use sip_ua::{Agent, Config, DialogId, MediaPlan, Refusal, ResumeError};

/// After this nothing of a call that was hung up is left: 64·T1 for its BYE, for each place it may go to.
const REST: Duration = Duration::from_secs(900);

/// Whatever the bytes are, they are a call or an error. A call comes back the same from its own snapshot, but for the gap in
/// its numbers, can be changed and hung up, and leaves nothing behind.
pub fn snapshot(data: &[u8]) {
    let now = Instant::now();
    let (mut agent, Ok(id)) = resumed(now, data) else { return };
    let again = agent.snapshot(id).expect("a call that was resumed is at rest");
    let (second, copy) = resumed(now, &again);
    let copy = copy.expect("what we wrote we can read");
    assert_eq!(second.snapshot(copy).expect("it is at rest").len(), again.len());
    let _ = agent.set_direction(now, id, Direction::Inactive);
    let _ = agent.hang_up(now, id);
    let mut at = now;
    while agent.poll_output().is_some() {}
    while let Some(next) = agent.poll_timeout().filter(|next| *next <= now + REST) {
        at = at.max(next);
        agent.handle_timeout(at);
        while agent.poll_output().is_some() {}
    }
    assert!(agent.is_idle(), "{agent:?}");
}

fn resumed(now: Instant, data: &[u8]) -> (Agent, Result<DialogId, ResumeError>) {
    let address = "192.0.2.1:5060".parse().expect("an address");
    let mut agent = Agent::new(Config::new(sip_txn::Config::new([1; 32]).listen(Transport::Udp, address)));
    let id = agent.resume(now, data, Box::new(Silence));
    (agent, id)
}

/// A plan that says the same whatever it is asked.
#[derive(Clone, Debug)]
struct Silence;

impl Silence {
    fn describe() -> SessionDescription {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        SessionDescription::parse(text).expect("it is one")
    }
}

impl MediaPlan for Silence {
    fn offer(&mut self, _: Direction) -> SessionDescription {
        Self::describe()
    }
    fn answer(&mut self, _: &SessionDescription) -> Result<SessionDescription, Refusal> {
        Ok(Self::describe())
    }
    fn accept(&mut self, _: &SessionDescription) -> Result<(), Refusal> {
        Ok(())
    }
    fn rollback(&mut self) {}
    fn fork(&self) -> Box<dyn MediaPlan> {
        Box::new(self.clone())
    }
    fn direction(&self) -> Option<Direction> {
        Some(Direction::SendRecv)
    }
}
