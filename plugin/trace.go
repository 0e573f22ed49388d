package plugin

import (
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// both calls two hooks, either of which may be nil, one after the other.
func both[Info any](a, b func(Info)) func(Info) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(info Info) {
		a(info)
		b(info)
	}
}

func bothWith[Info, More any](a, b func(Info, More)) func(Info, More) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(info Info, more More) {
		a(info, more)
		b(info, more)
	}
}

// serverTraces returns hooks that tell two. The second may be nil.
func serverTraces(a, b *reqresp.ServerTrace) *reqresp.ServerTrace {
	if b == nil {
		return a
	}
	return &reqresp.ServerTrace{
		Start:      both(a.Start, b.Start),
		GotRequest: bothWith(a.GotRequest, b.GotRequest),
		Admitted:   both(a.Admitted, b.Admitted),
		WroteChunk: bothWith(a.WroteChunk, b.WroteChunk),
		Done:       bothWith(a.Done, b.Done),
	}
}

// clientTraces returns hooks that tell two. The second may be nil.
func clientTraces(a, b *reqresp.ClientTrace) *reqresp.ClientTrace {
	if b == nil {
		return a
	}
	return &reqresp.ClientTrace{
		Start:        both(a.Start, b.Start),
		Turn:         both(a.Turn, b.Turn),
		Connected:    both(a.Connected, b.Connected),
		Negotiated:   both(a.Negotiated, b.Negotiated),
		WroteRequest: bothWith(a.WroteRequest, b.WroteRequest),
		GotFirstByte: both(a.GotFirstByte, b.GotFirstByte),
		GotChunk:     bothWith(a.GotChunk, b.GotChunk),
		Done:         bothWith(a.Done, b.Done),
	}
}

// peerTraces returns hooks that tell two. The second may be nil.
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
