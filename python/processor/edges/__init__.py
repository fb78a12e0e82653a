"""The processor's access to its two servers, Redis and PostgreSQL.

`ports` says what the tasks may ask. `redis` and `postgres` do it on real servers, the tests' fakes in memory, and both
pass the same contract tests. `retrying_stream` repeats what was not answered. Client libraries are imported by
`telemetry.chassis.redis` and `postgres` alone, but for the URL parsers of the configuration. Errors of psycopg become
our errors here and nowhere else.
"""
