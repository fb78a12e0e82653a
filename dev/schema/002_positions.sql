-- One row for each position that a device reported; the first write of a (device_id, ts) wins.
CREATE TABLE IF NOT EXISTS positions (
    device_id   text             NOT NULL,
    ts          timestamptz      NOT NULL,
    ingested_at timestamptz      NOT NULL DEFAULT now(),
    latitude    double precision NOT NULL,
    longitude   double precision NOT NULL,
    altitude    real             NOT NULL,
    angle       real             NOT NULL,
    speed       real             NOT NULL,
    satellites  smallint         NOT NULL,
    priority    smallint         NOT NULL,
    codec       text             NOT NULL,
    attributes  jsonb            NOT NULL
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable(
            'positions', 'ts',
            chunk_time_interval => INTERVAL '1 day',
            create_default_indexes => false,
            if_not_exists => true
        );
    END IF;
END
$$;

CREATE UNIQUE INDEX IF NOT EXISTS positions_device_ts ON positions (device_id, ts);
CREATE INDEX IF NOT EXISTS positions_ts ON positions (ts DESC);
