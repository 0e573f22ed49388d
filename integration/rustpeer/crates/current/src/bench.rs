//! Measuring: a number of equal requests, of which some are always under way.

use std::time::Instant;

use libp2p::PeerId;
use libp2p::request_response::{Behaviour, Event, Message};
use rustpeer_line::Answer;
use serde::Deserialize;
use serde_json::json;

use crate::frames::{Bytes, BytesCodec};
use crate::protocols::Sizes;

/// What to measure.
#[derive(Deserialize)]
pub struct Task {
    pub peer: PeerId,
    requests: u64,
    concurrent: u64,
    sizes: Sizes,
}

/// A measurement under way.
pub struct Bench {
    command: u64,
    task: Task,
    start: Instant,
    sent: u64,
    answered: u64,
    bytes: u64,
}

impl Bench {
    pub fn start(
        command: u64,
        task: Task,
        behaviour: &mut Behaviour<BytesCodec>,
    ) -> Result<Self, String> {
        if task.requests == 0 || task.concurrent == 0 {
            return Err("requests and concurrent must not be zero".to_string());
        }
        let mut bench = Self {
            command,
            task,
            start: Instant::now(),
            sent: 0,
            answered: 0,
            bytes: 0,
        };
        while bench.sent < bench.task.requests.min(bench.task.concurrent) {
            bench.send(behaviour)?;
        }
        Ok(bench)
    }

    fn send(&mut self, behaviour: &mut Behaviour<BytesCodec>) -> Result<(), String> {
        let request = self.task.sizes.request()?;
        behaviour.send_request(&self.task.peer, request);
        self.sent += 1;
        Ok(())
    }

    /// Returns the result once there is one.
    pub fn on_event(
        &mut self,
        behaviour: &mut Behaviour<BytesCodec>,
        event: &Event<Bytes, Bytes>,
    ) -> Option<(u64, Answer)> {
        let failure = match event {
            Event::Message {
                message: Message::Response { response, .. },
                ..
            } => self.on_response(behaviour, response),
            Event::OutboundFailure { error, .. } => Err(format!(
                "request {} of {}: {error}",
                self.answered, self.task.requests
            )),
            _ => return None,
        };
        match failure {
            Err(error) => Some((self.command, Err(error))),
            Ok(()) if self.answered < self.task.requests => None,
            Ok(()) => {
                let seconds = self.start.elapsed().as_secs_f64();
                let value =
                    json!({ "seconds": seconds, "requests": self.answered, "bytes": self.bytes });
                Some((self.command, Ok(value)))
            }
        }
    }

    fn on_response(
        &mut self,
        behaviour: &mut Behaviour<BytesCodec>,
        response: &Bytes,
    ) -> Result<(), String> {
        if response.len() as u64 != self.task.sizes.response {
            return Err(format!(
                "response of {} bytes, asked for {}",
                response.len(),
                self.task.sizes.response
            ));
        }
        self.answered += 1;
        self.bytes += response.len() as u64;
        if self.sent < self.task.requests {
            self.send(behaviour)?;
        }
        Ok(())
    }
}
