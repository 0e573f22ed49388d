//go:build peers

package integration_test

import (
	"context"
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
func (p *rustPair) serve(t *testing.T, opts *reqresp.ServerOptions, methods ...reqresp.Handler) {
	t.Helper()
	server := reqresp.NewServer(p.host, opts)
	server.Register(methods...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
