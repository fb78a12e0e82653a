"""Writes Teltonika positions from a Redis Stream into PostgreSQL, exactly once, and reports what it did.

The way of a record, and the room for each part of it:

    Redis ──► read ──► decode ──► write, commit ──► acknowledge ──► Redis
              │        │          │                 │
              │        │          │                 settling   acker: acknowledges nothing without a Receipt
              │        │          writing   writer, committing: one COPY, or its parts down to a refused row
              │        telemetry._codec, in Rust: the bytes of a reply become a Batch, without a Python object a record
              reading   consumer: new entries; reclaimer: pending entries that nobody works on

A record that fails by its own fault goes to `settling.failure_recorder`, which counts its failures in Redis until it
is a dead letter. An entry that is neither settled nor refused at a stop is given back by `settling.release`.

The rooms, from the top; each imports only from those below it:

    cli         the command line, a module for each command
    service     puts the tasks together and runs them in rings, from the start to the drain
    operating   a use case for each operators' command
    reading     new and pending entries, and the trials of suspects
    writing     batches into the table
    settling    what becomes of each entry: acknowledged, failed, or released
    watching    probes of both servers
    edges       Redis and PostgreSQL, behind the ports that tasks know
    page        what people see who open the service's port
    journal     reports each fact: counters and log lines
    config      the environment variables
    core        pure decisions

What every service needs, whatever it does, is in `telemetry.chassis`.
"""
