//go:build peers

package rustpeer_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/seed-2dd5877b/reqresp/integration/internal/rusttest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
)

const message = `{"text":"täxt","number":18446744073709551615,"bytes":[24,112,0,255],"note":null,"variant":{"Pair":[7,"seven"]},"ratio":1.5}`

// dial connects a peer to another over TCP.
func dial(t *testing.T, from, to *rustpeer.Peer) {
	t.Helper()
	addr := rusttest.Listen(t, to, "/ip4/127.0.0.1/tcp/0")
	rusttest.Do(t, func(ctx context.Context) error { return from.Dial(ctx, addr) })
}

func TestCurrentPeersExchange(t *testing.T) {
	for _, transport := range []struct{ name, listen string }{
		{"tcp", "/ip4/127.0.0.1/tcp/0"},
		{"quic", "/ip4/127.0.0.1/udp/0/quic-v1"},
	} {
		t.Run(transport.name, func(t *testing.T) {
			server := rusttest.Start(t, rustpeer.Current, rustpeer.Options{})
			client := rusttest.Start(t, rustpeer.Current, rustpeer.Options{})
			addr := rusttest.Listen(t, server, transport.listen)
			for _, test := range []struct{ protocol, request, received, response string }{
				{"cbor", message, message, `{"message":` + message + `,"sum":391}`},
				{"json", message, message, `{"message":` + message + `,"sum":391}`},
				{
					"bytes", `{"request":64,"response":1048576}`,
					`{"request":64,"response":1048576,"intact":true}`, `{"response":1048576,"intact":true}`,
				},
				{"oneway", `{"text":"off you go"}`, `{"text":"off you go"}`, `null`},
				{
					"versions", `{"text":"newest"}`,
					`{"text":"newest","protocol":"/reqresp-test/versions/2"}`,
					`{"text":"newest","protocol":"/reqresp-test/versions/2"}`,
				},
			} {
				t.Run(test.protocol, func(t *testing.T) {
					id := rusttest.Send(t, client, rustpeer.Request{
						Protocol: test.protocol, Peer: server.ID(), Addrs: []string{addr},
						Message: json.RawMessage(test.request),
					})
					request := rusttest.Expect(t, server, rustpeer.KindRequest)
					rusttest.SameJSON(t, request.Message, test.received)
					response := rusttest.Expect(t, client, rustpeer.KindResponse)
					rusttest.SameJSON(t, response.Message, test.response)
					sent := rusttest.Expect(t, server, rustpeer.KindResponseSent)
					if response.ID != id || response.Peer != server.ID() || response.Protocol != test.protocol {
						t.Errorf("response %d of %s to %s, want %d of %s to %s",
							response.ID, response.Peer, response.Protocol, id, server.ID(), test.protocol)
					}
					if sent.ID != request.ID || request.Peer != client.ID() {
						t.Errorf("request %d of %s was answered as %d", request.ID, request.Peer, sent.ID)
					}
				})
			}
		})
	}
}

func TestCurrentFallsBackToOlderVersion(t *testing.T) {
	server := rusttest.Start(t, rustpeer.Current, rustpeer.Options{Versions: []string{"/reqresp-test/versions/1"}})
	client := rusttest.Start(t, rustpeer.Current, rustpeer.Options{})
	addr := rusttest.Listen(t, server, "/ip4/127.0.0.1/tcp/0")
	rusttest.Send(t, client, rustpeer.Request{
		Protocol: "versions", Peer: server.ID(), Addrs: []string{addr}, Message: map[string]string{"text": "old"},
	})
	rusttest.SameJSON(t, rusttest.Expect(t, client, rustpeer.KindResponse).Message,
		`{"text":"old","protocol":"/reqresp-test/versions/1"}`)
}

func TestCurrentHoldsRequests(t *testing.T) {
	server := rusttest.Start(t, rustpeer.Current, rustpeer.Options{Hold: []string{"bytes"}})
	client := rusttest.Start(t, rustpeer.Current, rustpeer.Options{})
	dial(t, client, server)
	ask := rustpeer.Request{Protocol: "bytes", Peer: server.ID(), Message: rustpeer.Sizes{Request: 8, Response: 3}}

	t.Run("answered", func(t *testing.T) {
		rusttest.Send(t, client, ask)
		request := rusttest.Expect(t, server, rustpeer.KindRequest)
		rusttest.Do(t, func(ctx context.Context) error { return server.Answer(ctx, "bytes", request.ID) })
		rusttest.Expect(t, server, rustpeer.KindResponseSent)
		rusttest.SameJSON(t, rusttest.Expect(t, client, rustpeer.KindResponse).Message, `{"response":3,"intact":true}`)
		if err := server.Answer(t.Context(), "bytes", request.ID); err == nil {
			t.Error("answered twice")
		}
	})
	t.Run("dropped", func(t *testing.T) {
		rusttest.Send(t, client, ask)
		request := rusttest.Expect(t, server, rustpeer.KindRequest)
		rusttest.Do(t, func(ctx context.Context) error { return server.Drop(ctx, "bytes", request.ID) })
		rusttest.ExpectFailure(t, server, rustpeer.KindInboundFailure, "ResponseOmission")
		rusttest.ExpectFailure(t, client, rustpeer.KindOutboundFailure, "Io")
	})
	t.Run("connection closed", func(t *testing.T) {
		rusttest.Send(t, client, ask)
		rusttest.Expect(t, server, rustpeer.KindRequest)
		rusttest.Do(t, func(ctx context.Context) error { return client.Disconnect(ctx, server.ID()) })
		rusttest.ExpectFailure(t, server, rustpeer.KindInboundFailure, "ConnectionClosed")
		rusttest.ExpectFailure(t, client, rustpeer.KindOutboundFailure, "ConnectionClosed")
	})
}

