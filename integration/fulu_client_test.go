package integration_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A fuluClient is a peer that deals with others as Lodestar does in Fulu: what it asks for and in which
// order, what it grants, what it punishes and how, are those of its peer manager, its range sync and
// its score of Req/Resp. Lodestar itself cannot be had in a version of Fulu from the npm registry.
//
// When it has dialed it sends ping and status, and asks for metadata that it does not know. It then syncs
// an epoch at a time: blocks by range and, from Fulu on, the columns of the same slots that the other
// is to have in custody. It goes on with a ping every 20 s and a status every 5 min. A refused negotiation
// costs 10 points (all, if it is of ping), code 1 as many, code 2 and a timeout 5, and code 3
// nothing. With 20 points it hangs up and with 50 it bans, at a heartbeat every 30 s. A request beyond its
// quotas costs all.
type fuluClient struct {
	host   host.Host
	server *beacon.Server
	chain  *memoryChain
	to     peer.ID

	mu      sync.Mutex
	score   float64
	strikes []string
	asked   map[string][]time.Time // of it, by method
	columns int                    // requests for columns that were answered
	left    beacon.GoodbyeReason   // why it has hung up; 0 if it has not
}

const (
	lodestarHeartbeat = 30 * time.Second
	lodestarPing      = 20 * time.Second
	lodestarStatus    = 5 * time.Minute
	lodestarGone      = -20
	lodestarBan       = -50
	lodestarFatal     = -100
)

// lodestarQuotas are what it grants, by method.
var lodestarQuotas = map[string]struct {
	requests int
	per      time.Duration
}{
	"ping": {2, 10 * time.Second}, "metadata": {2, 5 * time.Second}, "status": {5, 15 * time.Second},
	"goodbye": {1, 10 * time.Second},
}

// newFuluClient starts a client on a host. Its chain has some blocks, or none.
func newFuluClient(h host.Host, n *ssz.Network, blocks []*beacon.Block) (*fuluClient, error) {
	c := &fuluClient{host: h, chain: &memoryChain{blocks: blocks}, asked: make(map[string][]time.Time)}
	c.server = beacon.NewServer(h, n, c.chain, &beacon.ServerOptions{Middleware: []reqresp.Middleware{c.count}})
	return c, c.server.Start()
}

// count holds what is asked of it against its quotas.
func (c *fuluClient) count(next reqresp.HandlerFunc) reqresp.HandlerFunc {
	return func(ctx context.Context, in *reqresp.Inbound) error {
		c.mu.Lock()
		name := in.Spec().Name()
		quota, now := lodestarQuotas[name], time.Now()
		recent := slices.DeleteFunc(c.asked[name], func(at time.Time) bool { return now.Sub(at) >= quota.per })
		c.asked[name] = append(recent, now)
		if quota.requests > 0 && len(c.asked[name]) > quota.requests {
			c.strike(lodestarFatal, name+": beyond the quota")
		}
		c.mu.Unlock()
		return next(ctx, in)
	}
}

// strike is called with mu held.
func (c *fuluClient) strike(points float64, why string) {
	c.score = max(lodestarFatal, c.score+points)
	c.strikes = append(c.strikes, fmt.Sprintf("%v for %s", points, why))
}

// judge counts a call that has failed.
func (c *fuluClient) judge(method string, err error) error {
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	why := fmt.Sprintf("%s: %v", method, err)
	verdict, refused := errors.AsType[*reqresp.Error](err)
	switch {
	case refused && verdict.Code == reqresp.CodeInvalidRequest:
		c.strike(-10, why)
	case refused && verdict.Code == reqresp.CodeServerError:
		c.strike(-5, why)
	case refused:
	case errors.Is(err, reqresp.ErrUnsupported) && method == "ping":
		c.strike(lodestarFatal, why)
	case errors.Is(err, reqresp.ErrTimeout) && method != "ping" && method != "status" && method != "metadata":
		c.strike(-5, why)
	default:
		c.strike(-10, why)
	}
	return err
}

