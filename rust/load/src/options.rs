//! The command line.

use std::net::SocketAddrV4;
use std::path::PathBuf;

/// How it is called.
pub const USAGE: &str = "usage: load send|storm|churn ADDRESS:PORT RECORDING [--connections N] [--records N] [--rate N]
            [--senders N] [--first-device N] [--warm-up SECONDS] [--seconds SECONDS]

send   --connections devices log in, then send frames of --records records: each when its last one is answered,
       or with --rate as many a second, of all together
storm  --senders devices send at --rate while --connections others log in at once
churn  --connections devices connect, send frames or rubbish and go away, --rate of them a second

Prints a line of JSON after each part (log in, warm up, measure), and waits for a line on standard input before the
next one.";

/// What the devices do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Send frames.
    Send,
    /// Log in while others send.
    Storm,
    /// Come and go.
    Churn,
}

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    /// What the devices do.
    pub mode: Mode,
    /// Where the server listens.
    pub target: SocketAddrV4,
    /// Frames in hex, one a line.
    pub recording: PathBuf,
    /// Devices.
    pub connections: usize,
    /// Records a frame.
    pub records: u8,
    /// Frames or lives a second.
    pub rate: Option<u32>,
    /// Devices that send while the others log in.
    pub senders: usize,
    /// What is added to the devices' numbers, of which their IMEIs are made.
    pub first_device: usize,
    /// Length of the part before the one that counts.
    pub warm_up_us: u64,
    /// Length of the part that counts.
    pub measured_us: u64,
}

impl Options {
    /// None if the words are not as in [`USAGE`].
    pub fn parse(words: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut words = words.into_iter();
        let mode = match words.next()?.as_str() {
            "send" => Mode::Send,
            "storm" => Mode::Storm,
            "churn" => Mode::Churn,
            _ => return None,
        };
        let mut options = Self {
            mode,
            target: words.next()?.parse().ok()?,
            recording: words.next()?.into(),
            connections: 1000,
            records: 5,
            rate: None,
            senders: 200,
            first_device: 0,
            warm_up_us: 1_000_000,
            measured_us: 5_000_000,
        };
        while let Some(name) = words.next() {
            let value = words.next()?;
            match name.as_str() {
                "--connections" => options.connections = value.parse().ok()?,
                "--records" => options.records = value.parse().ok().filter(|records| *records > 0)?,
                "--rate" => options.rate = Some(value.parse().ok().filter(|rate| *rate > 0)?),
                "--senders" => options.senders = value.parse().ok()?,
                "--first-device" => options.first_device = value.parse().ok()?,
                "--warm-up" => options.warm_up_us = seconds(&value)?,
                "--seconds" => options.measured_us = seconds(&value)?,
                _ => return None,
            }
        }
        Some(options)
    }
}

/// In microseconds.
fn seconds(text: &str) -> Option<u64> {
    let seconds = std::time::Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    u64::try_from(seconds.as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_follow_mode_target_and_recording() {
        let options = parse("send 127.0.0.1:5027 drive.hex --rate 500 --warm-up 0.25 --records 25").unwrap();
        assert_eq!((options.mode, options.rate, options.records), (Mode::Send, Some(500), 25));
        assert_eq!((options.warm_up_us, options.measured_us), (250_000, 5_000_000));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "send",
            "rest 127.0.0.1:1 x",
            "send nowhere x",
            "send 127.0.0.1:1 x --rate",
            "send 127.0.0.1:1 x --records 0",
        ] {
            assert!(parse(line).is_none(), "{line}");
        }
    }
}
