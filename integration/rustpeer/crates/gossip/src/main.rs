//! A peer on the gossipsub behaviour of libp2p, which leaves whoever does not support it: see package rustpeer.

mod echo;
mod peer;

use std::error::Error;
use std::time::Duration;

use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Swarm, SwarmBuilder, identify, identity, noise, request_response, tcp, yamux};
use serde::Deserialize;
use serde_json::json;

use echo::EchoCodec;
use peer::Peer;

type Failure = Box<dyn Error + Send + Sync>;

/// What the test chose at start.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub struct Options {
    /// The identity: peers with equal seeds have equal identities, and zero means a random one.
    seed: u8,
}

#[derive(NetworkBehaviour)]
struct Behaviours {
    gossipsub: gossipsub::Behaviour,
    identify: identify::Behaviour,
    echo: request_response::Behaviour<EchoCodec>,
}

/// How many topics the peer is subscribed to: as many as there are attestation subnets.
const TOPICS: usize = 64;

impl Behaviours {
    fn new(key: &identity::Keypair) -> Result<Self, Failure> {
        // Messages of the consensus layer have neither author nor signature.
        let config = gossipsub::ConfigBuilder::default()
            .validation_mode(ValidationMode::Anonymous)
            .build()?;
        let mut gossipsub = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config)?;
        for n in 0..TOPICS {
            let topic =
                IdentTopic::new(format!("/eth2/00000000/beacon_attestation_{n}/ssz_snappy"));
            gossipsub.subscribe(&topic)?;
        }
        let identify =
            identify::Behaviour::new(identify::Config::new("/reqresp-test".into(), key.public()));
        Ok(Self {
            gossipsub,
            identify,
            echo: echo::behaviour(),
        })
    }
}

fn swarm(options: &Options) -> Result<Swarm<Behaviours>, Failure> {
    let key = match options.seed {
        0 => identity::Keypair::generate_ed25519(),
        seed => identity::Keypair::ed25519_from_bytes([seed; 32])?,
    };
    let behaviours = Behaviours::new(&key)?;
    Ok(SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|_| behaviours)?
        // A test decides when a connection ends.
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options: Options = rustpeer_line::options()?;
    let mut commands = rustpeer_line::commands();
    let mut peer = Peer::new(swarm(&options)?);
    rustpeer_line::event(
        &json!({ "event": "started", "peer": peer.swarm.local_peer_id().to_string() }),
    );
    loop {
        tokio::select! {
            command = commands.next() => match command {
                Some((number, command)) => peer.on_command(number, command),
                None => return Ok(()), // who started this peer is gone
            },
            Some(connection) = peer.minutes.next() => peer.on_minute(connection),
            event = peer.swarm.select_next_some() => peer.on_event(event),
        }
    }
}
