-- The role that the processor connects as: it reads and writes positions, and may have temporary tables.
-- Its password is set by whoever applies these files.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'processor') THEN
        CREATE ROLE processor LOGIN;
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO processor', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO processor;
GRANT SELECT, INSERT, UPDATE ON positions TO processor;
