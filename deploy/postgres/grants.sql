-- What the processor may do in this database. Run it as the owner of the table, again as often as you like:
--
--     psql --single-transaction --set ON_ERROR_STOP=1 --file deploy/postgres/grants.sql "$OWNER_URL"
--     psql --command '\password processor' "$OWNER_URL"
--
-- The role has no password before the second command, and cannot log in; psql asks for it and sends only its hash.
-- CREATEROLE is needed for a role that is not there yet, nothing else beyond what an owner has.
--
-- SELECT is for looking up devices and rows that may be there already, INSERT for writing. UPDATE is part of what the
-- service may rely on. TEMPORARY is for the staging table, which lives as long as its session. It may not delete.
--
-- BYPASSRLS is not given: only a superuser can, and without row level security nobody needs it. A database that has it
-- on this table needs, from a superuser: ALTER ROLE processor BYPASSRLS. The service does not start without (exit code
-- 5): to a role that a policy hides rows from, a row that is there looks new.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'processor') THEN
        CREATE ROLE processor LOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO processor', current_database());
END
$$;

GRANT USAGE ON SCHEMA public TO processor;
GRANT SELECT, INSERT, UPDATE ON public.positions TO processor;
REVOKE DELETE, TRUNCATE, REFERENCES, TRIGGER ON public.positions FROM processor;
