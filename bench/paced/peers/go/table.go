package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	insertName = "insert"
	insert     = `INSERT INTO positions (device_id, ts, latitude, longitude, altitude, angle, speed, satellites, priority, codec,
		attributes)
		SELECT d, t, la, lo, al, an, sp, sa, pr, c, at::jsonb FROM unnest($1::text[], $2::timestamptz[], $3::float8[],
		$4::float8[], $5::float4[], $6::float4[], $7::float4[], $8::int2[], $9::int2[], $10::text[], $11::text[])
		AS u(d, t, la, lo, al, an, sp, sa, pr, c, at)
		ON CONFLICT (device_id, ts) DO NOTHING`
	// Beyond it a COPY costs less.
	insertRowsMax   = 500
	devicesMax      = 100_000
	uniqueViolation = "23505"
)

var columns = []string{
	"device_id", "ts", "latitude", "longitude", "altitude", "angle", "speed", "satellites", "priority", "codec", "attributes",
}

// table writes rows; it knows the newest of each device.
type table struct {
	connection *pgx.Conn
	newest     map[string]row
}

func newTable(ctx context.Context, connection *pgx.Conn) (*table, error) {
	_, err := connection.Prepare(ctx, insertName, insert)
	return &table{connection, make(map[string]row)}, err
}

// inOrder sorts the rows by key and keeps the first of each.
func inOrder(rows []row) []row {
	slices.SortStableFunc(rows, func(one, other row) int {
		if by := cmp.Compare(one.deviceID, other.deviceID); by != 0 {
			return by
		}
		return one.ts.Compare(other.ts)
	})
	return slices.CompactFunc(rows, func(one, other row) bool {
		return one.deviceID == other.deviceID && one.ts.Equal(other.ts)
	})
}

// write commits the rows: few as arrays of one statement, many by COPY.
func (t *table) write(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	for _, each := range rows {
		if known, is := t.newest[each.deviceID]; !is && len(t.newest) < devicesMax || is && each.ts.After(known.ts) {
			t.newest[each.deviceID] = each
		}
	}
	if len(rows) <= insertRowsMax {
		return t.insert(ctx, rows)
	}
	_, err := t.connection.CopyFrom(ctx, pgx.Identifier{"positions"}, columns,
		pgx.CopyFromSlice(len(rows), func(at int) ([]any, error) {
			r := &rows[at]
			return []any{
				r.deviceID, r.ts, r.latitude, r.longitude, r.altitude, r.angle, r.speed, r.satellites, r.priority, r.codec,
				r.attributes,
			}, nil
		}))
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && refusal.Code == uniqueViolation {
		return t.insert(ctx, rows)
	}
	return err
}

func (t *table) insert(ctx context.Context, rows []row) error {
	count := len(rows)
	texts, reals := make([]string, 3*count), make([]float32, 3*count)
	places, small := make([]float64, 2*count), make([]int16, 2*count)
	moments := make([]time.Time, count)
	for at := range rows {
		r := &rows[at]
		texts[at], texts[count+at], texts[2*count+at] = r.deviceID, r.codec, r.attributes
		reals[at], reals[count+at], reals[2*count+at] = r.altitude, r.angle, r.speed
		places[at], places[count+at] = r.latitude, r.longitude
		small[at], small[count+at] = r.satellites, r.priority
		moments[at] = r.ts
	}
	_, err := t.connection.Exec(ctx, insertName,
		texts[:count], moments, places[:count], places[count:], reals[:count], reals[count:2*count], reals[2*count:],
		small[:count], small[count:], texts[count:2*count], texts[2*count:])
	return err
}
