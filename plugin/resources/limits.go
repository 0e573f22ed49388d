package resources

import (
	"math"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin/gossipsub"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Limits returns the limits of the plan's protocols, and of the service that they
// belong to, for a host that has others too. The map is the caller's, who merges it into limits
// of his own and builds those on defaults:
//
//	mine.Apply(plan.Limits())
//	limiter := rcmgr.NewFixedLimiter(mine.Build(rcmgr.DefaultLimits.AutoScale()))
func (p *Plan) Limits() rcmgr.PartialLimitConfig {
	// How many are served is for the server to bound: it has a peer with many make room for one with
	// none, whose stream comes before the other is gone, and those that it refuses linger on mplex.
	service := rcmgr.ResourceLimits{
		StreamsInbound:  rcmgr.LimitVal(p.inbound),
		StreamsOutbound: rcmgr.LimitVal(p.outbound),
		Streams:         rcmgr.LimitVal(p.inbound + p.outbound),
		Memory:          rcmgr.LimitVal64(p.messages()),
	}
	servicePeer := rcmgr.ResourceLimits{
		StreamsInbound:  rcmgr.LimitVal(p.PeerStreams),
		StreamsOutbound: rcmgr.LimitVal(p.allCalls),
		Streams:         rcmgr.LimitVal(p.PeerStreams + p.allCalls),
		Memory:          rcmgr.LimitVal64(p.peerMessages()),
	}
	limits := rcmgr.PartialLimitConfig{
		Service:      map[string]rcmgr.ResourceLimits{reqresp.ServiceName: service},
		ServicePeer:  map[string]rcmgr.ResourceLimits{reqresp.ServiceName: servicePeer},
		Protocol:     make(map[protocol.ID]rcmgr.ResourceLimits),
		ProtocolPeer: make(map[protocol.ID]rcmgr.ResourceLimits),
		Stream:       rcmgr.ResourceLimits{Memory: rcmgr.LimitVal64(p.streamMemory())},
	}
	for _, id := range p.protocols {
		limits.Protocol[id] = service
		limits.ProtocolPeer[id] = rcmgr.ResourceLimits{
			StreamsInbound:  rcmgr.LimitVal(p.perMethod),
			StreamsOutbound: rcmgr.LimitVal(2 * p.calls),
			Streams:         rcmgr.LimitVal(p.perMethod + 2*p.calls),
			Memory:          rcmgr.LimitVal64(p.peerMessages()),
		}
	}
	p.limitGossip(&limits)
	return limits
}

// limitGossip adds the limits of gossipsub, if the plan has any. A router reserves no memory for messages.
func (p *Plan) limitGossip(limits *rcmgr.PartialLimitConfig) {
	if p.gossip == 0 {
		return
	}
	all, peer := bothWays(p.gossip), bothWays(gossipPerPeer)
	limits.Service[gossipsub.ServiceName], limits.ServicePeer[gossipsub.ServiceName] = all, peer
	for _, id := range gossipsub.Protocols() {
		limits.Protocol[id], limits.ProtocolPeer[id] = all, peer
	}
}

// bothWays returns limits of as many streams in each direction.
func bothWays(streams int) rcmgr.ResourceLimits {
	n := rcmgr.LimitVal(streams)
	return rcmgr.ResourceLimits{StreamsInbound: n, StreamsOutbound: n, Streams: 2 * n}
}

// HostLimits returns all limits of a host that has no protocols but the plan's and libp2p's
// own: go-libp2p's defaults, scaled to the plan's memory, with what is planned in their place.
func (p *Plan) HostLimits() rcmgr.ConcreteLimitConfig {
	scaling := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaling)
	// How many files the process may open, only AutoScale knows.
	files := int(scaling.AutoScale().ToPartialLimitConfig().System.FD)
	defaults := scaling.Scale(p.memory, files)

	limits := p.Limits()
	known := defaults.ToPartialLimitConfig().System
	shaking := defaults.ToPartialLimitConfig().Transient
	limits.System = rcmgr.ResourceLimits{
		StreamsInbound:  rcmgr.LimitVal(p.inbound + p.gossip),
		StreamsOutbound: rcmgr.LimitVal(p.outbound + p.gossip),
		Streams:         rcmgr.LimitVal(p.inbound + p.outbound + 2*p.gossip),
		ConnsInbound:    max(known.ConnsInbound, rcmgr.LimitVal(3*p.peers)),
		ConnsOutbound:   max(known.ConnsOutbound, rcmgr.LimitVal(3*p.peers)),
		Conns:           max(known.Conns, rcmgr.LimitVal(3*p.peers)),
		Memory:          rcmgr.LimitVal64(p.memory),
	}
	limits.Transient = rcmgr.ResourceLimits{
		StreamsInbound:  rcmgr.LimitVal(p.transient()),
		StreamsOutbound: rcmgr.LimitVal(p.outbound),
		Streams:         rcmgr.LimitVal(p.transient() + p.outbound),
		// Two of three connections may be in their handshakes: libp2p's few dozen are taken by any that come at once.
		ConnsInbound: max(shaking.ConnsInbound, rcmgr.LimitVal(2*p.peers)),
		Conns:        max(shaking.Conns, rcmgr.LimitVal(2*p.peers)+shaking.ConnsOutbound),
	}
	limits.PeerDefault = rcmgr.ResourceLimits{
		StreamsInbound:  rcmgr.LimitVal(p.PeerStreams),
		StreamsOutbound: rcmgr.LimitVal(p.peerOutbound()),
		Streams:         rcmgr.LimitVal(p.PeerStreams + p.peerOutbound()),
		Memory:          rcmgr.LimitVal64(p.PeerMemory),
	}
	return limits.Build(defaults)
}

