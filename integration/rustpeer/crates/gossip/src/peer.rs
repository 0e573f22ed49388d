//! The peer: it carries out commands, reports what it sees of others, and leaves those that do not support
//! gossipsub.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::Event;
use libp2p::multiaddr::Protocol as Part;
use libp2p::request_response::{self, Message};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm};
use rustpeer_line::{answer, event};
use serde::Deserialize;
use serde_json::json;

use crate::{Behaviours, BehavioursEvent};

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Command {
    Listen { addr: Multiaddr },
    Dial { addr: Multiaddr },
}

type Connection = (PeerId, ConnectionId);

pub struct Peer {
    pub swarm: Swarm<Behaviours>,
    /// The connections that are a minute old when their future is ready.
    pub minutes: FuturesUnordered<BoxFuture<'static, Connection>>,
    open: HashSet<ConnectionId>,
    /// The commands that wait for a listener or a connection.
    listening: HashMap<ListenerId, u64>,
    dialing: HashMap<ConnectionId, u64>,
}

impl Peer {
    pub fn new(swarm: Swarm<Behaviours>) -> Self {
        Self {
            swarm,
            minutes: FuturesUnordered::new(),
            open: HashSet::new(),
            listening: HashMap::new(),
            dialing: HashMap::new(),
        }
    }

    /// Begins to carry out a command, which an event answers.
    pub fn on_command(&mut self, number: u64, command: Command) {
        let begun = match command {
            Command::Listen { addr } => self
                .swarm
                .listen_on(addr)
                .map(|listener| {
                    self.listening.insert(listener, number);
                })
                .map_err(|e| e.to_string()),
            Command::Dial { addr } => {
                let options = DialOpts::from(addr);
                self.dialing.insert(options.connection_id(), number);
                self.swarm.dial(options).map_err(|e| e.to_string())
            }
        };
        if let Err(error) = begun {
            answer(number, Err(error));
        }
    }

    /// Reports a connection that has been open for a minute.
    pub fn on_minute(&mut self, (peer, id): Connection) {
        if self.open.contains(&id) {
            connection("kept", peer, id);
        }
    }

    pub fn on_event(&mut self, swarm_event: SwarmEvent<BehavioursEvent>) {
        match swarm_event {
            SwarmEvent::Behaviour(BehavioursEvent::Gossipsub(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehavioursEvent::Echo(request_response::Event::Message {
                message:
                    Message::Request {
                        request, channel, ..
                    },
                ..
            })) => {
                // A channel that is closed has nobody who waits.
                let _ = self
                    .swarm
                    .behaviour_mut()
                    .echo
                    .send_response(channel, request);
            }
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
                self.open.insert(connection_id);
                self.minutes.push(
                    tokio::time::sleep(Duration::from_secs(60))
                        .map(move |()| (peer_id, connection_id))
                        .boxed(),
                );
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
                self.open.remove(&connection_id);
                connection("disconnected", peer_id, connection_id);
            }
            _ => {}
        }
    }

    fn on_gossip(&mut self, gossip: Event) {
        match gossip {
            Event::GossipsubNotSupported { peer_id } => {
                event(&json!({ "event": "gossipsub-not-supported", "peer": peer_id.to_string() }));
                // Connections that are gone already are as good.
                let _ = self.swarm.disconnect_peer_id(peer_id);
            }
            Event::Subscribed { peer_id, topic, .. } => {
                event(
                    &json!({ "event": "subscribed", "peer": peer_id.to_string(), "topic": topic.to_string() }),
                );
            }
            Event::SlowPeer { peer_id, .. } => {
                event(&json!({ "event": "slow-peer", "peer": peer_id.to_string() }));
            }
            _ => {}
        }
    }
}

fn connection(name: &str, peer: PeerId, id: ConnectionId) {
    event(&json!({ "event": name, "peer": peer.to_string(), "connection": id.to_string() }));
}
