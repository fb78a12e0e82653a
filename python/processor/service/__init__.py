"""The service as a whole: puts the tasks together, starts them, and decides how it ends.

Only here are tasks made and channels opened. `assembly` builds everything from the configuration, `pipeline` has the
tasks and the channels between them, and `supervisor` runs them in the chassis' rings: `starting` at the beginning,
`ending` at the end. `process` is the door for the command line.
"""
