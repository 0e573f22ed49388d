package conformance_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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

func (c sparingChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
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

func (c *reorganisedChain) BlocksByRange(
	ctx context.Context, start ssz.Slot, count uint64,
) iter.Seq2[beacon.Ref, error] {
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

func (c *lateColumns) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

func (c *lateColumns) DataColumnSidecarsByRange(
	ctx context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.Ref, error] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shown++; c.shown > 3 {
		return c.Until(beacontest.Head-1).DataColumnSidecarsByRange(ctx, start, count, columns)
	}
	return c.Chain.DataColumnSidecarsByRange(ctx, start, count, columns)
}

// An updatesChain has no update of light clients after some periods, and says so by an error.
type updatesChain struct {
	*beacontest.Chain
	periods uint64
	atOnce  bool // it refuses a request for more, in place of ending the answer
}

func (c updatesChain) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

func (c updatesChain) LightClientUpdates(ctx context.Context, start, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		lacks := start+count > c.periods
		if !lacks || !c.atOnce {
			for r, err := range c.Chain.LightClientUpdates(ctx, start, min(count, c.periods-min(start, c.periods))) {
				if !yield(r, err) {
					return
				}
			}
		}
		if lacks {
			yield(beacon.Ref{}, errors.New("no update of the period"))
		}
	}
}

// unrooted is a chain that has nothing by root of what its ranges show.
func unrooted(c *beacontest.Chain) *forgetful { return &forgetful{Chain: c} }

// at is a chain as of the slot of its head.
type at struct {
	beacon.Chain
	head ssz.Slot
}

// isHostile reports whether a rule of one protocol is tried by hostile runs alone.
func isHostile(name string) bool {
	return slices.ContainsFunc(conformance.Rules(),
		func(r conformance.Rule) bool { return ruleName(r) == name && r.Hostile })
}

// held has three answers of a protocol wait for each other: none ends before all were written, and all are
// reset if one has waited for long.
func held(id protocol.ID, wire []byte) func(host.Host) {
	return func(h host.Host) {
		var mu sync.Mutex
		var open, written int
		all, late := make(chan struct{}), make(chan struct{})
		closeAll, closeLate := sync.OnceFunc(func() { close(all) }), sync.OnceFunc(func() { close(late) })
		h.SetStreamHandler(id, func(stream network.Stream) {
			mu.Lock()
			open++
			mu.Unlock()
			_, _ = io.Copy(io.Discard, stream)
			time.Sleep(time.Second)
			mu.Lock()
			alone := open == 1
			mu.Unlock()
			_, _ = stream.Write(wire)
			mu.Lock()
			open--
			if written++; alone {
				written--
			}
			if written == 3 {
				closeAll()
			}
			mu.Unlock()
			if alone {
				_ = stream.Close()
				return
			}
			select {
			case <-all:
				_ = stream.Close()
			case <-late:
				_ = stream.Reset()
			case <-time.After(time.Minute):
				closeLate()
				_ = stream.Reset()
			}
		})
	}
}

// large is a chunk with a block of a megabyte, more than is sent to who does not read.
func large(t *testing.T) []byte {
	block := beacontest.Object("SignedBeaconBlock", ssz.Fulu)
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	beacontest.Set(block, "Message.Body.ExecutionPayload.Transactions", [][]byte{noise})
	b := beacontest.Encode(block)
	n := beacontest.Network()
	digest := n.DigestAt(n.Config().Forks[ssz.Fulu].Epoch)
	return snappy.AppendFrames(snappy.AppendHeader(append([]byte{0}, digest[:]...), len(b)), b)
}

