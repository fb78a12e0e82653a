package main

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

const (
	payloadBytesMax = 65536
	deviceIDMax     = 64
	pastMax         = 3650 * 24 * time.Hour
	futureMax       = 24 * time.Hour
)

var errRefused = errors.New("not a position")

// row is a record as the table takes it; attributes are JSON.
type row struct {
	deviceID               string
	ts                     time.Time
	latitude, longitude    float64
	altitude, angle, speed float32
	satellites, priority   int16
	codec                  string
	attributes             string
}

// decode makes the row of an entry's codec and payload.
func decode(codec, payload string, now time.Time) (row, error) {
	made := row{codec: codec}
	if codec != "8" && codec != "8E" && codec != "16" || len(payload) > payloadBytesMax || !gjson.Valid(payload) {
		return made, errRefused
	}
	ok, found := true, 0
	gjson.Parse(payload).ForEach(func(key, value gjson.Result) bool {
		before := found
		found++
		switch key.Str {
		case "device_id":
			made.deviceID = value.Str
			ok = value.Type == gjson.String && value.Str != "" && len(value.Str) <= deviceIDMax
		case "timestamp":
			made.ts, ok = timestamp(value, now)
		case "latitude":
			made.latitude, ok = number(value, 90)
		case "longitude":
			made.longitude, ok = number(value, 180)
		case "altitude":
			made.altitude, ok = realNumber(value)
		case "angle":
			made.angle, ok = realNumber(value)
		case "speed":
			made.speed, ok = realNumber(value)
		case "satellites":
			made.satellites, ok = smallint(value)
		case "priority":
			made.priority, ok = smallint(value)
		case "attributes":
			made.attributes, ok = attributes(value)
		default:
			found = before
		}
		return ok
	})
	if !ok || found != 10 {
		return made, errRefused
	}
	return made, nil
}

func timestamp(value gjson.Result, now time.Time) (time.Time, bool) {
	if value.Type != gjson.String {
		return time.Time{}, false
	}
	ts, err := time.Parse(time.RFC3339Nano, value.Str)
	age := now.Sub(ts)
	return ts.Truncate(time.Microsecond), err == nil && age <= pastMax && age >= -futureMax
}

func number(value gjson.Result, limit float64) (float64, bool) {
	return value.Num, value.Type == gjson.Number && math.Abs(value.Num) <= limit
}

func realNumber(value gjson.Result) (float32, bool) {
	found, ok := number(value, math.MaxFloat32)
	return float32(found), ok
}

func smallint(value gjson.Result) (int16, bool) {
	if value.Type != gjson.Number {
		return 0, false
	}
	found, err := strconv.ParseInt(value.Raw, 10, 16)
	return int16(found), err == nil
}

// attributes writes the stored form: sentinels become strings, all else stays as it is.
func attributes(value gjson.Result) (string, bool) {
	if !value.IsObject() {
		return "", false
	}
	out := append(make([]byte, 0, len(value.Raw)), '{')
	ok := true
	value.ForEach(func(key, each gjson.Result) bool {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, key.Raw...), ':')
		if each.Type != gjson.JSON {
			out = append(out, each.Raw...)
			return true
		}
		out, ok = appendSentinel(out, each)
		return ok
	})
	return string(append(out, '}')), ok
}

func appendSentinel(out []byte, object gjson.Result) ([]byte, bool) {
	keys, ok := 0, false
	object.ForEach(func(key, value gjson.Result) bool {
		keys++
		switch key.Str {
		case "__bigint":
			ok = value.Type == gjson.String && isInteger(value.Str)
		case "__buffer_b64":
			ok = value.Type == gjson.String && isBase64(value.Str)
		}
		out = append(out, value.Raw...)
		return true
	})
	return out, ok && keys == 1
}

func isInteger(text string) bool {
	if len(text) > 1 && text[0] == '-' {
		text = text[1:]
	}
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return false
		}
	}
	return text != ""
}

func isBase64(text string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(text)
	return err == nil
}
