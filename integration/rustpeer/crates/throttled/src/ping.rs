//! The protocol /reqresp-test/ping/1: texts, each a length as an unsigned varint, then that many bytes.

use std::io;

use async_trait::async_trait;
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::ProtocolName;
use libp2p::core::upgrade::{read_length_prefixed, write_length_prefixed};
use libp2p::request_response::RequestResponseCodec;

/// The largest message, in bytes.
const MAX: usize = 1 << 20;

#[derive(Clone)]
pub struct PingProtocol;

impl ProtocolName for PingProtocol {
    fn protocol_name(&self) -> &[u8] {
        b"/reqresp-test/ping/1"
    }
}

#[derive(Clone)]
pub struct PingCodec;

async fn read<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<String> {
    let message = read_length_prefixed(io, MAX).await?;
    String::from_utf8(message).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

#[async_trait]
impl RequestResponseCodec for PingCodec {
    type Protocol = PingProtocol;
    type Request = String;
    type Response = String;

    async fn read_request<T>(&mut self, _: &PingProtocol, io: &mut T) -> io::Result<String>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &PingProtocol, io: &mut T) -> io::Result<String>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &PingProtocol,
        io: &mut T,
        request: String,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_length_prefixed(io, request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &PingProtocol,
        io: &mut T,
        response: String,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_length_prefixed(io, response).await
    }
}
