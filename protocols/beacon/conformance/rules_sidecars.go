package conformance

import (
	"bytes"
	"context"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// sidecars is the demands on blob sidecars and data column sidecars.
func sidecars() []demand {
	blobRange, blobRoot := named(blobsByRange), named(blobsByRoot)
	columnRange, columnRoot := named(columnsByRange), named(columnsByRoot)
	return []demand{
		must("S5-serve", blobRange, tryBlobs, "the last slots before fulu, or up to its head",
			"sidecars by slot and index, with the digests of their epochs and proofs of inclusion"),
		must("S5-serve", columnRange, tryColumns, "all columns of the slots up to its head",
			"sidecars by slot and index, with the digests of their epochs and proofs of inclusion"),
		must("S5-first", blobRange, tryFirstBlobs,
			"the slots from a block with blobs on", "all blobs of that block first"),
		must("S5-first", columnRange, tryFirstColumns,
			"columns that it has, from their block on", "all of them, that block's first"),
		must("S5-known", blobRoot, tryKnownBlob, "a blob that it has", "the blob"),
		must("S5-known", columnRoot, tryKnownColumn, "a column that it has", "the column"),
		must("S9-custody", version("metadata", 3), tryCustody,
			"metadata", "CUSTODY_REQUIREMENT custody groups or more, and as many columns of a block"),
		should("S5-unknown", named(blobsByRoot, columnsByRoot), tryUnknownSidecar,
			"a sidecar of a root that is none", "no chunk and no error, or code 3"),
		must("S5-none", named(blobsByRange, columnsByRange), tryNoBlobs,
			"the slot of a block without blobs", "no sidecar and no error"),
		must("S5-fulu", blobRange, tryBlobsOfFulu, "slots of fulu or later", "no sidecar, or code 3"),
		should("S5-unavailable", named(blobsByRange, columnsByRange), tryBeforeEarliest,
			"slots before the earliest available", "code 3, or sidecars"),
	}
}

// sidecarSlots are how many slots are asked for sidecars.
const sidecarSlots = 4

// mostBlobs is the most blobs of a block that have sidecars, MAX_BLOBS_PER_BLOCK_ELECTRA.
const mostBlobs = 9

func (s *session) blobsOf(ctx context.Context, start ssz.Slot, count uint64) ([]*beacon.BlobSidecar, error) {
	return collect(ctx, s, blobsByRange, count*mostBlobs, s.client.BlobSidecarsByRange(ctx, s.to, start, count))
}

// someBlobs are those of the last slots that have some.
func (s *session) someBlobs(ctx context.Context) ([]*beacon.BlobSidecar, error) {
	return s.blobs.get(func() ([]*beacon.BlobSidecar, error) {
		start, count := s.recentSlots(blobsByRange, sidecarSlots)
		if count == 0 {
			return nil, skipped("none has to be kept")
		}
		return s.blobsOf(ctx, start, count)
	})
}

// lastBlob is the last blob of the newest block that the peer has shown some of.
func (s *session) lastBlob(ctx context.Context) (*beacon.BlobSidecar, error) {
	sidecars, err := atLeastOne(s.someBlobs(ctx))
	if err != nil {
		return nil, err
	}
	return sidecars[len(sidecars)-1], nil
}

// tryBlobs holds what comes against the blocks of the same slots, which tell how many blobs they have.
func tryBlobs(ctx context.Context, t *trial) (string, error) {
	sidecars, err := t.someBlobs(ctx)
	if err != nil {
		return "", err
	}
	got := make(map[ssz.Slot]int)
	for _, b := range sidecars {
		got[b.Slot]++
	}
	start, count := t.recentSlots(blobsByRange, sidecarSlots)
	blocks, err := t.newBlocks(ctx, start, count)
	if err != nil {
		return "", aside(err)
	}
	want := t.withBlobs(blocks)
	if len(sidecars) == 0 && len(want) > 0 {
		return "", broken("no sidecar, %d blocks have blobs", len(want))
	}
	// Whole blocks may be left out at the end, but no part of one.
	for slot, n := range got {
		if n != want[slot] && want[slot] > 0 {
			return "", broken("%d of the %d blobs of slot %d", n, want[slot], slot)
		}
	}
	if len(sidecars) == 0 {
		return "", skipped("no block has blobs")
	}
	return fmt.Sprintf("%d sidecars of %d blocks", len(sidecars), len(got)), nil
}

func tryFirstBlobs(ctx context.Context, t *trial) (string, error) {
	last, err := t.lastBlob(ctx)
	if err != nil {
		return "", err
	}
	again, err := t.blobsOf(ctx, last.Slot, 2)
	if n := int(last.Index) + 1; err == nil && (len(again) < n || again[n-1].BlockRoot != last.BlockRoot) {
		err = broken("%d sidecars, slot %d has %d", len(again), last.Slot, n)
	}
	return fmt.Sprintf("%d sidecars", len(again)), err
}

func tryKnownBlob(ctx context.Context, t *trial) (string, error) {
	last, err := t.lastBlob(ctx)
	if err != nil {
		return "", err
	}
	ids := []ssz.BlobIdentifier{{BlockRoot: last.BlockRoot, Index: last.Index}}
	again, err := collect(ctx, t.session, t.Method, 1, t.client.BlobSidecarsByRoot(ctx, t.to, ids))
	return t.known(ctx, last.Slot, len(again), err)
}

// someColumns are those of the last slots that have some. All are asked for, as which the peer keeps
// is its own affair.
func (s *session) someColumns(ctx context.Context) ([]*beacon.DataColumnSidecar, error) {
	return s.columns.get(func() ([]*beacon.DataColumnSidecar, error) {
		start, count := s.recentSlots(columnsByRange, sidecarSlots)
		if count == 0 {
			return nil, skipped("its head is before fulu")
		}
		every := make([]uint64, beacon.NumberOfColumns)
		for i := range every {
			every[i] = uint64(i)
		}
		return s.columnsOf(ctx, start, count, every)
	})
}

func (s *session) columnsOf(
	ctx context.Context, start ssz.Slot, count uint64, columns []uint64,
) ([]*beacon.DataColumnSidecar, error) {
	return collect(ctx, s, columnsByRange, count*uint64(len(columns)),
		s.client.DataColumnSidecarsByRange(ctx, s.to, start, count, columns))
}

// tryColumns holds what comes against the blocks of the same slots: every node keeps some columns of
// those that have blobs. Those of the newest may still be on their way.
func tryColumns(ctx context.Context, t *trial) (string, error) {
	sidecars, err := t.someColumns(ctx)
	if err != nil {
		return "", err
	}
	if len(sidecars) > 0 {
		first, last := sidecars[0].Slot, sidecars[len(sidecars)-1].Slot
		return fmt.Sprintf("%d sidecars, of slots %d to %d", len(sidecars), first, last), nil
	}
	start, _ := t.recentSlots(columnsByRange, sidecarSlots)
	for slot, n := range t.withBlobs(t.blocks) {
		if slot >= start && slot < t.theirs.HeadSlot {
			return "", broken("no sidecar, the block of slot %d has %d blobs", slot, n)
		}
	}
	return "", skipped("no block has blobs")
}

// firstColumns returns the columns that the peer has shown of the oldest block that it has shown some of, which is
// the least likely to be reorganised away meanwhile.
func (s *session) firstColumns(ctx context.Context) (first *beacon.DataColumnSidecar, columns []uint64, err error) {
	sidecars, err := atLeastOne(s.someColumns(ctx))
	if err != nil {
		return nil, nil, err
	}
	first = sidecars[0]
	for _, d := range sidecars {
		if d.BlockRoot == first.BlockRoot {
			columns = append(columns, d.Index)
		}
	}
	return first, columns, nil
}

func tryFirstColumns(ctx context.Context, t *trial) (string, error) {
	first, columns, err := t.firstColumns(ctx)
	if err != nil {
		return "", err
	}
	again, err := t.columnsOf(ctx, first.Slot, 2, columns)
	if n := len(columns); err == nil && (len(again) < n || again[n-1].BlockRoot != first.BlockRoot) {
		err = broken("%d sidecars, it has shown %d of slot %d before", len(again), n, first.Slot)
	}
	return fmt.Sprintf("%d sidecars", len(again)), err
}

func tryKnownColumn(ctx context.Context, t *trial) (string, error) {
	first, _, err := t.firstColumns(ctx)
	if err != nil {
		return "", err
	}
	ids := []ssz.DataColumnsByRootIdentifier{{BlockRoot: first.BlockRoot, Columns: []uint64{first.Index}}}
	again, err := collect(ctx, t.session, t.Method, 1, t.client.DataColumnSidecarsByRoot(ctx, t.to, ids))
	return t.known(ctx, first.Slot, len(again), err)
}

// tryCustody holds the custody that a peer announces against what it has to take on and what it has shown.
func tryCustody(ctx context.Context, t *trial) (string, error) {
	if err := t.pace.wait(ctx, t.Method, 1); err != nil {
		return "", err
	}
	metadata, err := t.client.MetaData(ctx, t.to)
	if err != nil {
		return "", told(err)
	}
	groups, least := metadata.CustodyGroupCount, t.network.Config().CustodyRequirement
	if groups < least || groups > ssz.NumberOfCustodyGroups {
		return "", broken("%d custody groups, want %d to %d", groups, least, ssz.NumberOfCustodyGroups)
	}
	saw := fmt.Sprintf("%d custody groups", groups)
	first, columns, err := t.firstColumns(ctx)
	const each = beacon.NumberOfColumns / ssz.NumberOfCustodyGroups
	if err == nil && uint64(len(columns)) < groups*each { // an error is another rule's
		return "", broken("%s, and %d columns of slot %d", saw, len(columns), first.Slot)
	}
	return saw, nil
}

// tryNoBlobs asks for the sidecars of a block that commits to none.
func tryNoBlobs(ctx context.Context, t *trial) (string, error) {
	first := max(t.row.ServedFrom(t.currentSlot()), t.theirs.EarliestAvailableSlot)
	for _, b := range t.blocks {
		if b.Fork < t.row.First || b.Fork > t.row.Last || b.Slot < first || t.numberOfBlobs(b) > 0 {
			continue
		}
		a, err := t.raw(ctx, 1, payload(encode(rangeOf(t.Method, b.Slot, 1))))
		if err == nil && !isEmpty(a) {
			err = broken("%v, the block of slot %d has no blobs", a, b.Slot)
		}
		return fmt.Sprintf("no chunk for slot %d", b.Slot), err
	}
	return "", skipped("it has shown no block without blobs whose sidecars it would have to serve")
}

func tryBlobsOfFulu(ctx context.Context, t *trial) (string, error) {
	fulu := t.network.StartSlot(t.network.Config().Forks[ssz.Fulu].Epoch)
	if t.theirs.HeadSlot < fulu {
		return "", skipped("its head is before fulu")
	}
	start := max(fulu, t.theirs.HeadSlot-min(t.theirs.HeadSlot, 1))
	return t.expect(ctx, rangeOf(t.Method, start, 1), isNoneOrUnavailable)
}

func tryUnknownSidecar(ctx context.Context, t *trial) (string, error) {
	var request marshaler = &ssz.BlobSidecarsByRootRequest{{BlockRoot: nowhere}}
	if t.Method == columnsByRoot {
		request = &ssz.DataColumnSidecarsByRootRequest{{BlockRoot: nowhere, Columns: twoColumns[:1]}}
	}
	return t.expect(ctx, request, isNoneOrUnavailable)
}

// numberOfBlobs returns how many blobs a block commits to, 0 if that cannot be read.
func (s *session) numberOfBlobs(b *beacon.Block) int {
	commitments, _ := s.network.PeekBlobCommitments(b.Fork, bytes.NewReader(b.SSZ), int64(len(b.SSZ)))
	return commitments.Count
}

// withBlobs returns the slots of those of some consecutive blocks that have blobs, and their number. From
// Gloas on a block has none if its payload was not revealed: the next tells.
func (s *session) withBlobs(blocks []*beacon.Block) map[ssz.Slot]int {
	blobs := make(map[ssz.Slot]int)
	for i, b := range blocks {
		n := s.numberOfBlobs(b)
		if n > 0 && b.Fork >= ssz.Gloas {
			if i+1 == len(blocks) {
				continue
			}
			if built, err := s.client.BuildsOn(b, blocks[i+1]); !built || err != nil {
				continue
			}
		}
		if n > 0 {
			blobs[b.Slot] = n
		}
	}
	return blobs
}
