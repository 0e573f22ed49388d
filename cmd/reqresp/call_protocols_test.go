package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// answered tells which protocols were answered with something, and without an error.
type answered chan protocol.ID

func (a answered) trace() *reqresp.Trace {
	return &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if x.Inbound && x.Err == nil && x.Chunks > 0 {
			a <- x.Protocol
		}
	}}
}

// Each protocol of the table is called and answered, the old versions of forks that had no others and
// of peers that know no others.
func TestCallsReachEveryProtocol(t *testing.T) {
	t.Parallel()
	full := beacontest.New()
	seen := make(answered, 1000)
	phase0, altair, electra := full.Until(1), full.Until(12), full.Until(44)
	rootOfHead := func(c *beacontest.Chain) string { return c.Blocks[len(c.Blocks)-1].Root.String() }
	for _, tt := range []struct {
		name  string
		chain *beacontest.Chain
		head  ssz.Slot
		lacks []string // protocols that the peer does not know
		calls []string
	}{
		{"phase0", phase0, 1, []string{"beacon_blocks_by_range/2", "beacon_blocks_by_root/2"}, []string{
			"status", "metadata", "ping", "goodbye", "blocks-by-range --start-slot 1", "blocks-by-root --root " + rootOfHead(phase0),
		}},
		{"altair", altair, 12, nil, []string{"metadata", "blocks-by-range --start-slot 12", "blocks-by-root --root " + rootOfHead(altair)}},
		{"electra", electra, 44, nil, []string{
			"blob-sidecars-by-range --start-slot 44", "blob-sidecars-by-root --index 1 --root " + rootOfHead(electra),
		}},
		{"heze", full, beacontest.Head, nil, []string{
			"status", "metadata", "blocks-by-head --root " + rootOfHead(full),
			fmt.Sprintf("data-column-sidecars-by-range --index 1 --start-slot %d", beacontest.Head),
			"data-column-sidecars-by-root --index 1 --root " + rootOfHead(full),
			"light-client-bootstrap --root " + rootOfHead(full), "light-client-updates-by-range --start-period 0",
			"light-client-finality-update", "light-client-optimistic-update",
			fmt.Sprintf("execution-payload-envelopes-by-range --start-slot %d", beacontest.Head),
			"execution-payload-envelopes-by-root --root " + rootOfHead(full),
			fmt.Sprintf("inclusion-lists-by-indices --index 0 --root %v --start-slot %d", full.Dependent, beacontest.Head),
		}},
	} {
		peer, network, h := serveChainAt(t, tt.chain, tt.head, seen.trace())
		for _, name := range tt.lacks {
			h.RemoveStreamHandler(protocol.ID(fmt.Sprintf("%s/%s/ssz_snappy", beacon.ProtocolPrefix, name)))
		}
		for _, call := range tt.calls {
			if got := succeed(t, slices.Concat([]string{"call", peer}, strings.Fields(call), network)...); got == "" {
				t.Errorf("%s: %s printed nothing", tt.name, call)
			}
		}
	}
	missing := make(map[protocol.ID]bool)
	for _, row := range beacon.NewFamily(ssz.Mainnet()).Protocols() {
		missing[row.ID()] = true
	}
	for late := time.After(patience); len(missing) > 0; {
		select {
		case id := <-seen:
			delete(missing, id)
		case <-late:
			t.Fatalf("not called: %v", slices.Collect(maps.Keys(missing)))
		}
	}
}
