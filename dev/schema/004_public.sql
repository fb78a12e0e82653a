-- As in a database that is closed to everybody: whoever works in it has rights of its own, deploy/postgres/grants.sql
-- for the processor.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
