//! The codecs whose messages are a length as an unsigned varint, then that many bytes.

use std::borrow::Cow;
use std::io;
use std::sync::OnceLock;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;
use unsigned_varint::io::ReadError;

/// The largest message, in bytes.
pub const MAX: usize = 16 << 20;

/// A message, or a part of the pattern.
pub type Bytes = Cow<'static, [u8]>;

/// The first bytes of the pattern that all messages are made of: byte n is n modulo 251.
pub fn pattern(size: usize) -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    &PATTERN.get_or_init(|| (0..MAX).map(|n| (n % 251) as u8).collect())[..size]
}

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let size = unsigned_varint::aio::read_usize(&mut *io)
        .await
        .map_err(|error| match error {
            ReadError::Io(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
    if size > MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{size} bytes, the limit is {MAX}"),
        ));
    }
    let mut message = vec![0; size];
    io.read_exact(&mut message).await?;
    Ok(message)
}

/// Small messages are one write, large ones are not copied.
async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, message: &[u8]) -> io::Result<()> {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    let prefix = unsigned_varint::encode::usize(message.len(), &mut buffer);
    if message.len() < 16 << 10 {
        return io.write_all(&[prefix, message].concat()).await;
    }
    io.write_all(prefix).await?;
    io.write_all(message).await
}

/// Requests and responses are bytes.
#[derive(Clone, Default)]
pub struct BytesCodec;

impl Codec for BytesCodec {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await.map(Cow::Owned)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Bytes>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await.map(Cow::Owned)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Bytes,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response).await
    }
}

/// Requests are bytes, and nothing is ever written in response.
#[derive(Clone, Default)]
pub struct OneWayCodec;

impl Codec for OneWayCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = ();

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<()>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(())
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, _: &mut T, (): ()) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Ok(())
    }
}

/// A message and the protocol that was negotiated for it, which is not on the wire.
#[derive(Debug)]
pub struct Versioned {
    pub message: Vec<u8>,
    pub protocol: Option<StreamProtocol>,
}

/// Requests and responses are bytes that remember by which protocol they came.
#[derive(Clone, Default)]
pub struct VersionedCodec;

impl Codec for VersionedCodec {
    type Protocol = StreamProtocol;
    type Request = Versioned;
    type Response = Versioned;

    async fn read_request<T>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Versioned>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(Versioned {
            message: read(io).await?,
            protocol: Some(protocol.clone()),
        })
    }

    async fn read_response<T>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Versioned>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read_request(protocol, io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Versioned,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request.message).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Versioned,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response.message).await
    }
}