// follow dials a peer, syncs from it and keeps it until ctx ends or it has had enough. It fails if it cannot dial.
func (c *fuluClient) follow(ctx context.Context, to peer.AddrInfo) error {
	c.to = to.ID
	if err := c.host.Connect(ctx, to); err != nil {
		return err
	}
	var tasks sync.WaitGroup
	defer tasks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tasks.Go(func() {
		c.ping(ctx)
		if theirs, err := c.status(ctx); err == nil {
			groups := c.metadata(ctx)
			_ = c.sync(ctx, theirs, groups)
		}
	})
	heartbeat, ping, status := time.NewTicker(lodestarHeartbeat), time.NewTicker(lodestarPing),
		time.NewTicker(lodestarStatus)
	defer heartbeat.Stop()
	defer ping.Stop()
	defer status.Stop()
	for {
		select {
		case <-ping.C:
			tasks.Go(func() { c.ping(ctx) })
		case <-status.C:
			tasks.Go(func() { _, _ = c.status(ctx) })
		case <-heartbeat.C:
			if c.leaves(ctx) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// leaves disconnects a peer that it does not keep, and reports whether it did.
func (c *fuluClient) leaves(ctx context.Context) bool {
	c.mu.Lock()
	switch {
	case c.score <= lodestarBan:
		c.left = beacon.GoodbyeBanned
	case c.score <= lodestarGone:
		c.left = beacon.GoodbyeBadScore
	default:
		c.mu.Unlock()
		return false
	}
	reason := c.left
	c.mu.Unlock()
	c.server.Disconnect(ctx, c.to, reason)
	return true
}

func (c *fuluClient) connected() bool {
	return c.host.Network().Connectedness(c.to) == network.Connected
}

func (c *fuluClient) ping(ctx context.Context) {
	_, err := c.server.Client().Ping(ctx, c.to, 0)
	if ctx.Err() == nil {
		_ = c.judge("ping", err)
	}
}

func (c *fuluClient) status(ctx context.Context) (beacon.Status, error) {
	ours, err := c.server.Status(ctx)
	if err != nil {
		return ours, err
	}
	theirs, err := c.server.Client().Status(ctx, c.to, ours)
	return theirs, c.judge("status", err)
}

// metadata returns the number of the peer's custody groups.
func (c *fuluClient) metadata(ctx context.Context) uint64 {
	m, err := c.server.Client().MetaData(ctx, c.to)
	if c.judge("metadata", err) != nil {
		return beacontest.FuluNetwork().Config().CustodyRequirement
	}
	return m.CustodyGroupCount
}

// sync asks for what a peer says to have, an epoch at a time. It tries a batch five times.
func (c *fuluClient) sync(ctx context.Context, theirs beacon.Status, groups uint64) error {
	id, err := beacon.NodeIDOf(c.to)
	if err != nil {
		return err
	}
	custody := beacon.CustodyColumns(id, groups)
	const epoch = 8
	for start := theirs.EarliestAvailableSlot; start <= theirs.HeadSlot; start += epoch {
		for try := 1; ; try++ {
			blocks, err := c.batch(ctx, start, min(epoch, uint64(theirs.HeadSlot-start)+1), custody)
			if err == nil {
				c.chain.add(blocks)
				break
			}
			if try == 5 || ctx.Err() != nil {
				return err
			}
		}
	}
	return nil
}

func (c *fuluClient) batch(
	ctx context.Context, start ssz.Slot, count uint64, custody []uint64,
) (blocks []*beacon.Block, err error) {
	for b, err := range c.server.Client().BlocksByRange(ctx, c.to, start, count) {
		if err != nil {
			return nil, c.judge("beacon_blocks_by_range", err)
		}
		blocks = append(blocks, b)
	}
	for _, err := range c.server.Client().DataColumnSidecarsByRange(ctx, c.to, start, count, custody) {
		if err != nil {
			return nil, c.judge("data_column_sidecars_by_range", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.columns++
	return blocks, nil
}

// A memoryChain is a chain of blocks in memory, which may grow.
type memoryChain struct {
	mu     sync.Mutex
	blocks []*beacon.Block
}

func (c *memoryChain) add(blocks []*beacon.Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks = append(c.blocks, blocks...)
}

func (c *memoryChain) known() []*beacon.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.blocks)
}

// Status implements beacon.Chain.
func (c *memoryChain) Status(context.Context) (s beacon.Status, err error) {
	if known := c.known(); len(known) > 0 {
		head := known[len(known)-1]
		s = beacon.Status{HeadSlot: head.Slot, HeadRoot: head.Root, EarliestAvailableSlot: known[0].Slot}
	}
	return s, nil
}

func (c *memoryChain) refs(wanted func(*beacon.Block) bool) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for _, b := range c.known() {
			ref := beacon.Ref{Slot: b.Slot, Root: b.Root, Size: len(b.SSZ), FramesSize: len(b.Frames)}
			if wanted(b) && !yield(ref, nil) {
				return
			}
		}
	}
}

// BlocksByRange implements beacon.Chain.
func (c *memoryChain) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return c.refs(func(b *beacon.Block) bool { return b.Slot >= start && uint64(b.Slot-start) < count })
}

// BlocksByRoot implements beacon.Chain.
func (c *memoryChain) BlocksByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return c.refs(func(b *beacon.Block) bool { return slices.Contains(roots, b.Root) })
}

func (*memoryChain) Sources() beacon.Sources { return beacon.Sources{} }

// AppendFrames implements beacon.Chain.
func (c *memoryChain) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	for _, b := range c.known() {
		if b.Root == ref.Root {
			return append(dst, b.Frames...), nil
		}
	}
	return dst, beacon.ErrDiscarded
}
