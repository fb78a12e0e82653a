"""The processor's drill: records go into a stream of its own, and in the end each must be in the table exactly once.

The modules in the order in which a drill uses them:

    cli         `processor drill`, which the entry point group `processor.commands` names
    assembly    puts a drill together
    traces      checks before it, and the clean-up after it
    launch      the service's environment
    conductor   the load, what settled means, and the count of what the servers hold
      load, detour
    stream, table, timeline     observe: what the two servers say, and when
    judgement   judges what is left
    result      reports
"""
