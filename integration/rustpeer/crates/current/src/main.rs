//! A peer on the request-response behaviours of libp2p, driven by lines of JSON: see package rustpeer.

mod bench;
mod frames;
mod peer;
mod protocols;
mod service;

use std::error::Error;
use std::time::Duration;

use futures::StreamExt;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, identity, noise, tcp, yamux};
use serde::Deserialize;
use serde_json::json;

use peer::Peer;
use protocols::{Cbor, Json, OneWay, Protocol, Raw, Versions};

type Failure = Box<dyn Error + Send + Sync>;

/// What the test chose at start.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The identity: peers with equal seeds have equal identities, and zero means a random one.
    seed: u8,
    /// How long a request may take, in milliseconds.
    timeout_ms: u64,
    /// How many requests may be under way on a connection.
    max_streams: usize,
    /// The protocol IDs of the protocol versions, most preferred first.
    versions: Vec<String>,
    /// The protocols whose requests wait for a command.
    hold: Vec<String>,
    /// Whether the events of requests are left out.
    quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            timeout_ms: 10_000,
            max_streams: 100,
            versions: vec![
                "/reqresp-test/versions/2".into(),
                "/reqresp-test/versions/1".into(),
            ],
            hold: Vec::new(),
            quiet: false,
        }
    }
}

#[derive(NetworkBehaviour)]
struct Behaviours {
    cbor: request_response::Behaviour<<Cbor as Protocol>::Codec>,
    json: request_response::Behaviour<<Json as Protocol>::Codec>,
    bytes: request_response::Behaviour<<Raw as Protocol>::Codec>,
    oneway: request_response::Behaviour<<OneWay as Protocol>::Codec>,
    versions: request_response::Behaviour<<Versions as Protocol>::Codec>,
}

impl Behaviours {
    fn new(options: &Options) -> Result<Self, Failure> {
        let config = request_response::Config::default()
            .with_request_timeout(Duration::from_millis(options.timeout_ms))
            .with_max_concurrent_streams(options.max_streams);
        let full = |protocol| [(StreamProtocol::new(protocol), ProtocolSupport::Full)];
        let mut versions = Vec::new();
        for id in &options.versions {
            versions.push((
                StreamProtocol::try_from_owned(id.clone())?,
                ProtocolSupport::Full,
            ));
        }
        Ok(Self {
            cbor: request_response::Behaviour::new(full("/reqresp-test/cbor/1"), config.clone()),
            json: request_response::Behaviour::new(full("/reqresp-test/json/1"), config.clone()),
            bytes: request_response::Behaviour::new(full("/reqresp-test/bytes/1"), config.clone()),
            oneway: request_response::Behaviour::new(
                full("/reqresp-test/oneway/1"),
                config.clone(),
            ),
            versions: request_response::Behaviour::new(versions, config),
        })
    }
}

fn swarm(options: &Options) -> Result<Swarm<Behaviours>, Failure> {
    let key = match options.seed {
        0 => identity::Keypair::generate_ed25519(),
        seed => identity::Keypair::ed25519_from_bytes([seed; 32])?,
    };
    let behaviours = Behaviours::new(options)?;
    Ok(SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_quic()
        .with_behaviour(|_| behaviours)?
        // A test decides when a connection ends.
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3600)))
        .build())
}

/// The peer is a task of its own: on the runtime's threads it is woken faster than on the main thread.
#[tokio::main]
async fn main() -> Result<(), Failure> {
    tokio::spawn(run()).await?
}

async fn run() -> Result<(), Failure> {
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
