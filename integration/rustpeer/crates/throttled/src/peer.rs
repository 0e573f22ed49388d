//! The peer: it carries out commands, and reports every event.

use std::collections::HashMap;
use std::num::NonZeroU16;

use libp2p::core::connection::ListenerId;
use libp2p::multiaddr::Protocol as Part;
use libp2p::request_response::throttled::{Event, ResponseChannel, Throttled};
use libp2p::request_response::{RequestResponseEvent, RequestResponseMessage};
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId};
use rustpeer_line::{Answer, answer, event, failure_event, number, request_event};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};

use crate::Options;
use crate::ping::PingCodec;

pub type Ping = Throttled<PingCodec>;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Command {
    Listen {
        addr: Multiaddr,
    },
    Dial {
        addr: Multiaddr,
    },
    Disconnect {
        #[serde(deserialize_with = "peer_id")]
        peer: PeerId,
    },
    Send {
        #[serde(deserialize_with = "peer_id")]
        peer: PeerId,
        #[serde(default)]
        addrs: Vec<Multiaddr>,
        request: Text,
    },
    Answer {
        request: u64,
    },
    Drop {
        request: u64,
    },
    CanSend {
        #[serde(deserialize_with = "peer_id")]
        peer: PeerId,
    },
    SetReceiveLimit {
        limit: NonZeroU16,
    },
    OverrideReceiveLimit {
        #[serde(deserialize_with = "peer_id")]
        peer: PeerId,
        limit: NonZeroU16,
    },
    RemoveOverride {
        #[serde(deserialize_with = "peer_id")]
        peer: PeerId,
    },
}

#[derive(Deserialize)]
pub struct Text {
    text: String,
}

fn peer_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PeerId, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(de::Error::custom)
}

pub struct Peer {
    pub swarm: Swarm<Ping>,
    hold: bool,
    /// The inbound requests that wait for a command, with what they will be answered with.
    held: HashMap<u64, (ResponseChannel<String>, String)>,
    /// The commands that wait for a listener or a connection.
    listening: HashMap<ListenerId, u64>,
    dialing: HashMap<PeerId, u64>,
}

impl Peer {
    pub fn new(swarm: Swarm<Ping>, options: &Options) -> Result<Self, String> {
        if let Some(name) = options.hold.iter().find(|name| *name != "ping") {
            return Err(format!("hold: no protocol {name}"));
        }
        Ok(Self {
            swarm,
            hold: !options.hold.is_empty(),
            held: HashMap::new(),
            listening: HashMap::new(),
            dialing: HashMap::new(),
        })
    }

    /// Answers a command, at once unless it waits for an event.
    pub fn on_command(&mut self, number: u64, command: Command) {
        let result = match command {
            Command::Listen { addr } => {
                self.swarm
                    .listen_on(addr)
                    .map_err(|e| e.to_string())
                    .map(|listener| {
                        self.listening.insert(listener, number);
                        None
                    })
            }
            Command::Dial { addr } => self.dial(number, addr).map(|()| None),
            command => self.act(command).map(Some),
        };
        if let Some(now) = result.transpose() {
            answer(number, now);
        }
    }

    fn dial(&mut self, number: u64, addr: Multiaddr) -> Result<(), String> {
        let Some(Part::P2p(hash)) = addr.iter().last() else {
            return Err(format!("{addr} does not end with /p2p/ and a peer"));
        };
        let peer = PeerId::from_multihash(hash).map_err(|_| "not a peer".to_string())?;
        self.swarm.behaviour_mut().add_address(&peer, addr);
        self.swarm.dial(&peer).map_err(|e| e.to_string())?;
        self.dialing.insert(peer, number);
        Ok(())
    }

    /// Carries out a command that waits for nothing.
    fn act(&mut self, command: Command) -> Answer {
        match command {
            Command::Disconnect { peer } => {
                self.swarm
                    .disconnect_peer_id(peer)
                    .map_err(|()| format!("not connected to {peer}"))?;
            }
            Command::Send {
                peer,
                addrs,
                request,
            } => return Ok(self.send(peer, addrs, request)),
            Command::Answer { request } => {
                let (channel, response) = self.take(request)?;
                let sent = self.swarm.behaviour_mut().send_response(channel, response);
                sent.map_err(|_| format!("request {request}: nobody waits for the response"))?;
            }
            Command::Drop { request } => drop(self.take(request)?),
            Command::CanSend { peer } => {
                return Ok(json!(self.swarm.behaviour_mut().can_send(&peer)));
            }
            Command::SetReceiveLimit { limit } => {
                self.swarm.behaviour_mut().set_receive_limit(limit)
            }
            Command::OverrideReceiveLimit { peer, limit } => {
                self.swarm
                    .behaviour_mut()
                    .override_receive_limit(&peer, limit);
            }
            Command::RemoveOverride { peer } => self.swarm.behaviour_mut().remove_override(&peer),
            Command::Listen { .. } | Command::Dial { .. } => unreachable!("these wait"),
        }
        Ok(Value::Null)
    }

