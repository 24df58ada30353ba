//! A media plan for tests of signalling.

use sdp::{Direction, SessionDescription};
use sip_ua::{MediaPlan, Refusal};

/// A plan that minds the rules of offer/answer, and fails the test where the agent breaks them.
pub(crate) fn plan() -> Box<dyn MediaPlan> {
    Box::new(StrictPlan::default())
}

#[derive(Clone, Debug, Default)]
struct StrictPlan {
    version: u32,
    /// What we said last, and what we said in the exchange that settled last.
    said: Option<SessionDescription>,
    settled: Option<SessionDescription>,
    outstanding: bool,
    agreed: Option<Direction>,
}

impl StrictPlan {
    fn describe(&mut self, direction: Direction) -> SessionDescription {
        self.version += 1;
        let direction = match direction {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        };
        let text = format!(
            "v=0\r\no=- 1 {} IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n\
             m=audio 40000 RTP/AVP 0\r\na={direction}\r\n",
            self.version
        );
        let description = SessionDescription::parse(&text).expect("it is one");
        self.said = Some(description.clone());
        description
    }

    fn settle(&mut self, theirs: &SessionDescription) -> Direction {
        let direction = theirs.direction(theirs.media.first().expect("a stream")).reversed();
        self.agreed = Some(direction);
        self.settled.clone_from(&self.said);
        direction
    }
}

impl MediaPlan for StrictPlan {
    fn offer(&mut self, direction: Direction) -> SessionDescription {
        assert!(!std::mem::replace(&mut self.outstanding, true), "one offer at a time");
        self.describe(direction)
    }

    fn refresh(&mut self, _direction: Direction) -> SessionDescription {
        assert!(!std::mem::replace(&mut self.outstanding, true), "one offer at a time");
        self.said.clone_from(&self.settled);
        self.said.clone().expect("something is settled")
    }

    fn answer(&mut self, offer: &SessionDescription) -> Result<SessionDescription, Refusal> {
        assert!(!self.outstanding, "no answer while our own offer is outstanding");
        let direction = self.settle(offer);
        let answer = self.describe(direction);
        self.settled.clone_from(&self.said);
        Ok(answer)
    }

    fn accept(&mut self, answer: &SessionDescription) -> Result<(), Refusal> {
        assert!(std::mem::replace(&mut self.outstanding, false), "an answer needs an offer");
        self.settle(answer);
        Ok(())
    }

    fn rollback(&mut self) {
        assert!(std::mem::replace(&mut self.outstanding, false), "a rollback needs an offer");
    }

    fn fork(&self) -> Box<dyn MediaPlan> {
        Box::new(self.clone())
    }

    fn direction(&self) -> Option<Direction> {
        self.agreed
    }
}
