package chunked_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-varint"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/chunked"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
)

var codec = chunked.Codec{Inner: json.Codec{}}

func TestGoldenChunks(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, g := range []struct {
		name  string
		codec chunked.Codec
		value any // a pointer
		wire  string
	}{
		{"one byte", codec, new(7), "\x00\x017"},
		{"JSON", codec, &codectest.TestMessage{Payload: "a"}, "\x00\x0f" + `{"payload":"a"}`},
		{"two bytes of length", codec, &long, "\x00\xae\x02\"" + long + "\""},
		{"CBOR", chunked.Codec{Inner: cbor.Codec{}}, new(uint16(1000)), "\x00\x03\x19\x03\xe8"},
	} {
		t.Run(g.name, func(t *testing.T) {
			wire, err := g.codec.AppendResponse([]byte("before"), "", g.value)
			if err != nil || string(wire) != "before"+g.wire {
				t.Errorf("got %q, %v, want %q", wire, err, g.wire)
			}
			got := reflect.New(reflect.TypeOf(g.value).Elem()).Interface()
			r := codectest.Reader([]byte(g.wire + "after"))
			if err := g.codec.ReadResponse(r, "", 1<<10, got); err != nil || !reflect.DeepEqual(got, g.value) {
				t.Errorf("got %+v, %v, want %+v", got, err, g.value)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "after" {
				t.Errorf("%q is left, want what is behind the chunk", rest)
			}
		})
	}
}

func TestGoldenErrors(t *testing.T) {
	for _, g := range []struct {
		name    string
		message string
		wire    string
		read    string
	}{
		{"text", "who?", "\x03\x04who?", "who?"},
		{"no text", "", "\x03\x00", ""},
		{"longest text", strings.Repeat("é", 128), "\x03\x80\x02" + strings.Repeat("é", 128), strings.Repeat("é", 128)},
		{
			"cut between characters", "a" + strings.Repeat("é", 128), "\x03\xff\x01a" + strings.Repeat("é", 127),
			"a" + strings.Repeat("é", 127),
		},
		{
			"cut before a long one", strings.Repeat("a", 253) + "😀", "\x03\xfd\x01" + strings.Repeat("a", 253),
			strings.Repeat("a", 253),
		},
		{"not UTF-8", "a\xffb\xc3", "\x03\x08a\ufffdb\ufffd", "a\ufffdb\ufffd"},
	} {
		t.Run(g.name, func(t *testing.T) {
			wire, err := codec.AppendError(nil, "", reqresp.Errorf(reqresp.CodeResourceUnavailable, "%s", g.message))
			if err != nil || string(wire) != g.wire {
				t.Errorf("got %q, %v, want %q", wire, err, g.wire)
			}
			err = codec.ReadResponse(codectest.Reader(wire), "", 1<<10, new(int))
			e, ok := errors.AsType[*reqresp.Error](err)
			if !ok || e.Code != reqresp.CodeResourceUnavailable || e.Message != g.read || !e.Remote {
				t.Errorf("got %v, want %q", err, g.read)
			}
		})
	}
}

func TestRequestsAreNotChunked(t *testing.T) {
	wire, err := codec.AppendRequest(nil, "", new(12))
	if err != nil || string(wire) != "12" {
		t.Errorf("got %q, %v", wire, err)
	}
	got := 0
	if err := codec.ReadRequest(codectest.Reader(wire), "", 2, &got); err != nil || got != 12 {
		t.Errorf("got %d, %v", got, err)
	}
	if err := codec.ReadRequest(codectest.Reader(wire), "", 1, &got); !errors.Is(err, reqresp.ErrTooLarge) {
		t.Errorf("over the limit: got %v", err)
	}
}

func TestMalformedChunks(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		is         error
		want       string // in the error's text
	}{
		{"length over the limit", "\x00\x0b12345678901", reqresp.ErrTooLarge, "limit of 10 bytes: 11"},
		{"length of 63 bits", "\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f", reqresp.ErrTooLarge, ""},
		{"length of 64 bits", "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", varint.ErrOverflow, ""},
		{"length without end", "\x00" + strings.Repeat("\x80", 20), varint.ErrOverflow, ""},
		{"length not minimal", "\x00\x81\x001", varint.ErrNotMinimal, ""},
		{"text over its limit", "\x01\x81\x02" + strings.Repeat("x", 257), reqresp.ErrTooLarge, "256"},
		{"text not UTF-8", "\x01\x01\xff", nil, "not UTF-8"},
		{"empty message", "\x00\x00", nil, "no bytes"},
		{"message of the inner codec's", "\x00\x01x", nil, "invalid character"},
		{"bytes behind the inner message", "\x00\x021x", nil, "after top-level value"},
		{"inner message cut off", "\x00\x01[", io.ErrUnexpectedEOF, ""},
		{"space for a message", "\x00\x01 ", io.ErrUnexpectedEOF, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := codec.ReadResponse(codectest.Reader([]byte(c.wire)), "", 10, new(int))
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v, %q", err, c.is, c.want)
			}
		})
	}
}

