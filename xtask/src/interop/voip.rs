//! Our own command in a scenario, and the events that it prints.

use super::lab::{Lab, ports};
use crate::{Error, Result, json::Json};
use std::{fs, path::PathBuf, time::Duration};

/// A `voip` that runs in the background.
pub(crate) struct Voip {
    name: String,
    index: usize,
    out: PathBuf,
}

impl Voip {
    pub(crate) fn start(lab: &mut Lab, name: &str, args: &[&str], password: Option<&str>) -> Result<Self> {
        let mut command = lab.voip(args);
        command.envs(password.map(|password| ("SIP_PASSWORD", password)));
        let index = lab.spawn(name, &mut command)?;
        Ok(Self { name: name.to_owned(), index, out: lab.path(&format!("{name}.out")) })
    }

    /// `voip answer` on a port of its own; gives the URI to call, once it can be called.
    pub(crate) fn answer(lab: &mut Lab, transport: &str, args: &[&str]) -> Result<(Self, String)> {
        let port = ports(2)?;
        let listen = format!("{transport}:127.0.0.1:{port}");
        let voip = Self::start(lab, "answer", &[&["answer", "--listen", &listen], args].concat(), None)?;
        voip.ready(lab)?;
        Ok((voip, format!("127.0.0.1:{port}")))
    }

    /// Waits until it says `listening`.
    pub(crate) fn ready(&self, lab: &mut Lab) -> Result {
        let out = format!("{}.out", self.name);
        lab.wait_for(&out, "\"listening\"", Duration::from_secs(15))
            .map_err(|why| self.explain(lab, &why.to_string()))
    }

    /// Waits for its end, which must be with exit code 0.
    pub(crate) fn finish(&self, lab: &mut Lab, limit: Duration) -> Result {
        match lab.wait(self.index, limit).map_err(|why| self.explain(lab, &why.to_string()))? {
            0 => Ok(()),
            code => Err(self.explain(lab, &format!("exit code {code}"))),
        }
    }

    /// Waits for its end; gives the exit code.
    pub(crate) fn code(&self, lab: &mut Lab, limit: Duration) -> Result<i32> {
        lab.wait(self.index, limit).map_err(|why| self.explain(lab, &why.to_string()))
    }

    /// Ends it as Ctrl-C would; that must give exit code 0.
    pub(crate) fn interrupt(&self, lab: &mut Lab) -> Result {
        match lab.interrupt(self.index)? {
            0 => Ok(()),
            code => Err(self.explain(lab, &format!("exit code {code} after an interrupt"))),
        }
    }

    /// All events so far.
    pub(crate) fn every_event(&self) -> Result<Vec<Json>> {
        let text = fs::read_to_string(&self.out)?;
        Ok(text.lines().map(Json::parse).collect::<Result<_, _>>()?)
    }

    /// All events of a kind so far.
    pub(crate) fn events(&self, kind: &str) -> Result<Vec<Json>> {
        let events = self.every_event()?;
        Ok(events.into_iter().filter(|event| event.at("event").text() == kind).collect())
    }

    /// The first event of a kind.
    pub(crate) fn event(&self, lab: &Lab, kind: &str) -> Result<Json> {
        let first = self.events(kind)?.into_iter().next();
        first.ok_or_else(|| self.explain(lab, &format!("no event {kind:?}")))
    }

    /// The keys it heard.
    pub(crate) fn digits(&self) -> Result<String> {
        Ok(self.events("dtmf")?.iter().map(|event| event.at("digit").text().to_owned()).collect())
    }

    fn explain(&self, lab: &Lab, what: &str) -> Error {
        format!("voip ({}): {what}: {}", self.name, lab.tail(&self.name)).into()
    }
}
