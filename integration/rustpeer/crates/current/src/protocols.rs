//! The five protocols that a test can use, each in both directions.

use std::borrow::Cow;
use std::marker::PhantomData;

use libp2p::request_response::{Codec, cbor, json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::frames::{self, Bytes, BytesCodec, OneWayCodec, Versioned, VersionedCodec};

/// A protocol: how a test writes down its messages, and what it answers.
pub trait Protocol {
    const NAME: &'static str;
    type Codec: Codec<Request: 'static, Response: 'static> + Clone + Send + 'static;

    fn request(value: Value) -> Result<Request<Self>, String>;
    fn answer(request: &Request<Self>) -> Response<Self>;
    fn show_request(request: &Request<Self>) -> Value;
    fn show_response(response: &Response<Self>) -> Value;
}

pub type Request<P> = <<P as Protocol>::Codec as Codec>::Request;
pub type Response<P> = <<P as Protocol>::Codec as Codec>::Response;

/// A request of the protocols cbor and json, with a field of every kind that is laid out in a way of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    text: String,
    number: u64,
    bytes: Vec<u8>,
    note: Option<String>,
    variant: Variant,
    ratio: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Variant {
    Nothing,
    Count(i64),
    Pair(u8, String),
    Point { x: i32, y: i32 },
}

/// A response of the protocols cbor and json.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// The request.
    message: Message,
    /// The sum of its bytes.
    sum: u64,
}

fn parse<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|e| format!("request: {e}"))
}

/// A protocol of libp2p's own codecs, which lay out any type that serde knows.
pub struct Typed<C>(PhantomData<C>);

pub type Cbor = Typed<cbor::codec::Codec<Message, Reply>>;
pub type Json = Typed<json::codec::Codec<Message, Reply>>;

pub trait Named {
    const NAME: &'static str;
}

impl Named for cbor::codec::Codec<Message, Reply> {
    const NAME: &'static str = "cbor";
}

impl Named for json::codec::Codec<Message, Reply> {
    const NAME: &'static str = "json";
}

impl<C> Protocol for Typed<C>
where
    C: Named + Codec<Request = Message, Response = Reply> + Clone + Send + 'static,
{
    const NAME: &'static str = C::NAME;
    type Codec = C;

    fn request(value: Value) -> Result<Message, String> {
        parse(value)
    }
    fn answer(request: &Message) -> Reply {
        Reply {
            message: request.clone(),
            sum: request.bytes.iter().map(|b| u64::from(*b)).sum(),
        }
    }
    fn show_request(request: &Message) -> Value {
        json!(request)
    }
    fn show_response(response: &Reply) -> Value {
        json!(response)
    }
}

/// How many bytes a request of the protocol bytes has and asks for.
#[derive(Clone, Copy, Deserialize)]
pub struct Sizes {
    request: usize,
    pub response: u64,
}

impl Sizes {
    /// Makes a request: the size of the response, 8 bytes in big-endian order, then the pattern.
    pub fn request(self) -> Result<Bytes, String> {
        if !(8..=frames::MAX).contains(&self.request) {
            return Err(format!(
                "request of {} bytes, allowed are 8 to {}",
                self.request,
                frames::MAX
            ));
        }
        let mut request = Vec::with_capacity(self.request);
        request.extend_from_slice(&self.response.to_be_bytes());
        request.extend_from_slice(frames::pattern(self.request - 8));
        Ok(Cow::Owned(request))
    }
}

pub struct Raw;

impl Raw {
    /// Returns the size of the response that a request asks for, and the rest of the request.
    fn split(request: &[u8]) -> (u64, &[u8]) {
        match request.split_first_chunk() {
            Some((size, rest)) => (u64::from_be_bytes(*size), rest),
            None => (0, request),
        }
    }
}

impl Protocol for Raw {
    const NAME: &'static str = "bytes";
    type Codec = BytesCodec;

    fn request(value: Value) -> Result<Bytes, String> {
        parse::<Sizes>(value)?.request()
    }
    fn answer(request: &Bytes) -> Bytes {
        let (size, _) = Raw::split(request);
        Cow::Borrowed(frames::pattern(size.min(frames::MAX as u64) as usize))
    }
    fn show_request(request: &Bytes) -> Value {
        let (size, rest) = Raw::split(request);
        json!({ "request": request.len(), "response": size, "intact": rest == frames::pattern(rest.len()) })
    }
    fn show_response(response: &Bytes) -> Value {
        json!({ "response": response.len(), "intact": *response == frames::pattern(response.len()) })
    }
}

/// A message of the protocols oneway and versions, as a test writes and sees it.
#[derive(Deserialize)]
struct Text {
    text: String,
}

fn text(message: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(message)
}

pub struct OneWay;

impl Protocol for OneWay {
    const NAME: &'static str = "oneway";
    type Codec = OneWayCodec;

    fn request(value: Value) -> Result<Vec<u8>, String> {
        Ok(parse::<Text>(value)?.text.into_bytes())
    }
    fn answer(_: &Vec<u8>) {}
    fn show_request(request: &Vec<u8>) -> Value {
        json!({ "text": text(request) })
    }
    fn show_response((): &()) -> Value {
        Value::Null
    }
}

pub struct Versions;

impl Protocol for Versions {
    const NAME: &'static str = "versions";
    type Codec = VersionedCodec;

    fn request(value: Value) -> Result<Versioned, String> {
        Ok(Versioned {
            message: parse::<Text>(value)?.text.into_bytes(),
            protocol: None,
        })
    }
    fn answer(request: &Versioned) -> Versioned {
        Versioned {
            message: request.message.clone(),
            protocol: None,
        }
    }
    fn show_request(request: &Versioned) -> Value {
        json!({ "text": text(&request.message), "protocol": request.protocol.as_ref().map(|p| p.as_ref()) })
    }
    fn show_response(response: &Versioned) -> Value {
        Versions::show_request(response)
    }
}
