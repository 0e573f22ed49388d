// Package rusttest has what tests with Rust peers share. What goes wrong ends the test.
package rusttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
)

const (
	startTimeout = 15 * time.Minute // a first build takes minutes
	timeout      = time.Minute      // for anything else, on a machine under load
)

// Start starts a peer, which is stopped when the test ends. The test is skipped where cargo is missing.
func Start(t testing.TB, program rustpeer.Program, opts rustpeer.Options) *rustpeer.Peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	p, err := rustpeer.Start(ctx, program, opts)
	if errors.Is(err, rustpeer.ErrNoCargo) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// Listen makes p listen and returns its address, /p2p/ part included.
func Listen(t testing.TB, p *rustpeer.Peer, addr string) string {
	t.Helper()
	return must(t, func(ctx context.Context) (string, error) { return p.Listen(ctx, addr) })
}

// Send has p send a request and returns its ID.
func Send(t testing.TB, p *rustpeer.Peer, r rustpeer.Request) uint64 {
	t.Helper()
	return must(t, func(ctx context.Context) (uint64, error) { return p.Send(ctx, r) })
}

// Expect returns p's next event about a request, which is of the kind given.
func Expect(t testing.TB, p *rustpeer.Peer, kind rustpeer.Kind) rustpeer.Event {
	t.Helper()
	return must(t, func(ctx context.Context) (rustpeer.Event, error) { return p.Expect(ctx, kind) })
}

// ExpectFailure returns p's next event about a request, which is a failure of that kind and Rust name.
func ExpectFailure(t testing.TB, p *rustpeer.Peer, kind rustpeer.Kind, failure string) rustpeer.Event {
	t.Helper()
	event := Expect(t, p, kind)
	if event.Failure != failure {
		t.Fatalf("event %v, want failure %s", event, failure)
	}
	return event
}

// Do carries out a command that has no result, such as one of p.Answer.
func Do(t testing.TB, command func(context.Context) error) {
	t.Helper()
	must(t, func(ctx context.Context) (struct{}, error) { return struct{}{}, command(ctx) })
}

func must[T any](t testing.TB, do func(context.Context) (T, error)) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	result, err := do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// SameJSON compares a message with what it should be. Numbers are the same if their values are.
func SameJSON(t testing.TB, got json.RawMessage, want string) {
	t.Helper()
	g, gotErr := decode(got)
	w, wantErr := decode([]byte(want))
	if err := errors.Join(gotErr, wantErr); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("message %s, want %s", got, want)
	}
}

func decode(text []byte) (any, error) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&value)
	return exact(value), err
}

// exact replaces numbers by their values in one notation, to the last digit.
func exact(value any) any {
	switch value := value.(type) {
	case json.Number:
		number, ok := new(big.Rat).SetString(value.String())
		if !ok {
			return value
		}
		return number.RatString()
	case []any:
		for i := range value {
			value[i] = exact(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = exact(value[key])
		}
	}
	return value
}
