package json_test

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/internal/codectest"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
)

func TestScenario16JSONRoundTrip(t *testing.T) {
	codectest.RoundTrip(t, json.Codec{})
}

func TestScenario30JSONSizeLimit(t *testing.T) {
	codectest.Limits(t, json.Codec{})
}

func TestScenario31JSONTrailingBytes(t *testing.T) {
	text := `{"name":"a"} `
	if err := (json.Codec{}).ReadRequest(reader(text), "", limit, new(greet)); err != nil {
		t.Errorf("space: %v", err)
	}
	for _, trailing := range []string{"{}", "x", "\x00"} {
		if err := (json.Codec{}).ReadRequest(reader(text+trailing), "", limit, new(greet)); err == nil {
			t.Errorf("%q was accepted", trailing)
		}
	}
	if err := (json.Codec{}).ReadRequest(reader(text), "", len(text)-1, new(greet)); !errors.Is(err, reqresp.ErrTooLarge) {
		t.Errorf("trailing space over the limit: got %v", err)
	}
}
