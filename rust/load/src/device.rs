//! One device's connection: sends something, and waits for one answer, the end, or nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;

/// What a device sends, and what has to come.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What is sent.
    pub bytes: Rc<[u8]>,
    /// What has to come.
    pub awaited: Awaited,
}

/// What has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// The answer to a login.
    Admission,
    /// The answer to a frame.
    Count(u8),
    /// The end of the connection, without a byte before it.
    End,
    /// Nothing: the exchange is over when all is sent.
    Nothing,
}

impl Awaited {
    fn is(self, received: &[u8]) -> bool {
        match self {
            Self::Admission => received == [1],
            Self::Count(records) => received == [0, 0, 0, records],
            Self::End | Self::Nothing => received.is_empty(),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Admission => 1,
            Self::Count(_) => 4,
            Self::End | Self::Nothing => 0,
        }
    }
}

/// What has become of an exchange, or of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The connection is there.
    Connected,
    /// What was awaited has come.
    Done,
    /// Something else has come.
    Wrong,
    /// The server has closed the connection.
    Ended,
    /// The connection was closed from here.
    HungUp,
}

/// A connection and the exchange on it.
#[derive(Debug)]
pub struct Device {
    socket: TcpStream,
    exchange: Option<Exchange>,
    sent: usize,
    received: Vec<u8>,
    connected: bool,
}

impl Device {
    /// On a socket that is still connecting, and does not block.
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, exchange: None, sent: 0, received: Vec::with_capacity(4), connected: false }
    }

    /// Where its events come from.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether it waits until it can send more, or is connected.
    pub fn wants_to_write(&self) -> bool {
        !self.connected || self.exchange.as_ref().is_some_and(|exchange| self.sent < exchange.bytes.len())
    }

    /// Begins to send.
    pub fn begin(&mut self, exchange: Exchange) -> Option<Outcome> {
        self.sent = 0;
        self.received.clear();
        self.exchange = Some(exchange);
        self.write()
    }

    /// Goes on after an event.
    pub fn go_on(&mut self) -> Option<Outcome> {
        if !self.connected {
            self.connected = true;
            let failed = !matches!(self.socket.take_error(), Ok(None));
            return Some(if failed { Outcome::Ended } else { Outcome::Connected });
        }
        if self.wants_to_write()
            && let Some(outcome) = self.write()
        {
            return Some(outcome);
        }
        self.read()
    }

    fn write(&mut self) -> Option<Outcome> {
        let exchange = self.exchange.as_ref()?;
        while let Some(rest) = exchange.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.socket.write(rest) {
                Ok(count) => self.sent = self.sent.saturating_add(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                // The end is read behind what may have come before it.
                Err(_) => return self.read().or(Some(Outcome::Ended)),
            }
        }
        (exchange.awaited == Awaited::Nothing).then_some(Outcome::Done)
    }

    fn read(&mut self) -> Option<Outcome> {
        let mut buffer = [0; 64];
        let awaited = self.exchange.as_ref().map(|exchange| exchange.awaited);
        match self.socket.read(&mut buffer) {
            Ok(count @ 1..) => {
                self.received.extend(buffer.iter().take(count));
                let awaited = awaited.unwrap_or(Awaited::Nothing);
                if self.received.len() < awaited.bytes() {
                    return None;
                }
                self.exchange = None;
                Some(if awaited.is(&self.received) { Outcome::Done } else { Outcome::Wrong })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Ok(_) | Err(_) => {
                let expected = awaited == Some(Awaited::End) && self.received.is_empty();
                Some(if expected { Outcome::Done } else { Outcome::Ended })
            }
        }
    }
}
