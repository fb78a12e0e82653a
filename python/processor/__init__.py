"""Writes Teltonika positions from a Redis Stream into PostgreSQL, exactly once, and says what it did.

The flow, and who does what on the way:

    Redis ─► read ─► decode ─► write ─► commit ─► acknowledge ─► Redis
             │       │         │                  tasks.acker, only for a Receipt
             │       │         tasks.writer, tasks.committing: one COPY, or its parts down to a refused row
             │       _codec, in Rust: the bytes of a reply become a Batch of rows, without an object for a record
             tasks.consumer: new entries; tasks.reclaimer: pending ones that nobody works on

What fails for its own sake goes to `tasks.failing`, which counts it in Redis until it is a dead letter. What
is neither settled nor refused at a stop is released by `life.handing_over`.

The rooms, from the top; imports go downwards only: `cli`, `service` and `life` (the process and its rings of
tasks), `tasks`, `core` (pure decisions) and `edges` (the servers). `config`, `logs`, `statistics` and `errors` are
for all of them; `panic`, `publish` and `drill` stand beside the flow.
"""
