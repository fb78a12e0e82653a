"""The ways to the servers: the only importers of client libraries, but for the URL parsers that the configuration uses.

`ports` says what the tasks may ask. `redis` and `postgres` answer it for real, the tests' fakes in memory, and all
pass the same contract tests. A foreign exception becomes one of ours here and nowhere else.
"""
