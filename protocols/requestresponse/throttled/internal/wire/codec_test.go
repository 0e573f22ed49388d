package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"testing"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/throttled/internal/wire"
)

const (
	innerID protocol.ID = "/ping/1"
	wireID  protocol.ID = "/t/1/ping/1"
)

// msg is what the tests' codec carries.
type msg = wire.Message[string]

var errID = errors.New("codec was told a protocol ID that is not its own")

// stringCodec lays a string out as a uvarint length and its bytes.
type stringCodec struct{}

func (stringCodec) Name() string { return "string" }

func (stringCodec) AppendRequest(dst []byte, id protocol.ID, req any) ([]byte, error) {
	if id != innerID {
		return nil, errID
	}
	s := *req.(*string)
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...), nil
}

func (stringCodec) ReadRequest(r reqresp.Reader, id protocol.ID, limit int, req any) error {
	if id != innerID {
		return errID
	}
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	if n > uint64(limit) {
		return errors.New("string too long")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	*req.(*string) = string(b)
	return nil
}

func (c stringCodec) AppendResponse(dst []byte, id protocol.ID, resp any) ([]byte, error) {
	return c.AppendRequest(dst, id, resp)
}

func (c stringCodec) ReadResponse(r reqresp.Reader, id protocol.ID, limit int, resp any) error {
	return c.ReadRequest(r, id, limit, resp)
}

// verdictCodec can carry errors.
type verdictCodec struct{ stringCodec }

func (verdictCodec) AppendError(dst []byte, id protocol.ID, e *reqresp.Error) ([]byte, error) {
	if id != innerID {
		return nil, errID
	}
	return append(dst, byte(e.Code)), nil
}

var pings = map[string]struct {
	msg   msg
	bytes string
}{
	"request":  {msg{Header: wire.Header{Type: wire.TypeRequest}, Data: "ping"}, "05 a1 00 82 00 80 04 70 69 6e 67"},
	"credit":   {msg{Header: wire.Credit(1, 5)}, "09 a3 00 82 02 80 01 05 02 01"},
	"response": {msg{Header: wire.Header{Type: wire.TypeResponse}, Data: "pong"}, "05 a1 00 82 01 80 04 70 6f 6e 67"},
	"ack":      {msg{Header: wire.Ack(256)}, "09 a2 00 82 03 80 02 19 01 00"},
}

func TestMessages(t *testing.T) {
	responses := wire.NewCodec(stringCodec{}, wire.TypeResponse)
	acks := wire.NewCodec(stringCodec{}, wire.TypeAck)
	for name, tt := range pings {
		want := bytesOf(t, tt.bytes)
		got, err := responses.AppendResponse(nil, wireID, &tt.msg)
		read := responses.ReadResponse
		switch name {
		case "request", "credit":
			got, err = responses.AppendRequest(nil, wireID, &tt.msg)
			read = responses.ReadRequest
		case "ack":
			read = acks.ReadResponse
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is written as % x, %v, want % x", name, got, err, want)
		}
		var m msg
		if err := read(bytes.NewReader(want), wireID, 4, &m); err != nil || !reflect.DeepEqual(m, tt.msg) {
			t.Errorf("%s is read as %+v, %v", name, m, err)
		}
	}
}

func TestMessagesOutOfPlace(t *testing.T) {
	responses := wire.NewCodec(stringCodec{}, wire.TypeResponse)
	acks := wire.NewCodec(stringCodec{}, wire.TypeAck)
	none := bytesOf(t, "01 a0")
	for name, tt := range map[string]struct {
		read  func(reqresp.Reader, protocol.ID, int, any) error
		bytes []byte
		want  error
	}{
		"response as request":   {responses.ReadRequest, bytesOf(t, pings["response"].bytes), wire.ErrHeader},
		"ack as request":        {responses.ReadRequest, bytesOf(t, pings["ack"].bytes), wire.ErrHeader},
		"none as request":       {responses.ReadRequest, none, wire.ErrHeader},
		"request as response":   {responses.ReadResponse, bytesOf(t, pings["request"].bytes), wire.ErrHeader},
		"credit as response":    {responses.ReadResponse, bytesOf(t, pings["credit"].bytes), wire.ErrHeader},
		"ack as response":       {responses.ReadResponse, bytesOf(t, pings["ack"].bytes), wire.ErrHeader},
		"none as response":      {responses.ReadResponse, none, wire.ErrHeader},
		"response as ack":       {acks.ReadResponse, bytesOf(t, pings["response"].bytes), wire.ErrHeader},
		"no data in a request":  {responses.ReadRequest, bytesOf(t, "05 a1 00 82 00 80"), io.ErrUnexpectedEOF},
		"no data in a response": {responses.ReadResponse, bytesOf(t, "05 a1 00 82 01 80"), io.ErrUnexpectedEOF},
		"no response":           {responses.ReadResponse, nil, io.EOF},
	} {
		if err := tt.read(bytes.NewReader(tt.bytes), wireID, 4, new(msg)); !errors.Is(err, tt.want) || tt.want == io.EOF &&
			err != io.EOF {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func TestErrorsAreCarriedByCodecsThatCan(t *testing.T) {
	if _, ok := wire.NewCodec(stringCodec{}, wire.TypeResponse).(reqresp.ErrorCodec); ok {
		t.Error("a codec that cannot carry errors can")
	}
	c := wire.NewCodec(verdictCodec{}, wire.TypeResponse)
	got, err := c.(reqresp.ErrorCodec).AppendError(nil, wireID, reqresp.Errorf(3, "no"))
	if want := bytesOf(t, "05 a1 00 82 01 80 03"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got % x, %v, want % x", got, err, want)
	}
	if c.Name() != "string" {
		t.Errorf("got name %q", c.Name())
	}
}

func FuzzRequest(f *testing.F) {
	c := wire.NewCodec(stringCodec{}, wire.TypeResponse)
	fuzzMessage(f, c.ReadRequest, c.AppendRequest)
}

func FuzzResponse(f *testing.F) {
	c := wire.NewCodec(stringCodec{}, wire.TypeResponse)
	fuzzMessage(f, c.ReadResponse, c.AppendResponse)
}

// fuzzMessage checks that what is read is read again when it is written.
func fuzzMessage(f *testing.F, read func(reqresp.Reader, protocol.ID, int, any) error,
	write func([]byte, protocol.ID, any) ([]byte, error),
) {
	for _, tt := range pings {
		f.Add(bytesOf(f, tt.bytes))
	}
	for _, text := range encodings {
		f.Add(append(prefixed(bytesOf(f, text)), "\x04ping"...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again msg
		if read(bytes.NewReader(b), wireID, math.MaxInt16, &m) != nil {
			return
		}
		encoded, err := write(nil, wireID, &m)
		if err != nil {
			t.Fatal(err)
		}
		if err := read(bytes.NewReader(encoded), wireID, math.MaxInt16, &again); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v is read as %+v, %v, when written again", m, again, err)
		}
	})
}
