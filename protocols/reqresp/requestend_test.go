package reqresp_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// sendTrailing sends requests that are followed by bytes, each in some writes, and wants them refused unserved.
func sendTrailing(t *testing.T, client, server host.Host, tests map[string][]string) {
	t.Helper()
	serve(t, server, nil, echo.Serve(func(context.Context, peer.ID, *Text) (*Text, error) {
		t.Error("the request was served")
		return nil, nil
	}))
	for name, writes := range tests {
		stream := openRaw(t, client, server, echo.Spec().Protocols()[0])
		for _, b := range writes {
			_, _ = stream.Write([]byte(b)) // the server may have seen enough
		}
		_ = stream.CloseWrite()
		if got, err := io.ReadAll(stream); string(got) != trailing {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		_ = stream.Close()
	}
}

// Bytes after a request are found before it is served, however they arrive with it.
func TestBytesThatArriveWithARequestAreRefused(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		s.Connect(t)
		sendTrailing(t, s.Client, s.Server, map[string][]string{
			"in one write":            {"\x05hello!"},
			"in a write of their own": {"\x05hello", "!"},
			"a second request":        {"\x05hello", "\x05hello"},
			"after a long request":    {"\xff\x7f" + strings.Repeat("x", 1<<14-1) + "!"}, // more than is buffered
		})
	})
}

func TestBytesThatArriveWithARequestAreRefusedOnEveryTransport(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		sendTrailing(t, client, server, map[string][]string{
			"a byte":                     {"\x05hello!"},
			"more than any buffer holds": {"\x05hello" + strings.Repeat("x", 1<<16)},
		})
		wantNothingHeld(t, tr, client, server)
	})
}

// A byte that follows a request while that is answered ends the answer, and is the requester's fault.
func TestLateByteAfterARequestEndsItsAnswer(t *testing.T) {
	endless := reqresp.NewStream[Text, Text](family, "endless", 1)
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		done := make(chan reqresp.Result, 1)
		cause := make(chan error, 1)
		trace := &reqresp.Trace{Done: func(x *reqresp.Exchange) { done <- x.Result }}
		serve(t, server, &reqresp.ServerOptions{Trace: trace}, endless.Serve(
			func(ctx context.Context, _ peer.ID, req *Text, send func(*Text) error) error {
				err := send(req)
				<-ctx.Done()
				cause <- context.Cause(ctx)
				return errors.Join(err, ctx.Err())
			}))
		stream := openRaw(t, client, server, endless.Spec().Protocols()[0])
		_, _ = stream.Write([]byte("\x05hello"))
		if _, err := io.ReadFull(stream, make([]byte, len(echoes))); err != nil {
			t.Fatalf("no answer: %v", err)
		}
		_, _ = stream.Write([]byte("!"))
		_ = stream.CloseWrite() // so that mplex need not wait for the end
		_, err := io.ReadAll(stream)
		wantStreamError(t, tr, err, network.StreamProtocolViolation)
		for _, err := range []error{<-cause, (<-done).Err} {
			e, ok := errors.AsType[*reqresp.Error](err)
			if !ok || e.Remote || e.Code != reqresp.CodeInvalidRequest || !errors.Is(err, reqresp.ErrViolation) {
				t.Errorf("the exchange ended with %v", err)
			}
		}
		_ = stream.Close()
		wantNothingHeld(t, tr, client, server)
	})
}

// A requester that never closes its side is answered when its request is complete, in one chunk or many, and
// holds nothing of the server's afterwards.
func TestRequesterThatLeavesItsSideOpenIsAnsweredAtOnce(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		srv := serve(t, s.Server, nil, echo.Serve(echoed), counter.Serve(counted))
		s.Connect(t)
		for _, tt := range []struct {
			spec       *reqresp.Spec
			wire, want string
		}{
			{echo.Spec(), "\x05hello", echoes},
			{counter.Spec(), "\x010", ""},
			{counter.Spec(), "\x0250", strings.Repeat("\x00\x05chunk", 50)},
		} {
			start := time.Now()
			stream := openRaw(t, s.Client, s.Server, tt.spec.Protocols()[0])
			if got := answer(t, stream, tt.wire, true); got != tt.want {
				t.Errorf("%q: got %q", tt.wire, got)
			}
			if took := time.Since(start); took > 3*roundTrip {
				t.Errorf("%q: answered after %v", tt.wire, took)
			}
			time.Sleep(time.Second)
			if len(srv.Streams()) != 0 {
				t.Errorf("%q: the server still holds the stream", tt.wire)
			}
		}
	})
}

// A requester that half-closes late can, though it is answered before.
func TestLateHalfCloseDoesNotFail(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		s.Connect(t)
		stream := openRaw(t, s.Client, s.Server, echo.Spec().Protocols()[0])
		_, _ = stream.Write([]byte("\x05hello"))
		time.Sleep(100 * time.Millisecond)
		if err := stream.CloseWrite(); err != nil {
			t.Errorf("half-closing: %v", err)
		}
		if got, err := io.ReadAll(stream); string(got) != echoes || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		_ = stream.Close()
	})
}
