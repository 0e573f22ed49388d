package cbor_test

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/cbor"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
)

func TestScenario15CBORRoundTrip(t *testing.T) {
	codectest.RoundTrip(t, cbor.Codec{})
}

func TestScenario30CBORSizeLimit(t *testing.T) {
	codectest.Limits(t, cbor.Codec{})
}

func TestScenario31CBORTrailingBytes(t *testing.T) {
	wire := unhex("a1 64 6e616d65 61 61 ff ff")
	got := new(greet)
	if err := (cbor.Codec{}).ReadRequest(codectest.Reader(wire), "", len(wire), got); err != nil || got.Name != "a" {
		t.Errorf("got %+v, %v", got, err)
	}
	err := cbor.Codec{}.ReadRequest(codectest.Reader(wire), "", len(wire)-1, new(greet))
	if !errors.Is(err, reqresp.ErrTooLarge) {
		t.Errorf("over the limit: got %v", err)
	}
}
