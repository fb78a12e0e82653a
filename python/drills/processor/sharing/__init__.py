"""Instances share one group under a steady load; one after another is killed, stopped, frozen or replaced.

What is measured: how evenly they share, how long entries lie before others have them, and how far the table is behind.
The modules in the order in which a run uses them:

    cli         `processor drill load`
    assembly    a run for each number of instances, each with a stream and devices of its own
    plan        what happens in a run
    conductor   carries it out: the start, a backlog, the steady load, the events, the settling
      fleet, timed_load
    events      what is done to an instance, and what it held
      holding
    sampling    observe: how far the table is behind, several times a second
    judgement   judges each handover
    result      the figures as JSON
    report, plot
"""