    fn send(&mut self, peer: PeerId, addrs: Vec<Multiaddr>, request: Text) -> Value {
        let behaviour = self.swarm.behaviour_mut();
        for addr in addrs {
            behaviour.add_address(&peer, addr);
        }
        match behaviour.send_request(&peer, request.text) {
            Ok(id) => json!({ "id": number(id) }),
            Err(_) => json!({ "refused": true }),
        }
    }

    fn take(&mut self, request: u64) -> Result<(ResponseChannel<String>, String), String> {
        self.held
            .remove(&request)
            .ok_or(format!("request {request} is not held"))
    }

    pub fn on_event<E>(
        &mut self,
        swarm_event: SwarmEvent<<Ping as NetworkBehaviour>::OutEvent, E>,
    ) {
        match swarm_event {
            SwarmEvent::Behaviour(event) => self.on_throttled_event(event),
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                if let Some(number) = self.listening.remove(&listener_id) {
                    let address = address.with(Part::P2p((*self.swarm.local_peer_id()).into()));
                    answer(number, Ok(json!({ "addr": address.to_string() })));
                }
            }
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => {
                if let Some(number) = self.listening.remove(&listener_id) {
                    answer(number, Err(format!("listener closed: {reason:?}")));
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                if let Some(number) = self.dialing.remove(&peer_id) {
                    answer(number, Ok(json!({ "peer": peer_id.to_string() })));
                }
                about("connected", peer_id);
            }
            SwarmEvent::UnreachableAddr {
                peer_id,
                error,
                attempts_remaining: 0,
                ..
            } => {
                if let Some(number) = self.dialing.remove(&peer_id) {
                    answer(number, Err(error.to_string()));
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, .. } => about("disconnected", peer_id),
            _ => {}
        }
    }

    fn on_throttled_event(&mut self, event: <Ping as NetworkBehaviour>::OutEvent) {
        let event = match event {
            Event::Event(event) => event,
            Event::TooManyInboundRequests(peer) => return about("too-many-inbound-requests", peer),
            Event::ResumeSending(peer) => return about("resume-sending", peer),
        };
        report(&event);
        let RequestResponseEvent::Message { message, .. } = event else {
            return;
        };
        if let RequestResponseMessage::Request {
            request_id,
            request,
            channel,
        } = message
        {
            let response = request; // an echo
            if self.hold {
                self.held.insert(number(request_id), (channel, response));
            } else {
                // A channel that is closed is reported by an event.
                let _ = self.swarm.behaviour_mut().send_response(channel, response);
            }
        }
    }
}

fn report<C>(reported: &RequestResponseEvent<String, String, C>) {
    let (peer, mut line) = match reported {
        RequestResponseEvent::Message { peer, message } => (peer, describe(message)),
        RequestResponseEvent::ResponseSent { peer, request_id } => {
            (peer, request_event("response-sent", request_id))
        }
        RequestResponseEvent::InboundFailure {
            peer,
            request_id,
            error,
        } => (peer, failure_event("inbound-failure", request_id, error)),
        RequestResponseEvent::OutboundFailure {
            peer,
            request_id,
            error,
        } => (peer, failure_event("outbound-failure", request_id, error)),
    };
    line["protocol"] = json!("ping");
    line["peer"] = json!(peer.to_string());
    event(&line);
}

fn describe<C>(message: &RequestResponseMessage<String, String, C>) -> Value {
    let (name, id, text) = match message {
        RequestResponseMessage::Request {
            request_id,
            request,
            ..
        } => ("request", request_id, request),
        RequestResponseMessage::Response {
            request_id,
            response,
        } => ("response", request_id, response),
    };
    let mut event = request_event(name, id);
    event["message"] = json!({ "text": text });
    event
}

fn about(name: &str, peer: PeerId) {
    event(&json!({ "event": name, "peer": peer.to_string() }));
}
