package chunked_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/chunked"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
)

func FuzzReadResponse(f *testing.F) {
	for _, seed := range []string{
		"", "\x00\x017", "\x00\x0f" + `{"payload":"a"}`, "\x00\x017\x00\x018\x01\x02no", "\x03\x04who?", "\x03\x00",
		"\x03\x02\xc3\xa9",
		"\x00\x00", "\x00\x81\x001", "\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "\x01\x81\x02", "\x00\x021x", "\x00\x01[",
	} {
		f.Add([]byte(seed))
	}
	const limit = 1 << 16
	codec := chunked.Codec{Inner: json.Codec{}}
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := codectest.Reader(wire)
		for range len(wire) + 1 {
			_, err := r.Peek(1)
			atEnd := err == io.EOF
			var read any
			err = codec.ReadResponse(r, "", limit, &read)
			if (err == io.EOF) != atEnd {
				t.Fatalf("got %v where the response's end is %v", err, atEnd)
			}
			if e, ok := errors.AsType[*reqresp.Error](err); ok {
				checkError(t, codec, e)
				return
			}
			if err != nil {
				return
			}
			checkMessage(t, codec, read)
		}
		t.Error("more chunks than bytes")
	})
}

// checkError checks that a verdict that was read can be written, and is the same again.
func checkError(t *testing.T, codec chunked.Codec, e *reqresp.Error) {
	t.Helper()
	wire, err := codec.AppendError(nil, "", e)
	if err != nil {
		t.Fatal(err)
	}
	err = codec.ReadResponse(codectest.Reader(wire), "", 1, new(any))
	if again, ok := errors.AsType[*reqresp.Error](err); !ok || *again != *e {
		t.Errorf("%v became %q and then %v", e, wire, err)
	}
}

// checkMessage checks the same of a message.
func checkMessage(t *testing.T, codec chunked.Codec, read any) {
	t.Helper()
	wire, err := codec.AppendResponse(nil, "", &read)
	if err != nil {
		t.Fatal(err)
	}
	var again any
	if err := codec.ReadResponse(codectest.Reader(wire), "", len(wire), &again); err != nil {
		t.Fatalf("%v became %q: %v", read, wire, err)
	}
	same, err := codec.AppendResponse(nil, "", &again)
	if err != nil || !bytes.Equal(same, wire) {
		t.Errorf("%q became %q, %v", wire, same, err)
	}
}
