package plugin

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// both calls two hooks, the second of which may be nil, one after the other.
func both[Info any](a, b func(Info)) func(Info) {
	if b == nil {
		return a
	}
	return func(info Info) {
		a(info)
		b(info)
	}
}

func bothWith[Info, More any](a, b func(Info, More)) func(Info, More) {
	if b == nil {
		return a
	}
	return func(info Info, more More) {
		a(info, more)
		b(info, more)
	}
}

// peerTraces joins the hooks of the manager, which has all, with those of the configuration, which may be nil.
func peerTraces(a, b *beacon.PeerTrace) *beacon.PeerTrace {
	if b == nil {
		return a
	}
	status := a.Status
	if b.Status != nil {
		status = func(id peer.ID, ours, theirs beacon.Status) {
			a.Status(id, ours, theirs)
			b.Status(id, ours, theirs)
		}
	}
	return &beacon.PeerTrace{
		Connected:     bothWith(a.Connected, b.Connected),
		Disconnected:  both(a.Disconnected, b.Disconnected),
		Status:        status,
		Ping:          bothWith(a.Ping, b.Ping),
		Goodbye:       bothWith(a.Goodbye, b.Goodbye),
		Disconnecting: bothWith(a.Disconnecting, b.Disconnecting),
		Used:          both(a.Used, b.Used),
	}
}
