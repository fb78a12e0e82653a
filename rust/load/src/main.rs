//! Plays thousands of Teltonika devices from one thread, and measures how fast a server answers.
//!
//! Every answer is compared with what was sent. What was answered is printed, so that whoever runs it can compare it with
//! what the server has stored.
#![forbid(unsafe_code)]

mod churn;
mod clock;
mod device;
mod fleet;
mod frames;
mod logins;
mod options;
mod sending;
mod storm;
mod tally;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;

use churn::Churn;
use clock::Clock;
use fleet::Fleet;
use frames::Frame;
use logins::{DIALS_MAX, Logins};
use options::{Mode, Options, USAGE};
use sending::Sending;
use storm::Storm;
use tally::Tally;

/// A storm's logins that are under way: as many as a listen queue of 4,096 holds.
const STORM_DIALS_MAX: usize = 4000;

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        return fail(USAGE);
    };
    let recording = match std::fs::read_to_string(&options.recording) {
        Ok(text) => text,
        Err(error) => return fail(&format!("load: {}: {error}", options.recording.display())),
    };
    let Some(frames) = frames::from_recording(&recording, options.records) else {
        return fail("load: the recording has too few records for a frame");
    };
    match (Run { options, frames: frames.into(), clock: Clock::start() }).carry_out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("load: {error}")),
    }
}

fn fail(message: &str) -> ExitCode {
    // Where standard error is closed, the exit code has to do.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::FAILURE
}

struct Run {
    options: Options,
    frames: Rc<[Frame]>,
    clock: Clock,
}

impl Run {
    fn carry_out(&self) -> io::Result<()> {
        let Options { mode, target, connections, senders, warm_up_us, measured_us, .. } = self.options;
        let mut fleet = Fleet::new(self.clock, target, connections.saturating_add(senders))?;
        match mode {
            Mode::Send => {
                self.log_in(&mut fleet, connections)?;
                self.send(&mut fleet, "warm_up", connections, warm_up_us)?;
                self.send(&mut fleet, "measured", connections, measured_us)
            }
            Mode::Storm => {
                self.log_in(&mut fleet, senders)?;
                self.send(&mut fleet, "warm_up", senders, warm_up_us)?;
                self.storm(&mut fleet)
            }
            Mode::Churn => {
                self.churn(&mut fleet, "warm_up", warm_up_us)?;
                self.churn(&mut fleet, "measured", measured_us)
            }
        }
    }

    fn log_in(&self, fleet: &mut Fleet, connections: usize) -> io::Result<()> {
        let mut logins = Logins::new(0, connections, DIALS_MAX, self.options.first_device, self.clock.now_us());
        fleet.run(&mut logins)?;
        report("logins", logins.tally)?;
        wait_for_a_line()
    }

    fn send(&self, fleet: &mut Fleet, part: &str, devices: usize, length_us: u64) -> io::Result<()> {
        let now_us = self.clock.now_us();
        let end_us = now_us.saturating_add(length_us);
        let mut sending = Sending::new(Rc::clone(&self.frames), devices, self.options.rate, now_us, end_us);
        fleet.run(&mut sending)?;
        report(part, sending.into_tally())?;
        wait_for_a_line()
    }

    fn storm(&self, fleet: &mut Fleet) -> io::Result<()> {
        let Options { senders, connections, rate, first_device, .. } = self.options;
        let now_us = self.clock.now_us();
        let mut storm = Storm {
            sending: Sending::new(Rc::clone(&self.frames), senders, rate, now_us, u64::MAX),
            logins: Logins::new(senders, senders.saturating_add(connections), STORM_DIALS_MAX, first_device, now_us),
            senders,
        };
        fleet.run(&mut storm)?;
        report("measured", storm.sending.into_tally())?;
        report("storm", storm.logins.tally)?;
        wait_for_a_line()
    }

    fn churn(&self, fleet: &mut Fleet, part: &str, length_us: u64) -> io::Result<()> {
        let Options { connections, rate, first_device, .. } = self.options;
        let now_us = self.clock.now_us();
        let end_us = now_us.saturating_add(length_us);
        let mut churn =
            Churn::new(Rc::clone(&self.frames), connections, rate.unwrap_or(100), first_device, now_us, end_us);
        fleet.run(&mut churn)?;
        report(part, churn.into_tally())?;
        wait_for_a_line()
    }
}

fn report(part: &str, tally: Tally) -> io::Result<()> {
    let tally: &dyn Display = &tally.report();
    writeln!(io::stdout(), r#"{{"part":"{part}","tally":{tally}}}"#)
}

/// Devices stay connected meanwhile. Whoever runs this program has gone when standard input ends.
fn wait_for_a_line() -> io::Result<()> {
    match io::stdin().read_line(&mut String::new())? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "standard input has ended")),
        _ => Ok(()),
    }
}
