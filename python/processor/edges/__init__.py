"""The ways to the servers: the only importers of client libraries, but for the URL parsers that `config` uses.

`ports` says what the tasks may ask; `redis` and `postgres` answer it for real, `fakes` in memory, and all pass
the same contract tests. A foreign exception becomes one of `processor.errors` here and nowhere else. `http` serves
monitoring; `publisher` and `drill` are the ways of the tools, which use none of the service's connections.
"""
