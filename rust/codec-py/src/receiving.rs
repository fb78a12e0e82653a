//! Reading from a socket without blocking.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use pyo3::prelude::*;

/// What is received at once at most.
const RECEIVED_BYTES_MAX: usize = 64 * 1024;

/// What a thread receives into, and what it writes commands into; a session keeps neither.
pub(crate) struct Scratch {
    room: Box<[u8]>,
    pub(crate) commands: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { room: vec![0; RECEIVED_BYTES_MAX].into(), commands: Vec::new() }
    }
}

thread_local! {
    /// Taken while it is used, so that a call from within a call finds none and makes its own.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Lends the thread's scratch, without commands in it.
pub(crate) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    let mut scratch = SCRATCH.take().unwrap_or_default();
    scratch.commands.clear();
    let result = work(&mut scratch);
    SCRATCH.set(Some(scratch));
    result
}

/// A socket's descriptor.
pub(crate) fn descriptor_of(socket: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    socket.call_method0("fileno")?.extract()
}

/// Bytes that came, and room for commands.
pub(crate) type Received<'a> = (&'a [u8], &'a mut Vec<u8>);

impl Scratch {
    /// Receives at most `bytes_max` bytes; none at the end; None if nothing is there yet.
    pub(crate) fn receive(&mut self, descriptor: RawFd, bytes_max: usize) -> io::Result<Option<Received<'_>>> {
        let room_bytes = bytes_max.min(self.room.len());
        let room = self.room.get_mut(..room_bytes).unwrap_or_default();
        match recv(descriptor, room, MsgFlags::MSG_DONTWAIT) {
            Ok(count) => Ok(Some((room.get(..count).unwrap_or_default(), &mut self.commands))),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
