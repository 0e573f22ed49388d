package codectest

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/serde"
)

// A Record has a field of each usual sort.
type Record struct {
	Name  string            `json:"name"`
	Data  serde.Bytes       `json:"data"`
	Seq   uint64            `json:"seq"`
	Score *float64          `json:"score"`
	Tags  map[string]string `json:"tags"`
}

// Records returns a hundred records, 28 KB of JSON or 17 KB of CBOR.
func Records() []Record {
	all := make([]Record, 100)
	for i := range all {
		all[i] = Record{
			Name:  "rust & gö",
			Data:  bytes.Repeat([]byte{byte(i)}, 64),
			Seq:   uint64(i) << 40,
			Score: new(1 / float64(i+1)),
			Tags:  map[string]string{"k": "v"},
		}
	}
	return all
}

// A Contestant writes and reads messages in a benchmark.
type Contestant struct {
	Name  string
	Write func(dst []byte, msg any) ([]byte, error)
	Read  func(r *bufio.Reader, msg any) error
}

// Contest returns a codec as a contestant.
func Contest(name string, codec reqresp.Codec) Contestant {
	return Contestant{
		Name:  name,
		Write: func(dst []byte, msg any) ([]byte, error) { return codec.AppendResponse(dst, "", msg) },
		Read:  func(r *bufio.Reader, msg any) error { return codec.ReadResponse(r, "", 1<<20, msg) },
	}
}

// BenchWrite writes the records into a buffer that is reused, as the engine's is.
func BenchWrite(b *testing.B, contestants []Contestant) {
	msg := Records()
	for _, c := range contestants {
		b.Run(c.Name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				var err error
				if buf, err = c.Write(buf[:0], &msg); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

// BenchRead reads the records from a reader that is reused, as the engine's is.
func BenchRead(b *testing.B, contestants []Contestant) {
	msg := Records()
	for _, c := range contestants {
		wire, err := c.Write(nil, &msg)
		if err != nil {
			b.Fatal(err)
		}
		src, r := bytes.NewReader(nil), bufio.NewReader(nil)
		b.Run(c.Name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(wire)))
			for b.Loop() {
				src.Reset(wire)
				r.Reset(src)
				var got []Record
				if err := c.Read(r, &got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
