package chunked_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/chunked"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
)

var contestants = []codectest.Contestant{
	codectest.Contest("chunked", chunked.Codec{Inner: cbor.Codec{}}),
	codectest.Contest("inner", cbor.Codec{}),
}

func BenchmarkWrite(b *testing.B) { codectest.BenchWrite(b, contestants) }

func BenchmarkRead(b *testing.B) { codectest.BenchRead(b, contestants) }