func TestCurrentMeasures(t *testing.T) {
	server := rusttest.Start(t, rustpeer.Current, rustpeer.Options{Quiet: true})
	client := rusttest.Start(t, rustpeer.Current, rustpeer.Options{Quiet: true})
	work := rustpeer.Work{Requests: 100, Concurrent: 8, RequestSize: 64, ResponseSize: 1000}
	if m, err := client.Measure(t.Context(), server.ID(), work); err == nil {
		t.Errorf("measured %v without a connection", m)
	}
	dial(t, client, server)
	m, err := client.Measure(t.Context(), server.ID(), work)
	if err != nil {
		t.Fatal(err)
	}
	if m.Requests != 100 || m.Bytes != 100_000 || m.Elapsed <= 0 {
		t.Errorf("measured %+v, want 100 requests with 100000 bytes", m)
	}
}

func TestIdentityComesFromSeed(t *testing.T) {
	for _, program := range []rustpeer.Program{rustpeer.Current, rustpeer.Throttled, rustpeer.Gossip} {
		one := rusttest.Start(t, program, rustpeer.Options{Seed: 1})
		again := rusttest.Start(t, program, rustpeer.Options{Seed: 1})
		other := rusttest.Start(t, program, rustpeer.Options{})
		if one.ID() != again.ID() || one.ID() == other.ID() {
			t.Errorf("%s: identities %s and %s of one seed, %s of none", program, one.ID(), again.ID(), other.ID())
		}
	}
}

func TestThrottledPeersExchange(t *testing.T) {
	server := rusttest.Start(t, rustpeer.Throttled, rustpeer.Options{Hold: []string{"ping"}})
	client := rusttest.Start(t, rustpeer.Throttled, rustpeer.Options{})
	rusttest.Do(t, func(ctx context.Context) error { return server.SetReceiveLimit(ctx, 2) })
	ping := rustpeer.Request{
		Protocol: "ping", Peer: server.ID(), Addrs: []string{rusttest.Listen(t, server, "/ip4/127.0.0.1/tcp/0")},
		Message: map[string]string{"text": "ping"},
	}
	// One request is free.
	id := rusttest.Send(t, client, ping)
	if _, err := client.Send(t.Context(), ping); !errors.Is(err, rustpeer.ErrNoCredit) {
		t.Fatalf("second request: error %v, want %v", err, rustpeer.ErrNoCredit)
	}
	request := rusttest.Expect(t, server, rustpeer.KindRequest)
	rusttest.SameJSON(t, request.Message, `{"text":"ping"}`)
	if can, err := client.CanSend(t.Context(), server.ID()); can || err != nil {
		t.Errorf("CanSend: %v, %v before the response, want false", can, err)
	}
	// Its response brings credit for two.
	rusttest.Do(t, func(ctx context.Context) error { return server.Answer(ctx, "ping", request.ID) })
	var kinds []rustpeer.Kind
	for range 2 { // in either order
		event, err := client.Next(t.Context())
		if err == nil && event.Kind == rustpeer.KindConnected {
			event, err = client.Next(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if event.Kind == rustpeer.KindResponse && event.ID != id {
			t.Errorf("response to request %d, want %d", event.ID, id)
		}
		kinds = append(kinds, event.Kind)
	}
	want := [][]rustpeer.Kind{
		{rustpeer.KindResumeSending, rustpeer.KindResponse}, {rustpeer.KindResponse, rustpeer.KindResumeSending},
	}
	if !reflect.DeepEqual(kinds, want[0]) && !reflect.DeepEqual(kinds, want[1]) {
		t.Errorf("events %v, want a response and credit", kinds)
	}
	rusttest.Expect(t, server, rustpeer.KindResponseSent)
	for range 2 {
		rusttest.Send(t, client, ping)
		rusttest.Expect(t, server, rustpeer.KindRequest)
	}
	if _, err := client.Send(t.Context(), ping); !errors.Is(err, rustpeer.ErrNoCredit) {
		t.Errorf("after two more: error %v, want %v", err, rustpeer.ErrNoCredit)
	}
}

func TestGossipPeersSeeSubscriptions(t *testing.T) {
	server := rusttest.Start(t, rustpeer.Gossip, rustpeer.Options{})
	client := rusttest.Start(t, rustpeer.Gossip, rustpeer.Options{})
	dial(t, client, server)
	seen := make(map[string]bool)
	for range 64 {
		event := rusttest.Expect(t, client, rustpeer.KindSubscribed)
		if event.Peer != server.ID() || seen[event.Topic] {
			t.Fatalf("event %v of %s, want another topic of %s", event, event.Peer, server.ID())
		}
		seen[event.Topic] = true
	}
}
