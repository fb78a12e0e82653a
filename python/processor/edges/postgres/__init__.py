"""PostgreSQL under Trio: the only importer of psycopg."""
