//go:build peers

package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

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
			versions := reqresp.NewUnary[frame, frame](frameFamily, "versions", test.ours...).WithLimits(frameLimits)
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

			p.serve(t, nil, reqresp.Handler{Spec: versions.Spec(), Serve: func(ctx context.Context, in *reqresp.Inbound) error {
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

// Acceptance scenario 6, with both sides in both roles: every request of a crowd that shares one dial gets its own
// response.
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
		p.serve(t, &reqresp.ServerOptions{MaxStreams: 16 * 2 * crowd, MaxStreamsPerPeer: crowd},
			bytesProtocol.Serve(serveBytes))
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
		if _, err := bytesProtocol.Call(deadline(t), client, p.id,
			bytesRequest(8, 8)); reqresp.ReasonOf(err) != reqresp.ReasonDial {
			t.Errorf("without an address: %v, want a failure to dial", err)
		}
		withAddrs := client.With(reqresp.CallOptions{Addrs: addrs})
		if _, err := bytesProtocol.Call(deadline(t), withAddrs, p.id, bytesRequest(8, 8)); err != nil {
			t.Error(err)
		}
	})
}
