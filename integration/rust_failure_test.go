//go:build peers

package integration_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Acceptance scenario 20.
func TestRustUnsupportedProtocols(t *testing.T) {
	eachRustPair(t, rustpeer.Options{Versions: []string{"/reqresp-test/versions/3"}}, func(t *testing.T, p *rustPair) {
		_, err := versions.Call(deadline(t), reqresp.NewClient(p.host, nil), p.id, new(frame("hello")))
		if !errors.Is(err, reqresp.ErrUnsupported) {
			t.Errorf("our request: %v, want %v", err, reqresp.ErrUnsupported)
		}
		p.serve(t, nil, versions.Serve(serveBytes))
		p.send(t, "versions", map[string]string{"text": "hello"})
		rusttest.ExpectFailure(t, p.rust, rustpeer.KindOutboundFailure, "UnsupportedProtocols")
	})
}

// Acceptance scenario 5: an omitted response is noticed at once.
func TestRustResponseOmission(t *testing.T) {
	eachRustPair(t, rustpeer.Options{Hold: []string{"bytes"}}, func(t *testing.T, p *rustPair) {
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := bytesProtocol.Call(deadline(t), reqresp.NewClient(p.host, nil), p.id, bytesRequest(8, 8))
			if !errors.Is(err, reqresp.ErrNoResponse) {
				t.Errorf("our request: %v, want %v", err, reqresp.ErrNoResponse)
			}
		})
		request := rusttest.Expect(t, p.rust, rustpeer.KindRequest)
		rusttest.Do(t, func(ctx context.Context) error { return p.rust.Drop(ctx, "bytes", request.ID) })
		rusttest.ExpectFailure(t, p.rust, rustpeer.KindInboundFailure, "ResponseOmission")
		wg.Wait()

		p.serve(t, nil, reqresp.Handler{Spec: bytesProtocol.Spec(), Serve: func(ctx context.Context,
			in *reqresp.Inbound,
		) error {
			return in.Receive(ctx, new(frame))
		}})
		p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: 8})
		failure := rusttest.ExpectFailure(t, p.rust, rustpeer.KindOutboundFailure, "Io")
		if !strings.Contains(failure.Detail, "UnexpectedEof") {
			t.Errorf("%v, want UnexpectedEof", failure)
		}
	})
}

// Acceptance scenario 4, with both sides in both roles.
func TestRustConnectionCloses(t *testing.T) {
	eachRustPair(t, rustpeer.Options{Hold: []string{"bytes"}}, func(t *testing.T, p *rustPair) {
		failed := make(chan error, 1)
		go func() {
			_, err := bytesProtocol.Call(deadline(t), reqresp.NewClient(p.host, nil), p.id, bytesRequest(8, 8))
			failed <- err
		}()
		rusttest.Expect(t, p.rust, rustpeer.KindRequest)
		rusttest.Do(t, func(ctx context.Context) error { return p.rust.Disconnect(ctx, p.host.ID().String()) })
		// Rust ends its streams before the connection, cleanly where they are QUIC's.
		if err := <-failed; !errors.Is(err, reqresp.ErrDisconnected) && !errors.Is(err, reqresp.ErrNoResponse) {
			t.Errorf("our request: %v, want %v or %v", err, reqresp.ErrDisconnected, reqresp.ErrNoResponse)
		}
		rusttest.ExpectFailure(t, p.rust, rustpeer.KindInboundFailure, "ConnectionClosed")

		causes := make(chan error, 1)
		p.serve(t, nil, bytesProtocol.Serve(func(ctx context.Context, _ peer.ID, _ *frame) (*frame, error) {
			go p.host.Network().ClosePeer(p.id)
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil, ctx.Err()
		}))
		p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: 8})
		failure := rusttest.Expect(t, p.rust, rustpeer.KindOutboundFailure)
		if failure.Failure != "ConnectionClosed" && !strings.Contains(failure.Detail, "NotConnected") {
			t.Errorf("%v, want that the connection is closed, or the same from its stream", failure)
		}
		if err := <-causes; !errors.Is(err, reqresp.ErrDisconnected) {
			t.Errorf("our handler: %v, want %v", err, reqresp.ErrDisconnected)
		}
	})
}

