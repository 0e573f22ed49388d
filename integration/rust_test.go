//go:build peers

package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// rustTransports are what both sides have.
var rustTransports = []struct{ name, listen string }{
	{"tcp", "/ip4/127.0.0.1/tcp/0"},
	{"quic", "/ip4/127.0.0.1/udp/0/quic-v1"},
}

// A rustPair is a Rust peer and a host of ours that can dial each other.
type rustPair struct {
	rust *rustpeer.Peer
	id   peer.ID // of the Rust peer
	host host.Host
	addr string // of the host, /p2p/ part included
}

// eachRustPair runs f for every transport.
func eachRustPair(t *testing.T, opts rustpeer.Options, f func(t *testing.T, p *rustPair)) {
	for _, transport := range rustTransports {
		t.Run(transport.name, func(t *testing.T) { f(t, newRustPair(t, opts, transport.listen)) })
	}
}

func newRustPair(t *testing.T, opts rustpeer.Options, listen string) *rustPair {
	t.Helper()
	p := &rustPair{rust: rusttest.Start(t, rustpeer.Current, opts), host: newHost(t, listen)}
	info, err := peer.AddrInfoFromString(rusttest.Listen(t, p.rust, listen))
	if err != nil {
		t.Fatal(err)
	}
	p.id = info.ID
	p.host.Peerstore().AddAddrs(info.ID, info.Addrs, time.Hour)
	ours := peer.AddrInfo{ID: p.host.ID(), Addrs: p.host.Addrs()}
	addrs, err := peer.AddrInfoToP2pAddrs(&ours)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = addrs[0].String()
	return p
}

// serve serves methods until the test ends.
func (p *rustPair) serve(t *testing.T, opts *reqresp.ServerOptions, methods ...reqresp.Method) {
	t.Helper()
	server := reqresp.NewServer(p.host, opts)
	server.Register(methods...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
}

// send has the Rust peer send a request to ours.
func (p *rustPair) send(t *testing.T, protocol string, message any) uint64 {
	t.Helper()
	return rusttest.Send(t, p.rust, rustpeer.Request{
		Protocol: protocol, Peer: p.host.ID().String(), Addrs: []string{p.addr}, Message: message,
	})
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func serveBytes(_ context.Context, _ peer.ID, req *frame) (*frame, error) { return bytesResponse(req) }

var bytesSizes = []struct{ request, response int }{{8, 0}, {64, 64}, {1 << 20, 1}, {100, 1 << 20}, {5 << 20, maxFrame}}

func TestRustAnswersBytes(t *testing.T) {
	eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) {
		client := reqresp.NewClient(p.host, nil)
		for _, size := range bytesSizes {
			resp, err := bytesProtocol.Call(deadline(t), client, p.id, bytesRequest(size.request, size.response))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(*resp, pattern[:size.response]) {
				t.Errorf("%d bytes in response, want %d of the pattern", len(*resp), size.response)
			}
			request := rusttest.Expect(t, p.rust, rustpeer.KindRequest)
			rusttest.SameJSON(t, request.Message,
				fmt.Sprintf(`{"request":%d,"response":%d,"intact":true}`, size.request, size.response))
			if sent := rusttest.Expect(t, p.rust, rustpeer.KindResponseSent); sent.ID != request.ID {
				t.Errorf("response to request %d sent, want to %d", sent.ID, request.ID)
			}
		}
	})
}

func TestRustAsksForBytes(t *testing.T) {
	eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) {
		p.serve(t, nil, bytesProtocol.Serve(func(ctx context.Context, from peer.ID, req *frame) (*frame, error) {
			if !bytes.Equal((*req)[8:], pattern[:len(*req)-8]) {
				return nil, errors.New("request is not of the pattern")
			}
			return serveBytes(ctx, from, req)
		}))
		for _, size := range bytesSizes {
			id := p.send(t, "bytes", rustpeer.Sizes{Request: size.request, Response: size.response})
			response := rusttest.Expect(t, p.rust, rustpeer.KindResponse)
			rusttest.SameJSON(t, response.Message, fmt.Sprintf(`{"response":%d,"intact":true}`, size.response))
			if response.ID != id || response.Peer != p.host.ID().String() {
				t.Errorf("response to request %d of %s, want %d of %s", response.ID, response.Peer, id, p.host.ID())
			}
		}
	})
}

func TestRustOneWay(t *testing.T) {
	eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) {
		client := reqresp.NewClient(p.host, nil)
		if err := oneWay.Send(deadline(t), client, p.id, new(frame("to Rust"))); err != nil {
			t.Fatal(err)
		}
		rusttest.SameJSON(t, rusttest.Expect(t, p.rust, rustpeer.KindRequest).Message, `{"text":"to Rust"}`)
		rusttest.Expect(t, p.rust, rustpeer.KindResponseSent)

		got := make(chan frame, 1)
		p.serve(t, nil, oneWay.Serve(func(_ context.Context, _ peer.ID, req *frame) error {
			got <- *req
			return nil
		}))
		p.send(t, "oneway", map[string]string{"text": "from Rust"})
		rusttest.Expect(t, p.rust, rustpeer.KindResponse)
		select {
		case req := <-got:
			if string(req) != "from Rust" {
				t.Errorf("request %q", req)
			}
		case <-deadline(t).Done():
			t.Error("no request came")
		}
	})
}

