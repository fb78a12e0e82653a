// Command paced-peer does the work of the processor in Go: go-redis, gjson and pgx.
//
// One loop: read what is there, write it, and send the acks in front of the next read, on the same connection, so that
// entries gather in Redis meanwhile. The rules are the contract's: state before write, write before ack, rows unique and
// in order, refused entries stay pending. It has no drain, no reclaiming, no time-outs and no metrics, all of which would
// make it slower.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

const (
	readEntries = 5000
	readBlockMS = 1000
	// No deadline at all: the socket's timers stay unset.
	noTimeout = -2
)

var (
	stream   = os.Getenv("REDIS_TELEMETRY_STREAM")
	consumer = os.Getenv("INSTANCE_ID")
	// Between a read that came back less than full and the next one.
	readInterval, _ = time.ParseDuration(os.Getenv("READ_INTERVAL_MS") + "ms")
)

const group = "processor"

// batch is what one read gave: rows in order of their keys, and the ids of all of them.
type batch struct {
	rows []row
	ids  []any
}

func main() {
	go endOnRequest()
	ctx := context.Background()
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		fail(err)
	}
	options.Protocol = 2
	options.ReadTimeout = noTimeout
	options.WriteTimeout = noTimeout
	client := redis.NewClient(options)
	if err := client.XGroupCreateMkStream(ctx, stream, group, "0").Err(); err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		fail(err)
	}
	connection, err := pgx.Connect(ctx, os.Getenv("POSTGRES_URL"))
	if err != nil {
		fail(err)
	}
	table, err := newTable(ctx, connection)
	if err != nil {
		fail(err)
	}
	fmt.Println(`{"msg":"processor ready"}`)
	fail(work(ctx, client.Conn(), table))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func endOnRequest() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	<-asked
	os.Exit(0)
}

// work reads own pending entries first, then new ones.
func work(ctx context.Context, connection *redis.Conn, table *table) error {
	after := "0"
	var done batch
	var last time.Time
	for {
		// 0 unless asked for: without a pause it is quicker, with one cheaper.
		time.Sleep(readInterval - time.Since(last))
		entries, err := read(ctx, connection, done.ids, after)
		if err != nil {
			return err
		}
		if last = time.Now(); len(entries) == readEntries {
			last = time.Time{}
		}
		if after != ">" {
			if after = ">"; len(entries) > 0 {
				after = idOf(entries[len(entries)-1])
			}
		}
		done = decodeEntries(entries)
		if err := table.write(ctx, done.rows); err != nil {
			return err
		}
	}
}

// read acks what is done and reads what is there, in one send.
func read(ctx context.Context, connection *redis.Conn, done []any, after string) ([]any, error) {
	pipeline := connection.Pipeline()
	if len(done) > 0 {
		pipeline.Do(ctx, append([]any{"XACK", stream, group}, done...)...)
	}
	command := pipeline.Do(ctx,
		"XREADGROUP", "GROUP", group, consumer, "COUNT", readEntries, "BLOCK", readBlockMS, "STREAMS", stream, after)
	if _, err := pipeline.Exec(ctx); err != nil && err != redis.Nil {
		return nil, err
	}
	streams, err := command.Slice()
	if err == redis.Nil || len(streams) == 0 {
		return nil, nil
	}
	return streams[0].([]any)[1].([]any), err
}

func idOf(entry any) string { return entry.([]any)[0].(string) }

func decodeEntries(entries []any) batch {
	made := batch{rows: make([]row, 0, len(entries)), ids: make([]any, 0, len(entries))}
	now := time.Now()
	for _, entry := range entries {
		fields, _ := entry.([]any)[1].([]any)
		var codec, payload string
		for at := 0; at+1 < len(fields); at += 2 {
			switch fields[at] {
			case "codec":
				codec = fields[at+1].(string)
			case "payload":
				payload = fields[at+1].(string)
			}
		}
		decoded, err := decode(codec, payload, now)
		if err != nil {
			fmt.Printf("{\"msg\":\"record refused\",\"entry_id\":%q}\n", idOf(entry))
			continue
		}
		made.rows = append(made.rows, decoded)
		made.ids = append(made.ids, idOf(entry))
	}
	made.rows = inOrder(made.rows)
	return made
}
