//! The peer: it hands commands and events to the protocols, and sees to connections itself.

use std::collections::{HashMap, HashSet};

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol as Part;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm};
use rustpeer_line::{Answer, answer, event};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bench::{Bench, Task};
use crate::protocols::{Cbor, Json, OneWay, Raw, Versions};
use crate::service::{Action, Service};
use crate::{Behaviours, BehavioursEvent, Options};

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
        peer: PeerId,
    },
    Send {
        protocol: String,
        peer: PeerId,
        #[serde(default)]
        addrs: Vec<Multiaddr>,
        request: Value,
    },
    Answer {
        protocol: String,
        request: u64,
    },
    Drop {
        protocol: String,
        request: u64,
    },
    Measure(Task),
}

pub struct Peer {
    pub swarm: Swarm<Behaviours>,
    cbor: Service<Cbor>,
    json: Service<Json>,
    bytes: Service<Raw>,
    oneway: Service<OneWay>,
    versions: Service<Versions>,
    bench: Option<Bench>,
    /// The commands that wait for a listener or a connection.
    listening: HashMap<ListenerId, u64>,
    dialing: HashMap<ConnectionId, u64>,
}

impl Peer {
    pub fn new(swarm: Swarm<Behaviours>, options: &Options) -> Result<Self, String> {
        let mut known = HashSet::new();
        let peer = Self {
            swarm,
            cbor: Service::new(options, &mut known),
            json: Service::new(options, &mut known),
            bytes: Service::new(options, &mut known),
            oneway: Service::new(options, &mut known),
            versions: Service::new(options, &mut known),
            bench: None,
            listening: HashMap::new(),
            dialing: HashMap::new(),
        };
        match options
            .hold
            .iter()
            .find(|name| !known.contains(name.as_str()))
        {
            Some(name) => Err(format!("hold: no protocol {name}")),
            None => Ok(peer),
        }
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
            Command::Dial { addr } => {
                let options = DialOpts::from(addr);
                let connection = options.connection_id();
                self.swarm
                    .dial(options)
                    .map_err(|e| e.to_string())
                    .map(|()| {
                        self.dialing.insert(connection, number);
                        None
                    })
            }
            Command::Disconnect { peer } => match self.swarm.disconnect_peer_id(peer) {
                Ok(()) => Ok(Some(Value::Null)),
                Err(()) => Err(format!("not connected to {peer}")),
            },
            Command::Send {
                protocol,
                peer,
                addrs,
                request,
            } => self
                .act(
                    &protocol,
                    Action::Send {
                        peer,
                        addrs,
                        request,
                    },
                )
                .map(Some),
            Command::Answer { protocol, request } => {
                self.act(&protocol, Action::Answer { request }).map(Some)
            }
            Command::Drop { protocol, request } => {
                self.act(&protocol, Action::Drop { request }).map(Some)
            }
            Command::Measure(task) => self.start_bench(number, task).map(|()| None),
        };
        if let Some(now) = result.transpose() {
            answer(number, now);
        }
    }

    fn act(&mut self, protocol: &str, action: Action) -> Answer {
        let behaviours = self.swarm.behaviour_mut();
        match protocol {
            "cbor" => self.cbor.act(&mut behaviours.cbor, action),
            "json" => self.json.act(&mut behaviours.json, action),
            "bytes" => self.bytes.act(&mut behaviours.bytes, action),
            "oneway" => self.oneway.act(&mut behaviours.oneway, action),
            "versions" => self.versions.act(&mut behaviours.versions, action),
            _ => Err(format!("no protocol {protocol}")),
        }
    }

    fn start_bench(&mut self, number: u64, task: Task) -> Result<(), String> {
        if self.bench.is_some() {
            return Err("a measurement is under way".to_string());
        }
        if !self.swarm.is_connected(&task.peer) {
            return Err(format!("not connected to {}", task.peer));
        }
        self.bench = Some(Bench::start(
            number,
            task,
            &mut self.swarm.behaviour_mut().bytes,
        )?);
        Ok(())
    }

    pub fn on_event(&mut self, swarm_event: SwarmEvent<BehavioursEvent>) {
        match swarm_event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                if let Some(number) = self.listening.remove(&listener_id) {
                    let address = address.with(Part::P2p(*self.swarm.local_peer_id()));
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
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } => {
                if let Some(number) = self.dialing.remove(&connection_id) {
                    answer(number, Ok(json!({ "peer": peer_id.to_string() })));
                }
                connection("connected", peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                if let Some(number) = self.dialing.remove(&connection_id) {
                    answer(number, Err(error.to_string()));
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => {
                connection("disconnected", peer_id, connection_id);
            }
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehavioursEvent) {
        let behaviours = self.swarm.behaviour_mut();
        match event {
            BehavioursEvent::Cbor(event) => self.cbor.on_event(&mut behaviours.cbor, event),
            BehavioursEvent::Json(event) => self.json.on_event(&mut behaviours.json, event),
            BehavioursEvent::Oneway(event) => self.oneway.on_event(&mut behaviours.oneway, event),
            BehavioursEvent::Versions(event) => {
                self.versions.on_event(&mut behaviours.versions, event)
            }
            BehavioursEvent::Bytes(event) => {
                let result = self
                    .bench
                    .as_mut()
                    .and_then(|bench| bench.on_event(&mut behaviours.bytes, &event));
                if let Some((number, result)) = result {
                    answer(number, result);
                    self.bench = None;
                }
                self.bytes.on_event(&mut behaviours.bytes, event);
            }
        }
    }
}

fn connection(name: &str, peer: PeerId, id: ConnectionId) {
    event(&json!({ "event": name, "peer": peer.to_string(), "connection": id.to_string() }));
}
