"""One life of the service: its start, its rings of tasks, its drain, and the hand-over at its end.

The nurseries of all tasks are opened here, and only here is decided what ends before what: `supervisor` has the
rings, `pipeline` the tasks and the channels between them.
"""
