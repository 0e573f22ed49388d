//! What a peer does for one protocol: it sends requests, answers them or holds them, and reports all events.

use std::collections::{HashMap, HashSet};

use libp2p::request_response::{Behaviour, Event, Message, ResponseChannel};
use libp2p::{Multiaddr, PeerId};
use rustpeer_line::{Answer, failure_event, number, request_event};
use serde_json::{Value, json};

use crate::Options;
use crate::protocols::{Protocol, Request, Response};

/// A command about one protocol.
pub enum Action {
    Send {
        peer: PeerId,
        addrs: Vec<Multiaddr>,
        request: Value,
    },
    Answer {
        request: u64,
    },
    Drop {
        request: u64,
    },
}

/// An inbound request that waits for a command, and what it will be answered with.
type Held<P> = (ResponseChannel<Response<P>>, Response<P>);

pub struct Service<P: Protocol> {
    hold: bool,
    quiet: bool,
    held: HashMap<u64, Held<P>>,
}

impl<P: Protocol> Service<P> {
    pub fn new(options: &Options, known: &mut HashSet<&'static str>) -> Self {
        known.insert(P::NAME);
        let hold = options.hold.iter().any(|name| name == P::NAME);
        Self {
            hold,
            quiet: options.quiet,
            held: HashMap::new(),
        }
    }

    pub fn act(&mut self, behaviour: &mut Behaviour<P::Codec>, action: Action) -> Answer {
        match action {
            Action::Send {
                peer,
                addrs,
                request,
            } => {
                let request = P::request(request)?;
                let id = behaviour.send_request_with_addresses(&peer, request, addrs);
                Ok(json!({ "id": number(id) }))
            }
            Action::Answer { request } => {
                let (channel, response) = self.take(request)?;
                match behaviour.send_response(channel, response) {
                    Ok(()) => Ok(Value::Null),
                    Err(_) => Err(format!("request {request}: nobody waits for the response")),
                }
            }
            Action::Drop { request } => self.take(request).map(|_| Value::Null),
        }
    }

    fn take(&mut self, request: u64) -> Result<Held<P>, String> {
        self.held
            .remove(&request)
            .ok_or(format!("request {request} is not held"))
    }

    pub fn on_event(
        &mut self,
        behaviour: &mut Behaviour<P::Codec>,
        event: Event<Request<P>, Response<P>>,
    ) {
        if !self.quiet {
            report::<P>(&event);
        }
        if let Event::Message {
            message:
                Message::Request {
                    request_id,
                    request,
                    channel,
                },
            ..
        } = event
        {
            let response = P::answer(&request);
            if self.hold {
                self.held.insert(number(request_id), (channel, response));
            } else {
                // A channel that is closed is reported by an event.
                let _ = behaviour.send_response(channel, response);
            }
        }
    }
}

fn report<P: Protocol>(event: &Event<Request<P>, Response<P>>) {
    let (peer, connection, mut line) = match event {
        Event::Message {
            peer,
            connection_id,
            message,
        } => (peer, connection_id, describe::<P>(message)),
        Event::ResponseSent {
            peer,
            connection_id,
            request_id,
        } => (
            peer,
            connection_id,
            request_event("response-sent", request_id),
        ),
        Event::InboundFailure {
            peer,
            connection_id,
            request_id,
            error,
        } => (
            peer,
            connection_id,
            failure_event("inbound-failure", request_id, error),
        ),
        Event::OutboundFailure {
            peer,
            connection_id,
            request_id,
            error,
        } => (
            peer,
            connection_id,
            failure_event("outbound-failure", request_id, error),
        ),
    };
    line["protocol"] = json!(P::NAME);
    line["peer"] = json!(peer.to_string());
    line["connection"] = json!(connection.to_string());
    rustpeer_line::event(&line);
}

fn describe<P: Protocol>(message: &Message<Request<P>, Response<P>>) -> Value {
    let (name, id, shown) = match message {
        Message::Request {
            request_id,
            request,
            ..
        } => ("request", number(request_id), P::show_request(request)),
        Message::Response {
            request_id,
            response,
        } => ("response", number(request_id), P::show_response(response)),
    };
    let mut event = request_event(name, id);
    event["message"] = shown;
    event
}
