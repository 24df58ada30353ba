//! What the command prints: one JSON object a line with `--json`, one readable line otherwise.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

/// Prints events to stdout, and the last error to stderr.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    json: bool,
    colour: bool,
    show_callers: bool,
    /// Nothing of single calls is printed: of many they would fill the screen, and cost more than the calls.
    quiet: bool,
    /// Nothing at all is printed.
    silent: bool,
    calls: Arc<AtomicU64>,
}

/// Which call an event belongs to.
#[derive(Clone, Debug)]
pub(crate) struct CallRef {
    /// Counted from 1 in this process.
    pub(crate) number: u64,
    /// The Call-ID of the dialog.
    pub(crate) call_id: String,
}

impl Reporter {
    pub(crate) fn new(json: bool, show_callers: bool, quiet: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour, show_callers, quiet, silent: false, calls: Arc::default() }
    }

    /// Whether readable lines are wanted: a table or a ladder would only disturb a reader of JSON.
    pub(crate) fn is_readable(&self) -> bool {
        !self.json
    }

    /// The same for one of many calls: silent, unless somebody reads JSON.
    pub(crate) fn for_many(&self) -> Self {
        Self { silent: !self.json, ..self.clone() }
    }

    /// Whether nobody wants to hear of single calls.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet || self.silent
    }

    /// The number of the next call, from 1.
    pub(crate) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Lines for a person, as they are.
    pub(crate) fn text(&self, text: &str) {
        if !self.json {
            // A reader that went away (`| head`) is no reason to fail.
            let _ = writeln!(std::io::stdout().lock(), "{text}");
        }
    }

    /// An event outside any call.
    pub(crate) fn event(&self, name: &str, fields: Value) {
        self.print(name, None, fields);
    }

    /// An event of one call.
    pub(crate) fn call_event(&self, call: &CallRef, name: &str, fields: Value) {
        self.print(name, Some(call), fields);
    }

    /// The reason why the command fails: the last event, and the last line on stderr.
    pub(crate) fn error(&self, message: &str) {
        if self.json {
            self.print("error", None, json!({ "message": message }));
        }
        self.last_line(message);
    }

    /// The reason alone, where the events have said it already.
    pub(crate) fn last_line(&self, message: &str) {
        // Nobody reads stderr any more: no reason to fail otherwise.
        let _ = writeln!(std::io::stderr().lock(), "voip: {message}");
    }

    /// A caller or callee as it may be shown: masked to the last four characters unless `--show-callers`.
    pub(crate) fn caller(&self, caller: Option<voip::CallerId>) -> Option<String> {
        caller.map(|caller| if self.show_callers { caller.to_string() } else { format!("{caller:?}") })
    }

    fn print(&self, name: &str, call: Option<&CallRef>, fields: Value) {
        if self.silent || self.quiet && call.is_some() {
            return;
        }
        let time = format!("{:.3}", jiff::Timestamp::now());
        let line = if self.json {
            json_line(name, &time, call, fields)
        } else {
            readable_line(name, &time, call, &fields, self.colour)
        };
        // A reader that went away (`| head`) is no reason to end a call.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

fn json_line(name: &str, time: &str, call: Option<&CallRef>, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("event".into(), name.into());
    object.insert("time".into(), time.into());
    if let Some(call) = call {
        object.insert("call".into(), call.number.into());
        object.insert("call_id".into(), call.call_id.clone().into());
    }
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object).to_string()
}

fn readable_line(name: &str, time: &str, call: Option<&CallRef>, fields: &Value, colour: bool) -> String {
    let clock = time.get(11..23).unwrap_or(time);
    let mut line = match (colour, call) {
        (true, Some(call)) => format!("\x1b[2m{clock}\x1b[0m call {} \x1b[1m{name}\x1b[0m", call.number),
        (true, None) => format!("\x1b[2m{clock}\x1b[0m \x1b[1m{name}\x1b[0m"),
        (false, Some(call)) => format!("{clock} call {} {name}", call.number),
        (false, None) => format!("{clock} {name}"),
    };
    for (key, value) in fields.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => line.push_str(&format!(" {key}={text}")),
            Value::Array(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| item.as_str().map_or(item.to_string(), str::to_owned)).collect();
                line.push_str(&format!(" {key}={}", items.join(",")));
            }
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => line.push_str(&format!(" {key}={value}")),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> CallRef {
        CallRef { number: 2, call_id: "abc".into() }
    }

    #[test]
    fn a_json_event_names_its_call() {
        let line = json_line("dtmf", "2026-01-02T03:04:05.678Z", Some(&call()), json!({ "digit": "1" }));
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["event"], "dtmf");
        assert_eq!(value["call"], 2);
        assert_eq!(value["call_id"], "abc");
        assert_eq!(value["digit"], "1");
        assert_eq!(value["time"], "2026-01-02T03:04:05.678Z");
    }

    #[test]
    fn a_readable_event_is_one_plain_line() {
        let fields = json!({ "status": 180, "reason": "Ringing", "none": null });
        let line = readable_line("ringing", "2026-01-02T03:04:05.678Z", Some(&call()), &fields, false);
        assert_eq!(line, "03:04:05.678 call 2 ringing status=180 reason=Ringing");
    }
}
