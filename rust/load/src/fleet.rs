//! Drives thousands of devices from one thread, as a plan says.

use std::io;
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, socket};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::clock::Clock;
use crate::device::{Device, Exchange, Outcome};

const EVENTS_MAX: usize = 1024;
const TIMER: u64 = u64::MAX;

/// What a device does next.
#[derive(Debug)]
pub enum Action {
    /// Connects.
    Dial,
    /// Sends, and waits for what has to come.
    Send(Exchange),
    /// Closes the connection.
    HangUp,
    /// Nothing.
    Rest,
}

/// What is to be done without a device's event.
#[derive(Debug)]
pub enum Due {
    /// Now, by this device; then ask again.
    Now(usize, Action),
    /// Nothing before this time, unless a device has an event.
    At(u64),
    /// Nothing any more.
    Over,
}

/// Decides what devices do.
pub trait Plan {
    /// What is due.
    fn due(&mut self, now_us: u64) -> Due;
    /// What the device does after this.
    fn react(&mut self, device: usize, outcome: Outcome, now_us: u64) -> Action;
}

/// The devices' connections.
#[derive(Debug)]
pub struct Fleet {
    clock: Clock,
    target: SocketAddrV4,
    epoll: Epoll,
    timer: TimerFd,
    devices: Vec<Option<Device>>,
}

impl Fleet {
    /// `devices` devices, none of which is connected.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new(clock: Clock, target: SocketAddrV4, devices: usize) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Self { clock, target, epoll, timer, devices: (0..devices).map(|_| None).collect() })
    }

    /// Carries out the plan until it is over.
    ///
    /// # Errors
    ///
    /// The system's: no connection could be made, or it has no more descriptors.
    pub fn run(&mut self, plan: &mut impl Plan) -> io::Result<()> {
        let mut events = vec![EpollEvent::empty(); EVENTS_MAX];
        let mut armed_us = None;
        loop {
            let wake_us = loop {
                let now_us = self.clock.now_us();
                match plan.due(now_us) {
                    Due::Now(device, action) => self.perform(plan, device, action)?,
                    Due::At(wake_us) => break wake_us,
                    Due::Over => return Ok(()),
                }
            };
            if armed_us != Some(wake_us) {
                self.arm(wake_us)?;
                armed_us = Some(wake_us);
            }
            let count = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
                Err(Errno::EINTR) => 0,
                waited => waited?,
            };
            for event in events.iter().take(count) {
                if event.data() == TIMER {
                    self.timer.wait()?;
                    armed_us = None;
                } else {
                    self.take(plan, usize::try_from(event.data()).unwrap_or(usize::MAX))?;
                }
            }
        }
    }

    fn take(&mut self, plan: &mut impl Plan, number: usize) -> io::Result<()> {
        let Some(device) = self.device(number) else { return Ok(()) };
        let wrote = device.wants_to_write();
        let outcome = device.go_on();
        if wrote {
            self.watch(number)?;
        }
        if let Some(outcome) = outcome {
            let action = self.react(plan, number, outcome);
            self.perform(plan, number, action)?;
        }
        Ok(())
    }

    fn react(&mut self, plan: &mut impl Plan, number: usize, outcome: Outcome) -> Action {
        if outcome == Outcome::Ended {
            self.drop_connection(number);
        }
        plan.react(number, outcome, self.clock.now_us())
    }

    fn perform(&mut self, plan: &mut impl Plan, number: usize, mut action: Action) -> io::Result<()> {
        loop {
            let outcome = match action {
                Action::Rest => None,
                Action::Dial => {
                    self.dial(number)?;
                    None
                }
                Action::HangUp => {
                    self.drop_connection(number);
                    Some(Outcome::HungUp)
                }
                Action::Send(exchange) => self.send(number, exchange)?,
            };
            let Some(outcome) = outcome else { return Ok(()) };
            action = self.react(plan, number, outcome);
        }
    }

    fn send(&mut self, number: usize, exchange: Exchange) -> io::Result<Option<Outcome>> {
        let Some(device) = self.device(number) else { return Ok(Some(Outcome::Ended)) };
        let outcome = device.begin(exchange);
        if device.wants_to_write() && outcome.is_none() {
            self.watch(number)?;
        }
        Ok(outcome)
    }

    fn dial(&mut self, number: usize) -> io::Result<()> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let descriptor = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        match connect(descriptor.as_raw_fd(), &SockaddrIn::from(self.target)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let socket = TcpStream::from(descriptor);
        socket.set_nodelay(true)?;
        let token = u64::try_from(number).unwrap_or(TIMER);
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLOUT, token))?;
        if let Some(slot) = self.devices.get_mut(number) {
            *slot = Some(Device::new(socket));
        }
        Ok(())
    }

    /// Waits for what the device waits for.
    fn watch(&mut self, number: usize) -> io::Result<()> {
        let token = u64::try_from(number).unwrap_or(TIMER);
        if let Some(Some(device)) = self.devices.get(number) {
            let flags = if device.wants_to_write() { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN | flags, token);
            self.epoll.modify(device.socket(), &mut event)?;
        }
        Ok(())
    }

    fn drop_connection(&mut self, number: usize) {
        // Closing it takes it out of the epoll instance.
        if let Some(slot) = self.devices.get_mut(number) {
            *slot = None;
        }
    }

    fn device(&mut self, number: usize) -> Option<&mut Device> {
        self.devices.get_mut(number)?.as_mut()
    }

    /// Has the timer ring at that time; a time that has gone by rings at once.
    fn arm(&self, wake_us: u64) -> io::Result<()> {
        // A timer of 0 would be none.
        let wait_us = wake_us.saturating_sub(self.clock.now_us()).clamp(1, 3_600_000_000);
        let wait = TimeSpec::from_duration(std::time::Duration::from_micros(wait_us));
        self.timer.set(Expiration::OneShot(wait), TimerSetTimeFlags::empty())?;
        Ok(())
    }
}
