package beacon_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A counter is a pacer that counts what is asked for, and how many requests of a method are
// under way.
type counter struct {
	hold chan struct{} // delays requests until it is closed, if not nil

	mu     sync.Mutex
	items  map[string]int
	active map[string]int
}

func newCounter() *counter {
	return &counter{items: make(map[string]int), active: make(map[string]int)}
}

func (c *counter) Wait(_ context.Context, _ peer.ID, method string, items int) error {
	c.mu.Lock()
	c.items[method] += items
	c.active[method]++
	c.mu.Unlock()
	if c.hold != nil {
		<-c.hold
	}
	return nil
}

func (c *counter) Done(_ peer.ID, method string, _ reqresp.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active[method]--
}

// TestPacerIsToldWhatServersCount asks for objects of each kind, of a server that has no
// sidecars.
func TestPacerIsToldWhatServersCount(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		p, n := newCounter(), devNetwork()
		c := beacon.NewClient(client, beacon.NewFamily(n), &beacon.ClientOptions{Limiter: p})
		ctx, to := t.Context(), server.ID()
		for range c.BlocksByRange(ctx, to, 1, 20) {
		}
		for range c.BlocksByRoot(ctx, to, make([]ssz.Root, 3)) {
		}
		for range c.BlobSidecarsByRange(ctx, to, 1, 10) {
		}
		for range c.DataColumnSidecarsByRange(ctx, to, 1, 10, []uint64{4, 5, 6}) {
		}
		if _, err := c.Ping(ctx, to, 0); err != nil {
			t.Error(err)
		}
		// Of sidecars, the slots and the request count as well.
		blobs := 10*int(n.BlobParametersAt(0).MaxBlobsPerBlock) + 10 + 1
		want := map[string]int{
			"beacon_blocks_by_range": 20, "beacon_blocks_by_root": 3, "ping": 1,
			"blob_sidecars_by_range": blobs, "data_column_sidecars_by_range": 3*10 + 10 + 1,
		}
		if !maps.Equal(p.items, want) {
			t.Errorf("the pacer was told of %v, want %v", p.items, want)
		}
	})
}

// TestNoMoreThanTwoRequestsAreInFlight has many calls of several methods with two versions.
func TestNoMoreThanTwoRequestsAreInFlight(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		p := newCounter()
		p.hold = make(chan struct{})
		c := beacon.NewClient(client, beacon.NewFamily(devNetwork()), &beacon.ClientOptions{Limiter: p})
		var calls sync.WaitGroup
		for range 5 {
			calls.Go(func() {
				for range c.BlocksByRange(t.Context(), server.ID(), 1, 10) {
				}
			})
			calls.Go(func() {
				if _, err := c.MetaData(t.Context(), server.ID()); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		p.mu.Lock()
		want := map[string]int{"beacon_blocks_by_range": 2, "metadata": 2}
		if !maps.Equal(p.active, want) {
			t.Errorf("%v are in flight, want %v", p.active, want)
		}
		p.mu.Unlock()
		close(p.hold)
		calls.Wait()
	})
}
