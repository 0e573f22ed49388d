package snappy_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gsnappy "github.com/golang/snappy"
)

// identifier is the stream identifier, as the framing format spells it.
const identifier = "\xff\x06\x00\x00sNaPpY"

// frames joins a stream identifier and chunks.
func frames(chunks ...[]byte) []byte {
	return append([]byte(identifier), slices.Concat(chunks...)...)
}

// chunk builds a chunk of any type and body.
func chunk(kind byte, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))<<8|uint32(kind)), body...)
}

// sum is the masked checksum, written down from section 3 of the framing format.
func sum(data []byte) []byte {
	x := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return binary.LittleEndian.AppendUint32(nil, ((x>>15)|(x<<17))+0xa282ead8)
}

// plain builds an uncompressed chunk.
func plain(data []byte) []byte {
	return chunk(0x01, append(sum(data), data...))
}

// packed builds a compressed chunk.
func packed(data []byte) []byte {
	return block(data, gsnappy.Encode(nil, data))
}

// block builds a compressed chunk with a body of its own and the checksum of data.
func block(data, body []byte) []byte {
	return chunk(0x00, append(sum(data), body...))
}

// sample returns n bytes that snappy compresses to about 0.6 of their size, as
// beacon blocks do.
func sample(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		if i%80 < 44 {
			b[i] = byte(rng.Uint32())
		}
	}
	return b
}

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(2, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// unhex decodes hexadecimal digits, blanks allowed.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// streamWriter frames data with golang/snappy's own stream encoder.
func streamWriter(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gsnappy.NewBufferedWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// counter counts the bytes read through it.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