// refusingThird answers two requests at a time, and refuses the third.
func refusingThird(id protocol.ID, wire string) func(host.Host) {
	return func(h host.Host) {
		var open atomic.Int32
		h.SetStreamHandler(id, func(stream network.Stream) {
			defer open.Add(-1)
			mine := open.Add(1)
			_, _ = io.Copy(io.Discard, stream)
			time.Sleep(time.Second)
			if mine > 2 {
				_, _ = io.WriteString(stream, errorChunk(139, "two requests are active"))
			} else {
				_, _ = io.WriteString(stream, wire)
			}
			_ = stream.Close()
		})
	}
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
	network := beacontest.Network()
	longAfter := beacontest.Head + network.StartSlot(ssz.Epoch(network.MinEpochsForBlockRequests())) + 8
	pong := string(snappy.AppendFrames([]byte{0, 8}, make([]byte, 8)))
	for _, tt := range []struct {
		name    string
		rule    string
		chain   beacon.Chain
		change  func(host.Host)
		outcome conformance.Outcome
	}{
		{
			"blobs older than finality, left out by root", "S5-known blob_sidecars_by_root/1", unrooted(full), nil,
			conformance.Skip,
		},
		{
			"blobs since finality, left out by root", "S5-known blob_sidecars_by_root/1",
			at{unrooted(full.Until(44)), 44},
			nil,
			conformance.Fail,
		},
		{
			"columns since finality, left out by root", "S5-known data_column_sidecars_by_root/1", unrooted(full), nil,
			conformance.Fail,
		},
		{
			"blobs older than finality, not available by root", "S5-known blob_sidecars_by_root/1", full,
			func(h host.Host) { answer(h, id("blob_sidecars_by_root", 1), errorChunk(3, "")) }, conformance.Skip,
		},
		{
			"an update, then an error", "S6-updates light_client_updates_by_range/1",
			updatesChain{full, 1, false},
			nil,
			conformance.Pass,
		},
		{
			"the first of two updates, then an error", "S6-first light_client_updates_by_range/1",
			updatesChain{full, 1, false},
			nil, conformance.Pass,
		},
		{
			"an error for a period that has not begun", "S6-updates light_client_updates_by_range/1",
			updatesChain{full, 2, true},
			nil, conformance.Pass,
		},
		{
			"an error for a period that has not begun, from its first update on", "S6-first light_client_updates_by_range/1",
			updatesChain{full, 2, true},
			nil, conformance.Pass,
		},
		{"no update yet", "S6-updates light_client_updates_by_range/1", updatesChain{full, 0, true}, nil, conformance.Skip},
		{
			"three answers that wait to be read", "M3-third beacon_blocks_by_range/2",
			full, held(id("beacon_blocks_by_range", 2), large(t)), conformance.Pass,
		},
		{"a third request refused", "M3-third ping/1", full, refusingThird(id("ping", 1), pong), conformance.Pass},
		{
			"sidecars that are not held", "S5-serve data_column_sidecars_by_range/1",
			full, func(h host.Host) { answer(h, id("data_column_sidecars_by_range", 1), errorChunk(3, "")) }, conformance.Skip,
		},
		{
			"sidecars that are not held, though they are said to be", "S9-sidecars data_column_sidecars_by_range/1",
			full, func(h host.Host) { answer(h, id("data_column_sidecars_by_range", 1), errorChunk(3, "")) }, conformance.Fail,
		},
		{
			"blobs that are not held, by a status that cannot tell", "S9-sidecars blob_sidecars_by_range/1",
			at{full.Until(40), 40},
			func(h host.Host) { answer(h, id("blob_sidecars_by_range", 1), errorChunk(3, "")) }, conformance.Skip,
		},
		{"short answers by range", "S2-finalized beacon_blocks_by_range/2", sparingChain{full}, nil, conformance.Pass},
		{
			"a block that was reorganised away", "S2-count beacon_blocks_by_range/2", &reorganisedChain{Chain: full}, nil,
			conformance.Pass,
		},
		{
			"columns that were reorganised away", "S5-first data_column_sidecars_by_range/1", &lateColumns{Chain: full}, nil,
			conformance.Pass,
		},
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
		{
			"a head older than blocks are kept", "S7-ancestry beacon_blocks_by_head/1",
			at{full, longAfter},
			nil,
			conformance.Skip,
		},
		{"that head alone", "S7-count beacon_blocks_by_head/1", at{full, longAfter}, nil, conformance.Skip},
		{"an answer that is withheld", "M1-close ping/1", full, withholding(id("ping", 1), pong), conformance.Skip},
		{
			"blocks that are withheld", "S2-serve beacon_blocks_by_range/2",
			full, withholding(id("beacon_blocks_by_range", 2), errorChunk(3, "")), conformance.Skip,
		},
		{
			"an answer that breaks off", "M13-chunks ping/1", full, brokenOff(id("ping", 1), pong[:len(pong)-3]),
			conformance.Skip,
		},
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
			run := against{beacontest.Network(), tt.chain, beacontest.Head, tt.change, few, isHostile(tt.rule), false}
			if past, ok := tt.chain.(at); ok {
				run.chain, run.head = past.Chain, past.head
			}
			for _, r := range run.run(t) {
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
