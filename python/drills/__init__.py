"""Drills: a service is stopped, killed and cut off under load, and then judged by what the servers hold.

A drill looks from outside alone: log lines, exit codes, the stream and the table, all as the contract has them. It
imports no service. What the drills of all services share, in the order in which a drill uses it:

    cli         options, and how the outcome is shown
    plan        what happens in which round
    identity    what belongs to this drill alone: names and devices
    traces      holds it, and cleans up after it, however it ends
    conductor   runs it: the load, the rounds one after the other, the settling
      lives, launch, service, relay, progress
    own_stream, observed        observe: what Redis and the log say
    judgement   judges each life
    result, report, plots       report

and what is one service's: `processor`, `ingestion`.
"""
