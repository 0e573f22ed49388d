//! What a consensus client has to answer to be kept: status and ping. A peer that agrees to all that it is told echoes
//! the request after a result code of success.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::{Behaviour, Codec, Config, ProtocolSupport};

/// The protocols that are answered.
const PROTOCOLS: [&str; 2] = [
    "/eth2/beacon_chain/req/status/1/ssz_snappy",
    "/eth2/beacon_chain/req/ping/1/ssz_snappy",
];

/// The largest request, in bytes.
const MAX: u64 = 1 << 10;

pub fn behaviour() -> Behaviour<EchoCodec> {
    let protocols = PROTOCOLS.map(|id| (StreamProtocol::new(id), ProtocolSupport::Inbound));
    Behaviour::new(protocols, Config::default())
}

/// Requests and responses are all the bytes of a stream. None is sent.
#[derive(Clone, Default)]
pub struct EchoCodec;

impl Codec for EchoCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut request = Vec::new();
        io.take(MAX).read_to_end(&mut request).await?;
        Ok(request)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&[0]).await?;
        io.write_all(&response).await
    }
}
