-- TimescaleDB where the server has it and preloads it; everything below works without it, on a plain table.
-- Without the preload CREATE EXTENSION ends the session (FATAL). Any role can see whether it is preloaded by its setting:
-- the list of preloaded libraries is only for superusers.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
        AND EXISTS (SELECT FROM pg_settings WHERE name = 'timescaledb.disable_load')
    THEN
        CREATE EXTENSION IF NOT EXISTS timescaledb;
    END IF;
END
$$;