// Acceptance scenario 19, with both sides in both roles.
func TestRustFallsBackToOlderVersion(t *testing.T) {
	const v2, v1 = "/reqresp-test/versions/2", "/reqresp-test/versions/1"
	for _, test := range []struct {
		name         string
		rust         []string
		ours         []int
		asked, asker string
	}{
		{"both have both", []string{v2, v1}, []int{2, 1}, v2, v2},
		{"Rust is older", []string{v1}, []int{2, 1}, v1, v1},
		{"ours is older", []string{v2, v1}, []int{1}, v1, v1},
		{"each asker has its preference", []string{v1, v2}, []int{2, 1}, v2, v1},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newRustPair(t, rustpeer.Options{Versions: test.rust}, rustTransports[0].listen)
			versions := reqresp.NewUnary[frame, frame](frameFamily, "versions", frameLimits, test.ours...)
			out, err := reqresp.NewClient(p.host, nil).Open(deadline(t), p.id, versions.Spec())
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			resp, err := versions.Exchange(out, new(frame("hello")))
			if err != nil || string(*resp) != "hello" || string(out.Protocol()) != test.asked {
				t.Errorf("our request was answered %q, %v by %s, want hello by %s", resp, err, out.Protocol(), test.asked)
			}
			rusttest.SameJSON(t, rusttest.Expect(t, p.rust, rustpeer.KindRequest).Message,
				`{"text":"hello","protocol":"`+test.asked+`"}`)
			rusttest.Expect(t, p.rust, rustpeer.KindResponseSent)

			p.serve(t, nil, reqresp.Method{Spec: versions.Spec(), Handler: func(ctx context.Context, in *reqresp.Inbound) error {
				var req frame
				if err := in.Receive(ctx, &req); err != nil {
					return err
				}
				return in.Send(ctx, new(frame(in.Protocol())))
			}})
			p.send(t, "versions", map[string]string{"text": "hello"})
			rusttest.SameJSON(t, rusttest.Expect(t, p.rust, rustpeer.KindResponse).Message,
				`{"text":"`+test.asker+`","protocol":"`+test.asker+`"}`)
		})
	}
}

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

		p.serve(t, nil, reqresp.Method{Spec: bytesProtocol.Spec(), Handler: func(ctx context.Context, in *reqresp.Inbound) error {
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
		if err := <-failed; !errors.Is(err, reqresp.ErrDisconnected) {
			t.Errorf("our request: %v, want %v", err, reqresp.ErrDisconnected)
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
	eachRustPair(t, rustpeer.Options{Hold: []string{"bytes"}, Timeout: 500 * time.Millisecond}, func(t *testing.T, p *rustPair) {
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

// Acceptance scenario 6, with both sides in both roles: every request of a crowd that shares one dial gets its own response.
func TestRustConcurrentRequests(t *testing.T) {
	const crowd = 90
	eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) {
		client := reqresp.NewClient(p.host, nil)
		var wg sync.WaitGroup
		for n := range crowd {
			wg.Go(func() {
				resp, err := bytesProtocol.Call(deadline(t), client, p.id, bytesRequest(8, n))
				if err != nil || len(*resp) != n {
					t.Errorf("request %d: %v", n, err)
				}
			})
		}
		wg.Wait()
		for range 2 * crowd {
			event, err := p.rust.Next(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			if event.Kind == rustpeer.KindInboundFailure {
				t.Error(event)
			}
		}
	})
	eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) {
		p.serve(t, &reqresp.ServerOptions{MaxStreams: 16 * 2 * crowd, MaxStreamsPerPeer: crowd}, bytesProtocol.Serve(serveBytes))
		sizes := make(map[uint64]int)
		for n := range crowd {
			sizes[p.send(t, "bytes", rustpeer.Sizes{Request: 8, Response: n})] = n
		}
		for range crowd {
			response := rusttest.Expect(t, p.rust, rustpeer.KindResponse)
			var got struct{ Response int }
			if err := json.Unmarshal(response.Message, &got); err != nil {
				t.Fatal(err)
			}
			if want, ok := sizes[response.ID]; !ok || got.Response != want {
				t.Errorf("response of %d bytes to request %d, want %d", got.Response, response.ID, want)
			}
			delete(sizes, response.ID)
		}
	})
}

// Acceptance scenario 3: explicit addresses are dialed.
func TestRustExplicitAddress(t *testing.T) {
	eachRustPair(t, rustpeer.Options{}, func(t *testing.T, p *rustPair) {
		addrs := p.host.Peerstore().Addrs(p.id)
		p.host.Peerstore().ClearAddrs(p.id)
		client := reqresp.NewClient(p.host, nil)
		if _, err := bytesProtocol.Call(deadline(t), client, p.id, bytesRequest(8, 8)); reqresp.ReasonOf(err) != reqresp.ReasonDial {
			t.Errorf("without an address: %v, want a failure to dial", err)
		}
		withAddrs := client.With(reqresp.CallOptions{Addrs: addrs})
		if _, err := bytesProtocol.Call(deadline(t), withAddrs, p.id, bytesRequest(8, 8)); err != nil {
			t.Error(err)
		}
	})
}
