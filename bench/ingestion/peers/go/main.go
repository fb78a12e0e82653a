// Command ingestion-peer is the benchmark's ingestion service in Go: net and go-redis.
//
// A goroutine reads each connection. One publisher puts the frames of all of them into pipelines: what has come while a
// pipeline was on its way is the next one. A frame is answered when Redis has replied to every XADD of it. It has no
// time-outs, limits, metrics, quarantine or drain, all of which would make it slower.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
)

const (
	loginBytes    = 17
	readBytes     = 2048
	frameBytesMax = 65536
	framesWaiting = 8192
	framesMax     = 1024
)

// published is a frame on its way: its XADDs, and where its connection waits for the outcome.
type published struct {
	commands [][]any
	outcome  chan bool
}

func main() {
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		fail(err)
	}
	options.Protocol = 2
	client := redis.NewClient(options)
	if err := client.Ping(context.Background()).Err(); err != nil {
		fail(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("TELTONIKA_HOST"), os.Getenv("TELTONIKA_PORT")))
	if err != nil {
		fail(err)
	}
	frames := make(chan published, framesWaiting)
	go publish(client, frames)
	go endOnRequest()
	fmt.Println("peer ready")
	for {
		connection, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go serve(connection, frames)
	}
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

// publish sends what waits as one pipeline, over and over.
func publish(client *redis.Client, frames <-chan published) {
	ctx := context.Background()
	batch := make([]published, 0, framesMax)
	for first := range frames {
		batch = gather(append(batch[:0], first), frames)
		pipeline := client.Pipeline()
		for _, frame := range batch {
			for _, command := range frame.commands {
				pipeline.Do(ctx, command...)
			}
		}
		// Whether a command failed is asked one by one.
		replies, _ := pipeline.Exec(ctx)
		next := 0
		for _, frame := range batch {
			confirmed := true
			for range frame.commands {
				confirmed = confirmed && replies[next].Err() == nil
				next++
			}
			frame.outcome <- confirmed
		}
	}
}

func gather(batch []published, frames <-chan published) []published {
	for len(batch) < framesMax {
		select {
		case frame := <-frames:
			batch = append(batch, frame)
		default:
			return batch
		}
	}
	return batch
}

// serve is the conversation with one device.
func serve(connection net.Conn, frames chan<- published) {
	defer connection.Close()
	reader := bufio.NewReaderSize(connection, readBytes)
	imei, err := logIn(connection, reader)
	if err != nil {
		return
	}
	outcome := make(chan bool, 1)
	var buffer []byte
	for {
		data, err := readFrame(reader, &buffer)
		if err != nil {
			return
		}
		commands, ok := decodeFrame(data, imei)
		if !ok {
			return
		}
		if len(commands) > 0 {
			frames <- published{commands, outcome}
			if !<-outcome {
				continue
			}
		}
		var answer [4]byte
		binary.BigEndian.PutUint32(answer[:], uint32(len(commands)))
		if _, err := connection.Write(answer[:]); err != nil {
			return
		}
	}
}

func logIn(connection net.Conn, reader io.Reader) (string, error) {
	var login [loginBytes]byte
	if _, err := io.ReadFull(reader, login[:]); err != nil {
		return "", err
	}
	if binary.BigEndian.Uint16(login[:]) != loginBytes-2 {
		return "", errNotTeltonika
	}
	for _, digit := range login[2:] {
		if digit < '0' || digit > '9' {
			return "", errNotTeltonika
		}
	}
	_, err := connection.Write([]byte{1})
	return string(login[2:]), err
}

// readFrame returns the data field and the checksum, in a buffer that the next call uses again.
func readFrame(reader *bufio.Reader, buffer *[]byte) ([]byte, error) {
	for {
		first, err := reader.ReadByte()
		if err != nil {
			return nil, err
		}
		if first == 0xff {
			continue
		}
		if err := reader.UnreadByte(); err != nil {
			return nil, err
		}
		break
	}
	header, err := reader.Peek(8)
	if err != nil {
		return nil, err
	}
	preamble, length := binary.BigEndian.Uint32(header), binary.BigEndian.Uint32(header[4:])
	if preamble != 0 || length > frameBytesMax-12 {
		return nil, errNotTeltonika
	}
	if _, err := reader.Discard(8); err != nil {
		return nil, err
	}
	size := int(length) + 4
	if cap(*buffer) < size {
		*buffer = make([]byte, size)
	}
	data := (*buffer)[:size]
	_, err = io.ReadFull(reader, data)
	return data, err
}
