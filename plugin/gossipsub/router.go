// Package gossipsub has a host take part in gossipsub without joining a topic.
//
// Consensus clients expect every peer to support gossipsub: Lighthouse bans a peer with which it cannot open
// a gossipsub stream. A host that has other uses for gossipsub runs a router of its own. For a host that has
// none, [Start] runs the router of go-libp2p-pubsub. It subscribes to nothing, publishes nothing and forwards
// nothing, and has the signature policy StrictNoSign of the consensus specs.
//
//	router, err := gossipsub.Start(host)
//	…
//	router.Stop()
//	host.Close()
//
// # What a peer costs
//
// A peer has two streams of gossipsub at most in each direction, if the host's resource manager has the
// limits of package resources. An RPC of more than 64 KiB resets the stream. All peers together may send 1
// MiB a second, in bursts of 128 KiB: what is beyond waits in the windows of their streams. Decoded, an RPC
// takes up to 6 MiB until it is dropped. The router keeps no subscriptions, no messages and no message IDs of
// peers: a peer has some hundred bytes for as long as its streams are open.
package gossipsub

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/time/rate"
)

// ServiceName is the name of the service to which the resource manager attributes the router's streams.
const ServiceName = "gossipsub"

// MaxRPC is the size of the largest RPC that the router reads, in bytes. A peer that follows all subnets announces
// its topics in less than half of that, also when it has those of two forks.
const MaxRPC = 64 << 10

// All peers together may send readRate bytes a second, in bursts of readBurst.
const (
	readRate  = 1 << 20
	readBurst = 128 << 10
)

// Protocols returns the protocol IDs of the router, the newest first. The caller owns the slice.
func Protocols() []protocol.ID {
	return []protocol.ID{pubsub.GossipSubID_v13, pubsub.GossipSubID_v12, pubsub.GossipSubID_v11}
}

// A Router is a gossipsub router that has joined no topic.
type Router struct {
	host   host.Host
	pace   *rate.Limiter // of what peers send
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	stopped  bool
	handlers sync.WaitGroup // of inbound streams
}

// Start runs a router on a host that has none. The host is borrowed. Stop ends the router.
func Start(h host.Host) (*Router, error) {
	r := &Router{host: h, pace: rate.NewLimiter(readRate, readBurst)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	if _, err := pubsub.NewGossipSub(r.ctx, boundedHost{h, r}, options()...); err != nil {
		r.Stop()
		return nil, fmt.Errorf("gossipsub: %w", err)
	}
	return r, nil
}

// Stop resets the router's streams and returns when none is handled any more. It may be called more than once.
func (r *Router) Stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	for _, id := range Protocols() {
		r.host.RemoveStreamHandler(id)
	}
	r.cancel()
	r.handlers.Wait()
}

// enter reports whether a stream may be handled. If so, its handler calls r.handlers.Done at its end.
func (r *Router) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return false
	}
	r.handlers.Add(1)
	return true
}

// options are those of a router without topics.
func options() []pubsub.Option {
	params := pubsub.DefaultGossipSubParams()
	// There are no messages that peers could name, and no peers to connect to.
	params.MaxIHaveMessages, params.MaxIDontWantMessages, params.Connectors, params.MaxPendingConnections = 0, 0, 0, 0
	quiet := slog.New(slog.DiscardHandler) // The router warns of what peers do wrong, as often as they do.
	return []pubsub.Option{
		pubsub.WithLogger(quiet),
		pubsub.WithRPCLogger(quiet),
		pubsub.WithGossipSubProtocols(Protocols(), features),
		pubsub.WithGossipSubParams(params),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithMaxMessageSize(MaxRPC),
		pubsub.WithSubscriptionFilter(noTopics{}),
		pubsub.WithPeerExchange(false),
		pubsub.WithFloodPublish(false),
		pubsub.WithValidateWorkers(1),
		pubsub.WithPeerOutboundQueueSize(1),
	}
}

// features are the default ones, with extensions for all versions: go-libp2p-pubsub v0.19 notes the extensions of
// every peer, but forgets them only where the version has any. This router announces none.
func features(feature pubsub.GossipSubFeature, id protocol.ID) bool {
	if feature == pubsub.GossipSubFeatureExtensions {
		return slices.Contains(Protocols(), id)
	}
	return pubsub.GossipSubDefaultFeatures(feature, id)
}

// noTopics keeps no subscriptions of peers.
type noTopics struct{}

// CanSubscribe implements pubsub.SubscriptionFilter.
func (noTopics) CanSubscribe(string) bool { return false }

// FilterIncomingSubscriptions implements pubsub.SubscriptionFilter.
func (noTopics) FilterIncomingSubscriptions(peer.ID, []*pb.RPC_SubOpts) ([]*pb.RPC_SubOpts, error) {
	return nil, nil
}
