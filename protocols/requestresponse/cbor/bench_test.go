package cbor_test

import (
	"bufio"
	"bytes"
	"testing"

	fxcbor "github.com/fxamacker/cbor/v2"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
)

var contestants = []codectest.Contestant{
	codectest.Contest("codec", cbor.Codec{}),
	{
		Name: "fxamacker",
		Write: func(dst []byte, msg any) ([]byte, error) {
			buf := bytes.NewBuffer(dst)
			err := fxcbor.NewEncoder(buf).Encode(msg)
			return buf.Bytes(), err
		},
		Read: func(r *bufio.Reader, msg any) error { return fxcbor.NewDecoder(r).Decode(msg) },
	},
}

func BenchmarkWrite(b *testing.B) { codectest.BenchWrite(b, contestants) }

func BenchmarkRead(b *testing.B) { codectest.BenchRead(b, contestants) }
