"""The drill of tcp-ingestion: devices send without a pause, and whatever was answered must be in the stream.

The devices are those of `tcp-ingestion simulate`, a process of its own; this package imports no service. The modules in
the order in which a drill uses them:

    cli         `tcp-ingestion drill`, which the entry point group `ingestion.commands` names
    assembly    puts a drill together
    traces      what is left of it
    launch      the service's environment
    conductor   the devices, what settled means, and the count of what the stream holds
      devices
    stream      observes: what was published
    judgement   judges what is left
    result      reports
"""
