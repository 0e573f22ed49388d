//! A peer on the throttled request-response behaviour of libp2p, driven by lines of JSON: see package rustpeer.

mod peer;
mod ping;

use std::error::Error;
use std::iter;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::{Transport, upgrade};
use libp2p::noise::{NoiseConfig, X25519Spec};
use libp2p::request_response::{ProtocolSupport, RequestResponse, RequestResponseConfig};
use libp2p::swarm::{Swarm, SwarmBuilder};
use libp2p::tcp::TokioTcpConfig;
use libp2p::yamux::YamuxConfig;
use libp2p::{PeerId, identity, noise};
use serde::Deserialize;
use serde_json::json;

use peer::{Peer, Ping};
use ping::{PingCodec, PingProtocol};

/// What the test chose at start.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The identity: peers with equal seeds have equal identities, and zero means a random one.
    seed: u8,
    /// How long a request may take, in milliseconds.
    timeout_ms: u64,
    /// The protocols whose requests wait for a command. There is only ping.
    hold: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            timeout_ms: 10_000,
            hold: Vec::new(),
        }
    }
}

fn swarm(options: &Options) -> Result<Swarm<Ping>, Box<dyn Error>> {
    let key = match options.seed {
        0 => identity::ed25519::Keypair::generate(),
        seed => identity::ed25519::SecretKey::from_bytes([seed; 32])?.into(),
    };
    let key = identity::Keypair::Ed25519(key);
    let noise_key = noise::Keypair::<X25519Spec>::new().into_authentic(&key)?;
    let transport = TokioTcpConfig::new()
        .nodelay(true)
        .upgrade(upgrade::Version::V1)
        .authenticate(NoiseConfig::xx(noise_key).into_authenticated())
        .multiplex(YamuxConfig::default())
        .boxed();
    let mut config = RequestResponseConfig::default();
    config.set_request_timeout(Duration::from_millis(options.timeout_ms));
    config.set_connection_keep_alive(Duration::from_secs(3600)); // a test decides when a connection ends
    let protocols = iter::once((PingProtocol, ProtocolSupport::Full));
    let behaviour = RequestResponse::throttled(PingCodec, protocols, config);
    let spawn = |future| {
        tokio::spawn(future);
    };
    Ok(
        SwarmBuilder::new(transport, behaviour, PeerId::from(key.public()))
            .executor(Box::new(spawn))
            .build(),
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options: Options = rustpeer_line::options()?;
    let mut commands = rustpeer_line::commands();
    let mut peer = Peer::new(swarm(&options)?, &options)?;
    rustpeer_line::event(
        &json!({ "event": "started", "peer": peer.swarm.local_peer_id().to_string() }),
    );
    loop {
        tokio::select! {
            command = commands.next() => match command {
                Some((number, command)) => peer.on_command(number, command),
                None => return Ok(()), // who started this peer is gone
            },
            event = peer.swarm.select_next_some() => peer.on_event(event),
        }
    }
}
