package snappy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"testing"

	gsnappy "github.com/golang/snappy"

	"github.com/seed-2dd5877b/reqresp/snappy"
)

// benchSizes are those of a status, a block and the largest payload.
var benchSizes = []int{84, 100 << 10, snappy.MaxPayloadSize}

func BenchmarkEncode(b *testing.B) {
	for _, n := range benchSizes {
		data := sample(n)
		b.Run(fmt.Sprintf("AppendFrames/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			var buf []byte
			for b.Loop() {
				buf = snappy.AppendFrames(snappy.AppendHeader(buf[:0], n), data)
			}
		})
		b.Run(fmt.Sprintf("golang-snappy.Writer/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			var buf bytes.Buffer
			w := gsnappy.NewBufferedWriter(nil)
			for b.Loop() {
				buf.Reset()
				buf.Write(snappy.AppendHeader(buf.AvailableBuffer(), n))
				w.Reset(&buf)
				if _, err := w.Write(data); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range benchSizes {
		wire := snappy.AppendFrames(nil, sample(n))
		src := bytes.NewReader(wire)
		br := bufio.NewReader(src)
		rewind := func() {
			src.Reset(wire)
			br.Reset(src)
		}
		ssz := make([]byte, n)
		for _, path := range []struct {
			name string
			run  func() error
		}{
			{"ReadPayload", func() func() error {
				var p snappy.Payload
				return func() error {
					rewind()
					return snappy.ReadPayload(br, n, &p)
				}
			}()},
			{"AppendPayload", func() error {
				rewind()
				_, err := snappy.AppendPayload(ssz[:0], br, n)
				return err
			}},
			{"AppendDecoded", func() error {
				_, err := snappy.AppendDecoded(ssz[:0], wire, n)
				return err
			}},
			{"golang-snappy.Reader", func() func() error {
				r := gsnappy.NewReader(nil)
				return func() error {
					rewind()
					r.Reset(br)
					_, err := io.ReadFull(r, ssz)
					return err
				}
			}()},
		} {
			b.Run(fmt.Sprintf("%s/%d", path.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n))
				for b.Loop() {
					if err := path.run(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkCheckFrames(b *testing.B) {
	for _, n := range benchSizes {
		wire := snappy.AppendFrames(nil, sample(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				if _, err := snappy.CheckFrames(wire); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
