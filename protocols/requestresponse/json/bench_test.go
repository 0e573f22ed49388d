package json_test

import (
	"bufio"
	"bytes"
	stdjson "encoding/json"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
)

var contestants = []codectest.Contestant{
	codectest.Contest("codec", json.Codec{}),
	{
		Name: "encoding_json",
		Write: func(dst []byte, msg any) ([]byte, error) {
			buf := bytes.NewBuffer(dst)
			err := stdjson.NewEncoder(buf).Encode(msg)
			return buf.Bytes(), err
		},
		Read: func(r *bufio.Reader, msg any) error { return stdjson.NewDecoder(r).Decode(msg) },
	},
}

func BenchmarkWrite(b *testing.B) { codectest.BenchWrite(b, contestants) }

func BenchmarkRead(b *testing.B) { codectest.BenchRead(b, contestants) }
