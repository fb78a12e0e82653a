package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strconv"
	"time"
)

var (
	errNotTeltonika = errors.New("not a Teltonika device")
	stream          = os.Getenv("REDIS_TELEMETRY_STREAM")
	maxLen          = os.Getenv("REDIS_STREAM_MAXLEN")
	// CRC-16/IBM, eight bytes a step.
	tables = makeTables()
)

// layout is what differs between the codecs.
type layout struct {
	label                string
	idBytes, countBytes  int
	generation, variable bool
}

var layouts = map[byte]layout{
	0x08: {"8", 1, 1, false, false},
	0x8e: {"8E", 2, 2, false, true},
	0x10: {"16", 2, 1, true, false},
}

// element is one IO element; width 0 is one of any length.
type element struct {
	id     int
	width  int
	number uint64
	bytes  []byte
}

func makeTables() (tables [8][256]uint16) {
	for value := range 256 {
		crc := uint16(value)
		for range 8 {
			if crc&1 == 1 {
				crc = crc>>1 ^ 0xa001
			} else {
				crc >>= 1
			}
		}
		tables[0][value] = crc
	}
	for step := 1; step < 8; step++ {
		for value := range 256 {
			before := tables[step-1][value]
			tables[step][value] = before>>8 ^ tables[0][before&0xff]
		}
	}
	return tables
}

func checksum(data []byte) uint16 {
	var crc uint16
	for ; len(data) >= 8; data = data[8:] {
		crc = tables[7][data[0]^byte(crc)] ^ tables[6][data[1]^byte(crc>>8)] ^
			tables[5][data[2]] ^ tables[4][data[3]] ^ tables[3][data[4]] ^
			tables[2][data[5]] ^ tables[1][data[6]] ^ tables[0][data[7]]
	}
	for _, value := range data {
		crc = crc>>8 ^ tables[0][byte(crc)^value]
	}
	return crc
}

// cursor reads a data field; past its end it gives zeros and remembers that.
type cursor struct {
	rest   []byte
	failed bool
}

func (c *cursor) take(count int) []byte {
	if count > len(c.rest) {
		c.failed = true
		return make([]byte, count)
	}
	taken := c.rest[:count]
	c.rest = c.rest[count:]
	return taken
}

func (c *cursor) number(width int) uint64 {
	bytes := c.take(width)
	switch width {
	case 1:
		return uint64(bytes[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(bytes))
	case 4:
		return uint64(binary.BigEndian.Uint32(bytes))
	default:
		return binary.BigEndian.Uint64(bytes)
	}
}

// decodeFrame makes the XADDs of a data field with its checksum.
func decodeFrame(data []byte, imei string) ([][]any, bool) {
	field := data[:len(data)-4]
	if len(field) < 3 || binary.BigEndian.Uint32(data[len(field):]) != uint32(checksum(field)) {
		return nil, false
	}
	layout, known := layouts[field[0]]
	count := field[1]
	if !known || field[len(field)-1] != count {
		return nil, false
	}
	c := &cursor{rest: field[2 : len(field)-1]}
	commands := make([][]any, 0, count)
	elements := make([]element, 0, 32)
	for range count {
		var command []any
		command, elements = decodeRecord(c, layout, imei, elements[:0])
		if c.failed {
			return nil, false
		}
		commands = append(commands, command)
	}
	return commands, len(c.rest) == 0
}

func decodeRecord(c *cursor, layout layout, imei string, elements []element) ([]any, []element) {
	fixed := c.take(24)
	generation := -1
	c.number(layout.idBytes)
	if layout.generation {
		generation = int(c.number(1))
	}
	elements = decodeElements(c, layout, elements)
	if c.failed {
		return nil, elements
	}
	moment := time.UnixMilli(int64(binary.BigEndian.Uint64(fixed))).UTC()
	timestamp := moment.Format("2006-01-02T15:04:05.000Z")
	out := make([]byte, 0, 256+24*len(elements))
	out = append(out, `{"device_id":"`...)
	out = append(out, imei...)
	out = append(out, `","timestamp":"`...)
	out = append(out, timestamp...)
	out = append(out, `","latitude":`...)
	out = appendDegrees(out, fixed[13:])
	out = append(out, `,"longitude":`...)
	out = appendDegrees(out, fixed[9:])
	out = append(out, `,"altitude":`...)
	out = strconv.AppendInt(out, int64(int16(binary.BigEndian.Uint16(fixed[17:]))), 10)
	out = append(out, `,"angle":`...)
	out = strconv.AppendUint(out, uint64(binary.BigEndian.Uint16(fixed[19:])), 10)
	out = append(out, `,"speed":`...)
	out = strconv.AppendUint(out, uint64(binary.BigEndian.Uint16(fixed[22:])), 10)
	out = append(out, `,"satellites":`...)
	out = strconv.AppendUint(out, uint64(fixed[21]), 10)
	out = append(out, `,"priority":`...)
	out = strconv.AppendUint(out, uint64(fixed[8]), 10)
	out = append(out, `,"attributes":{`...)
	out = appendAttributes(out, elements, generation)
	out = append(out, "}}"...)
	command := []any{
		"XADD", stream, "MAXLEN", "~", maxLen, "*",
		"ts", timestamp, "device_id", imei, "codec", layout.label, "payload", out,
	}
	return command, elements
}

func appendDegrees(out, bytes []byte) []byte {
	return strconv.AppendFloat(out, float64(int32(binary.BigEndian.Uint32(bytes)))/1e7, 'f', -1, 64)
}

func decodeElements(c *cursor, layout layout, elements []element) []element {
	c.number(layout.countBytes)
	for _, width := range [...]int{1, 2, 4, 8} {
		for count := c.number(layout.countBytes); count > 0 && !c.failed; count-- {
			id := int(c.number(layout.idBytes))
			elements = append(elements, element{id: id, width: width, number: c.number(width)})
		}
	}
	if layout.variable {
		for count := c.number(2); count > 0 && !c.failed; count-- {
			id := int(c.number(2))
			elements = append(elements, element{id: id, bytes: c.take(int(c.number(2)))})
		}
	}
	return elements
}

// appendAttributes writes the elements in ascending order; of an id that repeats the last one counts.
func appendAttributes(out []byte, elements []element, generation int) []byte {
	slices.SortStableFunc(elements, func(one, other element) int { return one.id - other.id })
	for index, each := range elements {
		if index+1 < len(elements) && elements[index+1].id == each.id {
			continue
		}
		out = append(out, '"')
		out = strconv.AppendInt(out, int64(each.id), 10)
		out = append(out, `":`...)
		switch each.width {
		case 8:
			out = append(out, `{"__bigint":"`...)
			out = strconv.AppendUint(out, each.number, 10)
			out = append(out, `"}`...)
		case 0:
			out = append(out, `{"__buffer_b64":"`...)
			out = base64.StdEncoding.AppendEncode(out, each.bytes)
			out = append(out, `"}`...)
		default:
			out = strconv.AppendUint(out, each.number, 10)
		}
		out = append(out, ',')
	}
	if generation >= 0 {
		out = append(out, `"__generation_type":`...)
		return strconv.AppendInt(out, int64(generation), 10)
	}
	if len(elements) > 0 {
		out = out[:len(out)-1]
	}
	return out
}