func TestTruncatedChunks(t *testing.T) {
	message, err := codec.AppendResponse(nil, "", &codectest.TestMessage{Payload: strings.Repeat("x", 200)})
	if err != nil {
		t.Fatal(err)
	}
	verdict, err := codec.AppendError(nil, "", reqresp.Errorf(1, "%s", strings.Repeat("x", 200)))
	if err != nil {
		t.Fatal(err)
	}
	for name, wire := range map[string][]byte{"message": message, "error": verdict} {
		for n := range len(wire) {
			err := codec.ReadResponse(codectest.Reader(wire[:n]), "", 1<<10, new(codectest.TestMessage))
			if n == 0 && err != io.EOF || n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d bytes of the %s: got %v", n, name, err)
			}
		}
	}
}

// partCodec reads the first byte of a message alone, with ReadByte.
type partCodec struct{ json.Codec }

func (partCodec) Name() string { return "part" }

func (partCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, _ int, resp any) (err error) {
	*resp.(*byte), err = r.ReadByte()
	return err
}

func TestBytesTheInnerCodecLeaves(t *testing.T) {
	c := chunked.Codec{Inner: partCodec{}}
	got := byte(0)
	if err := c.ReadResponse(codectest.Reader([]byte("\x00\x01x")), "", 10, &got); err != nil || got != 'x' {
		t.Errorf("got %q, %v", got, err)
	}
	if err := c.ReadResponse(codectest.Reader([]byte("\x00\x02xy")), "", 10, &got); err == nil {
		t.Error("a byte that was not read was accepted")
	}
	if err := c.ReadResponse(codectest.Reader([]byte("\x00\x02")), "", 10, &got); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	if wire, err := codec.AppendError(nil, "", &reqresp.Error{Message: "x"}); err == nil {
		t.Errorf("an error of code 0 became %q", wire)
	}
	if wire, err := codec.AppendResponse(nil, "", new(chan int)); err == nil {
		t.Errorf("a channel became %q", wire)
	}
}

func TestName(t *testing.T) {
	if got := codec.Name(); got != "chunked" {
		t.Errorf("got %q", got)
	}
	if got := (chunked.Codec{Inner: partCodec{}}).Name(); got != "part_chunked" {
		t.Errorf("got %q", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a codec without inner has a name")
		}
	}()
	chunked.Codec{}.Name()
}

// Memory grows with what was received, not with what was announced.
func TestClaimsTakeNoMemory(t *testing.T) {
	claim := append([]byte{0}, varint.ToUvarint(10<<20)...)
	claim = append(claim, bytes.Repeat([]byte{' '}, 100)...)
	const rounds = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		err := codec.ReadResponse(codectest.Reader(claim), "", 10<<20, new(any))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("got %v", err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 16<<10 {
		t.Errorf("%d bytes were taken for %d that came", each, len(claim))
	}
}
