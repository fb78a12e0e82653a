"""Drills: the service is stopped, killed and cut off under load, and then judged by what the two servers hold.

A drill looks from outside alone: log lines, exit codes, the stream and the table, all as the contract has them. It
imports no service. The modules in the order in which a drill uses them:

    cli         `processor drill`, which the entry point group `processor.commands` names
    plan        what the operator asks, and what happens in which round
    identity    what belongs to this drill alone: names and devices
    assembly    puts a drill together
    traces      checks before it, and the clean-up after it
    conductor   runs it: the load, the rounds one after the other, the settling
      load, lives, service, relay
    stream, table, observed     observe: what the two servers and the log say
    judgement   judges each life, and what is left
    result, report, plots       report
"""
