//! The lines of JSON between a peer and the test that started it: commands come in on standard input, answers
//! and events go out on standard output. Package rustpeer describes them.

use std::env;
use std::fmt::Debug;
use std::io::{self, BufRead, Write};
use std::process;
use std::thread;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What answers a command: a value, or why it was not carried out.
pub type Answer = Result<Value, String>;

/// Reads the peer's options from its only argument.
pub fn options<O: DeserializeOwned>() -> Result<O, String> {
    let argument = env::args().nth(1).ok_or("the options are missing")?;
    serde_json::from_str(&argument).map_err(|e| format!("options {argument}: {e}"))
}

/// Reads commands, each with its number, on a thread of its own until the input ends. What is no command is
/// answered here.
pub fn commands<C: DeserializeOwned + Send + 'static>() -> UnboundedReceiver<(u64, C)> {
    let (sender, receiver) = unbounded();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            match parse(&line) {
                Ok(command) => {
                    if sender.unbounded_send(command).is_err() {
                        return;
                    }
                }
                Err((number, error)) => answer(number, Err(error)),
            }
        }
    });
    receiver
}

fn parse<C: DeserializeOwned>(line: &str) -> Result<(u64, C), (u64, String)> {
    let value: Value = serde_json::from_str(line).map_err(|e| (0, e.to_string()))?;
    let number = value["number"].as_u64().unwrap_or(0);
    let command = serde_json::from_value(value).map_err(|e| (number, e.to_string()))?;
    Ok((number, command))
}

/// Answers the command with the given number.
pub fn answer(number: u64, answer: Answer) {
    match answer {
        Ok(value) => print(&json!({ "answers": number, "value": value })),
        Err(error) => print(&json!({ "answers": number, "error": error })),
    }
}

/// Reports an event, an object with a member of that name.
pub fn event(event: &Value) {
    print(event);
}

/// Makes the event of a request.
pub fn request_event(name: &str, id: impl ToString) -> Value {
    json!({ "event": name, "id": number(id) })
}

/// Makes the event of a request that failed. An error's debug form begins with the name of its variant.
pub fn failure_event(name: &str, id: impl ToString, error: &impl Debug) -> Value {
    let detail = format!("{error:?}");
    let failure = detail.split('(').next();
    let mut event = request_event(name, id);
    event["failure"] = json!(failure);
    event["detail"] = json!(detail);
    event
}

/// Returns the number that an identifier prints.
pub fn number(id: impl ToString) -> u64 {
    id.to_string().parse().expect("identifiers are numbers")
}

/// Ends the process where nobody listens any more.
fn print(line: &Value) {
    let text = format!("{line}\n");
    let mut out = io::stdout().lock();
    if out
        .write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_err()
    {
        process::exit(0);
    }
}
