package reqresp

import (
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
)

// CallOptions are the optional settings of single calls, for [Client.With]. The zero
// value changes nothing.
//
// What libp2p lets a context say is not among them, but obeyed: see
// network.WithNoDial for a peer that must be connected already,
// network.WithAllowLimitedConn for one that may be asked over a relay, and
// network.WithForceDirectDial.
type CallOptions struct {
	// Addrs are dialed, besides those that the host knows, if the peer is not
	// connected. The host remembers them for some minutes.
	Addrs []multiaddr.Multiaddr
	// Protocols are proposed, in this order, instead of all those that the call would
	// propose, of which each must be one. None proposes them all.
	Protocols []protocol.ID
	// Timeouts replace those of the protocol. Fields that are zero keep the
	// protocol's.
	Timeouts Timeouts
	// Items is what the call asks for, in what peers count: chunks, most often. It is for the
	// client's CallPacer. Zero means one.
	Items int
}

// proposal returns the protocol IDs to negotiate, most preferred first.
func (o *CallOptions) proposal(specs []*Spec) ([]protocol.ID, error) {
	if len(o.Protocols) == 0 && len(specs) == 1 {
		return specs[0].Protocols, nil
	}
	var all []protocol.ID
	for _, spec := range specs {
		all = append(all, spec.Protocols...)
	}
	if len(o.Protocols) == 0 {
		return all, nil
	}
	for _, id := range o.Protocols {
		if !slices.Contains(all, id) {
			return nil, fmt.Errorf("reqresp: CallOptions.Protocols has %q, %s has %q", id, specs[0].Name, all)
		}
	}
	return o.Protocols, nil
}

// preferred returns the first of the protocol IDs to negotiate.
func (o *CallOptions) preferred(specs []*Spec) protocol.ID {
	if len(o.Protocols) > 0 {
		return o.Protocols[0]
	}
	return specs[0].Protocols[0]
}
