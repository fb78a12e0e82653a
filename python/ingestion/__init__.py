"""Takes positions from Teltonika devices and publishes them to a Redis Stream; answers for what Redis has confirmed.

The way of a frame, and the room for each part of it:

    device ──► accept ──► login, frame, decode ──► publish ──► Redis
      ▲         │          │                        │            │
      │         │          telemetry._codec, in Rust: bytes become XADD commands, without a Python object a record
      │         listening  accepts connections, TLS and PROXY headers; receives datagrams
      └──────── sessions ◄── Confirmation ◄────── publishing ◄───┘
                the answer is made from a Confirmation, which only the counter of Redis' replies makes

The rooms, from the top; each imports only from those below it:

    cli         the command line, a module for each command
    service     puts the tasks together and runs them in rings, from the start to the drain
    operating   a use case for each operators' command
    simulating  devices that keep the protocol's rules, for demos, drills and load tests
    answering   operators' requests to a running instance
    sessions    a task for each connection: who is connected, the clocks, the closing
    listening   sockets, and who is let in
    publishing  the bounded queue and the connection to Redis
    devices     which devices are known
    taps        conversations that an operator watches
    page        what people see who open the service's port
    journal     reports each fact: counters and log lines
    config      the environment variables
    core        pure decisions

What every service needs, whatever it does, is in `telemetry.chassis`.
"""
