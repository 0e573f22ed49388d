package beacon_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestOneResponseSpansForks(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		blocks, err := collect(newClient(client).BlocksByRange(t.Context(), server.ID(), firstSlot, 41))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := blockList(blocks).String(), blockList(devBlocks()).String(); got != want {
			t.Errorf("got %.200s…\nwant %.200s…", got, want)
		}
		forks := map[ssz.Fork]int{}
		digests := map[ssz.ForkDigest]int{}
		for _, b := range blocks {
			forks[b.Fork]++
			digests[b.Digest]++
		}
		if forks[ssz.Electra] != 20 || forks[ssz.Fulu] != 21 || len(digests) != 2 {
			t.Errorf("got forks %v, digests %v", forks, digests)
		}
	})
}

// From fulu on the digest changes with the blob parameters, while the type does not.
func TestOneResponseSpansBlobParameters(t *testing.T) {
	config := strings.Replace(forksAt("FULU", "0"), "EPOCH: 412672", "EPOCH: 2", 1)
	blobs := devNetworkFrom(config)
	before, after := blobs.DigestAt(1), blobs.DigestAt(2)
	if before == after || blobs.ForkAt(1) != blobs.ForkAt(2) {
		t.Fatalf("the blob parameters do not change alone: %v, %v", blobs.PeriodAt(1), blobs.PeriodAt(2))
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		serveOn(t, server, blobs, devChain(), beacon.ServerOptions{})
		got, err := ask(t, client, server, idByRange, range63)
		want := slices.Concat(chunks(63), chunks(64))
		copy(want[1:], before[:])
		copy(want[len(chunks(63))+1:], after[:])
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, len(want))
		}
		c := beacon.NewClient(client, beacon.NewFamily(blobs), nil)
		blocks, err := collect(c.BlocksByRange(t.Context(), server.ID(), 63, 2))
		if err != nil || len(blocks) != 2 || blocks[0].Digest != before || blocks[1].Digest != after {
			t.Errorf("got %v, %v", blocks, err)
		}
		// A peer that is still of the old parameters breaks a rule.
		copy(want[len(chunks(63))+1:], before[:])
		answerRaw(t, server, idByRange, func([]byte) []byte { return want })
		if _, err := collect(c.BlocksByRange(t.Context(), server.ID(), 63, 2)); !errors.Is(err, beacon.ErrWrongDigest) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStatusHasTheDigestOfNow(t *testing.T) {
	n := devNetwork()
	boundary := n.TimeAt(boundarySlot)
	var clock setClock
	simulate(t, func(t *testing.T, _, server host.Host) {
		srv := serve(t, server, devChain(), beacon.ServerOptions{Now: clock.now})
		for _, tt := range []struct {
			now  time.Time
			want ssz.Slot
		}{
			{time.Unix(0, 0), 63}, {boundary.Add(-1), 63}, {boundary, 64}, {boundary.Add(time.Hour), 64},
		} {
			clock.set(tt.now)
			if status, err := srv.Status(t.Context()); err != nil || status.ForkDigest != devBlock(tt.want).Digest {
				t.Errorf("at %v: got %v, %v, want that of slot %d", tt.now, status.ForkDigest, err, tt.want)
			}
		}
	})
}

// An askedChain holds no end of blocks by range and nothing by root, and notes what it is asked for.
type askedChain struct {
	*memoryChain
	taken []uint64 // blocks, by range
	roots []int
}

func nothing(func(beacon.Ref, error) bool) {}

func (c *askedChain) BlocksByRange(_ context.Context, _ ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		taken := uint64(1)
		for taken < count && yield(refOf(devBlock(50)), nil) {
			taken++
		}
		c.taken = append(c.taken, taken)
	}
}

func (c *askedChain) BlocksByRoot(_ context.Context, roots []ssz.Root) iter.Seq2[beacon.Ref, error] {
	c.roots = append(c.roots, len(roots))
	return nothing
}

func TestTheMaximumFollowsTheClock(t *testing.T) {
	deneb := devNetworkFrom(forksAt("DENEB", "1", "ELECTRA", "1"))
	var clock setClock
	simulate(t, func(t *testing.T, client, server host.Host) {
		chain := &askedChain{memoryChain: devChain()}
		serveOn(t, server, deneb, chain, beacon.ServerOptions{Now: clock.now})
		for _, tt := range []struct {
			slot ssz.Slot
			most uint64
		}{{0, 1024}, {31, 1024}, {32, 128}, {64, 128}} {
			clock.set(deneb.TimeAt(tt.slot))
			chain.taken, chain.roots = nil, nil
			for _, count := range []uint64{1, tt.most, tt.most + 1, 1 << 60} {
				if _, err := ask(t, client, server, idByRange, payload(uints(0, count, 1))); err != nil {
					t.Errorf("slot %d, count %d: %v", tt.slot, count, err)
				}
			}
			if want := []uint64{1, tt.most, tt.most, tt.most}; !slices.Equal(chain.taken, want) {
				t.Errorf("slot %d: %d blocks were taken, want %d", tt.slot, chain.taken, want)
			}
			if got, err := ask(t, client, server, idByRoot, payload(make([]byte, 32*tt.most))); err != nil || len(got) != 0 {
				t.Errorf("slot %d, %d roots: got %x, %v", tt.slot, tt.most, got, err)
			}
			got, err := ask(t, client, server, idByRoot, payload(make([]byte, 32*(tt.most+1))))
			if _, verr := readVerdict(got, reqresp.CodeInvalidRequest); err != nil || verr != nil {
				t.Errorf("slot %d, %d roots: %v, %v", tt.slot, tt.most+1, err, verr)
			}
			if !slices.Equal(chain.roots, []int{int(tt.most)}) {
				t.Errorf("slot %d: the chain was asked for %d roots", tt.slot, chain.roots)
			}
		}
	})
}