// Acceptance scenarios 10 and 14: either side gives up on a slow one.
func TestRustTimeout(t *testing.T) {
	eachRustPair(t, rustpeer.Options{Hold: []string{"bytes"}, Timeout: 500 * time.Millisecond},
		func(t *testing.T, p *rustPair) {
			client := reqresp.NewClient(p.host, nil).With(reqresp.CallOptions{
				Timeouts: reqresp.Timeouts{FirstByte: 100 * time.Millisecond},
			})
			if _, err := bytesProtocol.Call(deadline(t), client, p.id, bytesRequest(8, 8)); !errors.Is(err, reqresp.ErrTimeout) {
				t.Errorf("our request: %v, want %v", err, reqresp.ErrTimeout)
			}
			rusttest.Expect(t, p.rust, rustpeer.KindRequest)
			rusttest.ExpectFailure(t, p.rust, rustpeer.KindInboundFailure, "Timeout")

			release := make(chan struct{})
			p.serve(t, nil, bytesProtocol.Serve(func(ctx context.Context, from peer.ID, req *frame) (*frame, error) {
				<-release
				return serveBytes(ctx, from, req)
			}))
			p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: 8})
			rusttest.ExpectFailure(t, p.rust, rustpeer.KindOutboundFailure, "Timeout")
			close(release)
		})
}

// Acceptance scenario 25, with both sides in both roles: what is over capacity fails, what is within succeeds.
func TestRustOverCapacity(t *testing.T) {
	eachRustPair(t, rustpeer.Options{Hold: []string{"bytes"}, MaxStreams: 2}, func(t *testing.T, p *rustPair) {
		client := reqresp.NewClient(p.host, nil)
		results := make(chan error)
		for range 3 {
			go func() {
				_, err := bytesProtocol.Call(deadline(t), client, p.id, bytesRequest(8, 8))
				results <- err
			}()
		}
		if err := <-results; err == nil || errors.Is(err, reqresp.ErrTimeout) {
			t.Errorf("our request over capacity: %v, want it to fail at once", err)
		}
		held := []uint64{
			rusttest.Expect(t, p.rust, rustpeer.KindRequest).ID,
			rusttest.Expect(t, p.rust, rustpeer.KindRequest).ID,
		}
		for _, id := range held {
			rusttest.Do(t, func(ctx context.Context) error { return p.rust.Answer(ctx, "bytes", id) })
			rusttest.Expect(t, p.rust, rustpeer.KindResponseSent)
			if err := <-results; err != nil {
				t.Errorf("our request within capacity: %v", err)
			}
		}

		release := make(chan struct{})
		p.serve(t, &reqresp.ServerOptions{MaxStreamsPerPeer: 1},
			bytesProtocol.Serve(func(ctx context.Context, from peer.ID, req *frame) (*frame, error) {
				<-release
				return serveBytes(ctx, from, req)
			}))
		p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: 8})
		p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: 8})
		rusttest.ExpectFailure(t, p.rust, rustpeer.KindOutboundFailure, "Io")
		close(release)
		rusttest.Expect(t, p.rust, rustpeer.KindResponse)
	})
}

// A refusal has no place in the codec, so it is a reset.
func TestRustIsRefused(t *testing.T) {
	eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) {
		p.serve(t, nil, bytesProtocol.Serve(serveBytes))
		p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: maxFrame + 1})
		rusttest.ExpectFailure(t, p.rust, rustpeer.KindOutboundFailure, "Io")
		p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: 8}) // the connection lives on
		rusttest.Expect(t, p.rust, rustpeer.KindResponse)
	})
}