// Peers of one public address may have a part of all connections. libp2p's own bound, eight, would be reached by
// the peers behind one large NAT.
const (
	addressPart = 8 // one in so many, of one address (IPv6: of a /56)
	networkPart = 2 // of an IPv6 /48
)

// AddressLimits returns how many connections one address may have, for the options of rcmgr.NewResourceManager:
// an eighth of three times Options.Peers for a public address, and no less than libp2p's eight. Twice as many may
// come at once, and all of them anew in 40 seconds. Addresses of limits.PrivateNetworks have no bounds of their own.
func (p *Plan) AddressLimits() []rcmgr.Option {
	address, prefix := max(8, 3*p.peers/addressPart), max(8, 3*p.peers/networkPart)
	var v4, v6 []rcmgr.NetworkPrefixLimit
	rates := &rate.Limiter{SubnetRateLimiter: rate.SubnetLimiter{
		IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: connRate(address)}},
		IPv6SubnetLimits: []rate.SubnetLimit{
			{PrefixLength: 56, Limit: connRate(address)}, {PrefixLength: 48, Limit: connRate(prefix)},
		},
		GracePeriod: time.Minute,
	}}
	for _, network := range limits.PrivateNetworks() {
		limit := rcmgr.NetworkPrefixLimit{Network: network, ConnCount: math.MaxInt}
		if network.Addr().Is4() {
			v4 = append(v4, limit)
		} else {
			v6 = append(v6, limit)
		}
		rates.NetworkPrefixLimits = append(rates.NetworkPrefixLimits, rate.PrefixLimit{Prefix: network})
	}
	return []rcmgr.Option{
		rcmgr.WithNetworkPrefixLimit(v4, v6),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: address}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: address}, {PrefixLength: 48, ConnCount: prefix}}),
		rcmgr.WithConnRateLimiters(rates),
	}
}

// connRate is libp2p's rate of new connections, for more of them.
func connRate(conns int) rate.Limit { return rate.Limit{RPS: float64(conns) / 40, Burst: 2 * conns} }
