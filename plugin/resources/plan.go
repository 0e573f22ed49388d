package resources

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// window is what yamux reserves for every stream. It ends a connection for whose stream it
// cannot, so that there have to be too many streams before there is too little memory.
const window = 256 << 10

// streamsFor returns how many streams, in and out, a host with so much memory may have: half of
// it is for their windows.
func streamsFor(memory int64) int { return int(memory / 2 / window) }

// inboundFor returns how many of them peers may open. Those that this host opens come first
// to an end.
func inboundFor(memory int64) int { return streamsFor(memory) * 3 / 4 }

// servable returns how many streams may be served. As many again may be in negotiation, where a
// peer can keep them for the ten seconds that libp2p gives it.
func servable(memory int64) int { return inboundFor(memory) / 2 }

// share is the part of what is left, of streams served and of the memory of their messages, that
// one peer may have: see reqresp.ServerOptions.
const share = 16

// sharing returns how many of the streams served a peer gets if it is the only one: a sixteenth of
// those that it leaves.
func sharing(maxStreams int) int { return max(1, (maxStreams+1)/(share+1)) }

// negotiating is how many streams a peer may have besides those that are served: in negotiation, and
// of libp2p's own protocols.
const negotiating = 16

// gossipPerPeer is how many streams of gossipsub a peer may have in each direction: one, and another that takes its
// place, or that belongs to a second connection.
const gossipPerPeer = 2

// gossipFor returns how many streams of gossipsub there may be in each direction. There is room for three times as many
// connections as peers, each with one, where a quarter of the memory is enough for their windows.
func gossipFor(memory int64, peers int) int { return min(3*peers, int(memory/4/2/window)) }

// A Plan is what a host's memory is divided into.
type Plan struct {
	// MaxStreams, MaxStreamsPerPeer and MaxMemory are those of the server, see
	// reqresp.ServerOptions.
	MaxStreams, MaxStreamsPerPeer, MaxMemory int
	// PeerStreams is how many streams a peer may have open, of all protocols and in negotiation.
	PeerStreams int
	// PeerMemory is how many bytes a peer may have reserved: windows of its streams and of those that are
	// opened to it, connections and messages.
	PeerMemory int64

	memory    int64
	peers     int
	inbound   int
	outbound  int
	calls     int // to one peer on one protocol
	allCalls  int // to one peer
	perMethod int
	gossip    int   // streams of gossipsub in each direction
	message   int64 // the most bytes that one exchange holds
	protocols []protocol.ID
}

// New makes a plan for a host that serves, and calls, some protocols. Options may be nil. The error
// names what is outside its range.
func New(specs []*reqresp.Spec, opts *Options) (*Plan, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	p := &Plan{
		MaxStreams:        o.MaxStreams,
		MaxStreamsPerPeer: min(o.MaxStreamsPerPeer, sharing(o.MaxStreams)),
		MaxMemory:         int(o.Memory / 4),
		memory:            o.Memory,
		peers:             o.Peers,
		inbound:           inboundFor(o.Memory),
		calls:             o.Calls,
	}
	names := make(map[string]bool)
	for _, spec := range specs {
		names[spec.Name()] = true
		p.protocols = append(p.protocols, spec.Protocols()...)
		p.message = max(p.message, int64(spec.Limits().MaxRequest)+int64(spec.Limits().MaxResponse))
	}
	slices.Sort(p.protocols)
	p.protocols = slices.Compact(p.protocols)
	p.outbound = streamsFor(o.Memory) - p.inbound
	p.PeerStreams = p.MaxStreamsPerPeer + negotiating
	p.allCalls = min(p.outbound/2, len(names)*p.calls+negotiating)
	p.perMethod = p.PeerStreams
	if o.PerMethod > 0 {
		p.perMethod = min(p.PeerStreams, 2*o.PerMethod)
	}
	if o.Gossipsub {
		p.gossip = gossipFor(o.Memory, o.Peers)
		p.PeerStreams += gossipPerPeer
	}
	p.PeerMemory = int64(p.PeerStreams+p.peerOutbound())*window + p.peerMessages() + connections
	return p, nil
}

// peerOutbound is how many streams may be opened to one peer, of all protocols.
func (p *Plan) peerOutbound() int {
	if p.gossip > 0 {
		return p.allCalls + gossipPerPeer
	}
	return p.allCalls
}

// connections is what a peer's connections may reserve: for windows that grow, and what mplex needs.
const connections = 16 * mib

// messages is what the scopes of all messages may have reserved. A scope is refused a request
// when it has used 60 % of its limit, and the server's own bound should come first.
func (p *Plan) messages() int64 { return 2 * int64(p.MaxMemory) }

// peerMessages is the same for one peer, which may always have one exchange.
func (p *Plan) peerMessages() int64 { return max(p.messages()/share, p.streamMemory()) }

// streamMemory is what one stream may reserve. Messages are somewhat larger encoded, and
// reservations are rounded up.
func (p *Plan) streamMemory() int64 { return max(16*mib, 2*p.message) }

// transient is how many inbound streams may have no protocol.
func (p *Plan) transient() int { return p.inbound - p.MaxStreams }

// negotiationSlots is how many of those a [Manager] shares: streams that it evicts go on for a moment.
func (p *Plan) negotiationSlots() int { return p.transient() - p.transient()/8 }
