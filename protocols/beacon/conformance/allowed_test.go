package conformance_test

import (
	"context"
	"io"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A sparingChain answers ranges with two blocks at most.
type sparingChain struct{ *beacontest.Chain }

func (c sparingChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.BlockRef, error] {
	return func(yield func(beacon.BlockRef, error) bool) {
		left := 2
		for r, err := range c.Chain.BlocksByRange(ctx, start, count) {
			if left--; !yield(r, err) || left == 0 {
				return
			}
		}
	}
}

// A pruningChain gives up slots once it has told of them in a status.
type pruningChain struct {
	lateChain

	mu   sync.Mutex
	told bool
}

func (c *pruningChain) Status(ctx context.Context) (beacon.Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, err := c.lateChain.Status(ctx)
	if !c.told {
		status.EarliestAvailableSlot -= 4
	}
	c.told = true
	return status, err
}

// A reorganisedChain has no block in the slot of its head, once it has shown one.
type reorganisedChain struct {
	*beacontest.Chain

	mu    sync.Mutex
	shown bool
}

func (c *reorganisedChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.BlockRef, error] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown {
		return c.Until(beacontest.Head-1).BlocksByRange(ctx, start, count)
	}
	c.shown = true
	return c.Chain.BlocksByRange(ctx, start, count)
}

// A chain of late columns has none of its head any more, once it has shown them to the rules that come first.
type lateColumns struct {
	*beacontest.Chain

	mu    sync.Mutex
	shown int
}

func (c *lateColumns) DataColumnSidecarsByRange(
	ctx context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.SidecarRef, error] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown++; c.shown > 3 {
		return c.Until(beacontest.Head-1).DataColumnSidecarsByRange(ctx, start, count, columns)
	}
	return c.Chain.DataColumnSidecarsByRange(ctx, start, count, columns)
}

// brokenOff has a protocol answer with some bytes, and then reset the stream.
func brokenOff(id protocol.ID, wire string) func(host.Host) {
	return func(h host.Host) {
		h.SetStreamHandler(id, func(stream network.Stream) {
			_, _ = io.Copy(io.Discard, stream)
			_, _ = stream.Write([]byte(wire))
			time.Sleep(time.Second)
			_ = stream.Reset()
		})
	}
}

// withholding has a protocol answer half a minute late.
func withholding(id protocol.ID, wire string) func(host.Host) {
	return func(h host.Host) {
		h.SetStreamHandler(id, func(stream network.Stream) {
			_, _ = io.Copy(io.Discard, stream)
			time.Sleep(30 * time.Second)
			_, _ = stream.Write([]byte(wire))
			_ = stream.Close()
		})
	}
}

// closing has a protocol answer with nothing.
func closing(id protocol.ID) func(host.Host) {
	return func(h host.Host) {
		h.SetStreamHandler(id, func(stream network.Stream) {
			_, _ = io.Copy(io.Discard, stream)
			_ = stream.Close()
		})
	}
}

// What the specs leave to a peer breaks no rule, and what they word with SHOULD none that they word with MUST.
func TestWhatIsAllowedBreaksNoRule(t *testing.T) {
	full := beacontest.New()
	const earliest = beacontest.Head - 16
	pong := string(snappy.AppendFrames([]byte{0, 8}, make([]byte, 8)))
	for _, tt := range []struct {
		name    string
		rule    string
		chain   beacon.Chain
		change  func(host.Host)
		outcome conformance.Outcome
	}{
		{"short answers by range", "S2-finalized beacon_blocks_by_range/2", sparingChain{full}, nil, conformance.Pass},
		{"a block that was reorganised away", "S2-count beacon_blocks_by_range/2", &reorganisedChain{Chain: full}, nil, conformance.Pass},
		{"columns that were reorganised away", "S5-first data_column_sidecars_by_range/1", &lateColumns{Chain: full}, nil, conformance.Pass},
		{
			"blocks that were pruned meanwhile", "S9-blocks beacon_blocks_by_range/2",
			&pruningChain{lateChain: lateChain{full, earliest}}, nil, conformance.Skip,
		},
		{
			"no sidecars before the earliest slot", "S5-unavailable data_column_sidecars_by_range/1",
			lateChain{full, beacontest.Head - 4},
			closing(id("data_column_sidecars_by_range", 1)), conformance.Skip,
		},
		{
			"blobs of fulu that are not available", "S5-fulu blob_sidecars_by_range/1",
			full, func(h host.Host) { answer(h, id("blob_sidecars_by_range", 1), errorChunk(3, "")) }, conformance.Pass,
		},
		{
			"a reset for a list that is out of bounds", "S3-max execution_payload_envelopes_by_root/1",
			full, func(h host.Host) { answer(h, id("execution_payload_envelopes_by_root", 1), "") }, conformance.Pass,
		},
		{"an answer that is withheld", "M1-close ping/1", full, withholding(id("ping", 1), pong), conformance.Skip},
		{
			"blocks that are withheld", "S2-serve beacon_blocks_by_range/2",
			full, withholding(id("beacon_blocks_by_range", 2), errorChunk(3, "")), conformance.Skip,
		},
		{"an answer that breaks off", "M13-chunks ping/1", full, brokenOff(id("ping", 1), pong[:len(pong)-3]), conformance.Skip},
		{
			"a length that is not minimal", "M9-length ping/1",
			full, func(h host.Host) { answer(h, id("ping", 1), "\x00\x88\x00"+pong[2:]) }, conformance.Skip,
		},
		{
			"a length that is not minimal, as it should be", "M9-minimal ping/1",
			full, func(h host.Host) { answer(h, id("ping", 1), "\x00\x88\x00"+pong[2:]) }, conformance.Fail,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := false
			for _, r := range (against{beacontest.Network(), tt.chain, beacontest.Head, tt.change, few, true}).run(t) {
				if ruleName(*r.Rule) != tt.rule {
					continue
				}
				found = true
				if r.Outcome != tt.outcome {
					t.Errorf("%v: saw %s, want %v", r.Outcome, r.Saw, tt.outcome)
				}
			}
			if !found {
				t.Errorf("there is no rule %s", tt.rule)
			}
		})
	}
}
