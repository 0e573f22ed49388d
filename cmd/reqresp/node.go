package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	gethlog "github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// nodeConfig is that of a go-ethereum node which does nothing but run the service.
func nodeConfig(datadir string) *node.Config {
	return &node.Config{
		Name:    "reqresp",
		DataDir: datadir,
		P2P:     p2p.Config{NoDiscovery: true, NoDial: true},
		Logger:  gethlog.NewLogger(slog.DiscardHandler),
	}
}

// newNode makes a node. Its Close releases the datadir.
func newNode(nc *node.Config) (*node.Node, error) {
	stack, err := node.New(nc)
	if errors.Is(err, node.ErrDatadirUsed) {
		return nil, fmt.Errorf("%s is in use by another process: stop that, or choose another --datadir", nc.DataDir)
	}
	if err != nil {
		return nil, fmt.Errorf("datadir: %w", err)
	}
	return stack, nil
}

// An instance is a node that runs the service.
type instance struct {
	*plugin.Service
	stack *node.Node
}

// newInstance makes a node with the service on it, which is not started yet.
func newInstance(nc *node.Config, chain beacon.Chain, cfg plugin.Config) (*instance, error) {
	stack, err := newNode(nc)
	if err != nil {
		return nil, err
	}
	service, err := plugin.New(stack, chain, cfg)
	if err != nil {
		return nil, errors.Join(err, stack.Close())
	}
	return &instance{service, stack}, nil
}

// start starts a node with the service on it, without servers for operators. With an empty datadir
// nothing of it is kept.
func start(datadir string, chain beacon.Chain, cfg plugin.Config) (*instance, error) {
	i, err := newInstance(nodeConfig(datadir), chain, cfg)
	if err != nil {
		return nil, err
	}
	if err := i.stack.Start(); err != nil {
		return nil, err // The node has closed itself.
	}
	return i, nil
}

// startAsker starts a node without a chain, which only asks.
func (a *app) startAsker(network *ssz.Network, c *config.Config, watch *goodbyeWatch) (*instance, error) {
	return start("", beacon.NoChain, plugin.Config{
		Network: network, Listen: localListen(), NoGossipsub: c.Service.NoGossipsub,
		PeerTrace: watch.trace(), Logger: a.logger(c),
	})
}

// How long a peer is waited for that may ask something in turn, as of metadata after a ping: until it has not been seen
// asking for so many looks, 250 ms, and 2 s at most.
const (
	settleLook  = 10 * time.Millisecond
	settleLooks = 25
	settleMost  = 2 * time.Second
)

// settle lets a peer be answered what it asks in turn, before this node hangs up. It does not wait once ctx has ended.
func (i *instance) settle(ctx context.Context, id peer.ID) {
	ctx, cancel := context.WithTimeout(ctx, settleMost)
	defer cancel()
	tick := time.NewTicker(settleLook)
	defer tick.Stop()
	for quiet := 0; quiet < settleLooks; quiet++ {
		switch asks, connected := i.isAsking(id); {
		case !connected:
			return
		case asks:
			quiet = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// isAsking reports whether a peer has a request in flight, or a stream on which one may come.
func (i *instance) isAsking(id peer.ID) (asks, connected bool) {
	conns := i.Host().Network().ConnsToPeer(id)
	for _, conn := range conns {
		for _, stream := range conn.GetStreams() {
			protocol := string(stream.Protocol()) // none while it is negotiated
			ours := protocol == "" || strings.HasPrefix(protocol, beacon.ProtocolPrefix)
			asks = asks || ours && stream.Stat().Direction == network.DirInbound
		}
	}
	return asks, len(conns) > 0
}

// close says goodbye to the peers and stops the node. What it fails with is joined to err.
func (i *instance) close(err *error) {
	if closing := explainStop(i.stack.Close()); closing != nil {
		*err = errors.Join(*err, fmt.Errorf("stopping: %w", closing))
	}
}

// explainStop returns what has failed at the stop of a node, without the types of what was stopped.
func explainStop(err error) error {
	stop, ok := errors.AsType[*node.StopError](err)
	if !ok {
		return err
	}
	return errors.Join(append(slices.Collect(maps.Values(stop.Services)), stop.Server)...)
}

// localListen are the addresses of a node that only asks: peers that it has dialed reach it over
// the connection, others have no business with it.
func localListen() []string {
	return []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"}
}

// peer reads the first argument as a PEER: a multiaddr or a node record.
func (in *invocation) peer() (peer.AddrInfo, error) {
	info, err := discovery.ParsePeer(in.arg(0))
	if err != nil {
		return peer.AddrInfo{}, in.usagef("PEER %w", err)
	}
	return info, nil
}

const dialTimeout = 15 * time.Second

// maxHandshakes is how often a handshake is tried.
const maxHandshakes = 3

// handshake connects to a peer and exchanges statuses. If the peer turns out to be irrelevant,
// its status is returned beside the error.
func (i *instance) handshake(ctx context.Context, to peer.AddrInfo) (beacon.Status, error) {
	// Calls that come later have to find the peer again, however late.
	i.Host().Peerstore().AddAddrs(to.ID, to.Addrs, peerstore.PermanentAddrTTL)
	for n := 1; ; n++ {
		if err := i.connect(ctx, to); err != nil {
			return beacon.Status{}, err
		}
		status, err := i.Server().Handshake(ctx, to.ID)
		final := err == nil || errors.Is(err, beacon.ErrIrrelevant) || errors.Is(err, reqresp.ErrTimeout)
		if final || ctx.Err() != nil || n == maxHandshakes {
			return status, err
		}
		// A peer that finds this node irrelevant answers, says goodbye and hangs up. What has
		// arrived and was not read yet goes with a QUIC connection: ask again.
	}
}

func (i *instance) connect(ctx context.Context, to peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := i.Host().Connect(ctx, to); err != nil {
		return fmt.Errorf("no connection to the peer: %w", err)
	}
	return nil
}
