package conformance

import (
	"context"
	"fmt"
	"reflect"

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

// blobSlots are how many slots are asked for blobs, and columnSlots for columns.
const (
	blobSlots   = 4
	columnSlots = 4
)

// someBlobs are those of the last slots that have some.
func (s *session) someBlobs(ctx context.Context) ([]*beacon.BlobSidecar, error) {
	return s.blobs.get(func() ([]*beacon.BlobSidecar, error) {
		start, count := s.blobSlots(blobSlots)
		if count == 0 {
			return nil, skipped("none has to be kept")
		}
		return collect(ctx, s, blobsByRange, count*mostBlobs,
			s.client.BlobSidecarsByRange(ctx, s.to, start, count))
	})
}

// lastBlob is the last blob of the newest block that the peer has shown some of.
func (s *session) lastBlob(ctx context.Context) (*beacon.BlobSidecar, error) {
	sidecars, err := s.someBlobs(ctx)
	if err != nil {
		return nil, err
	}
	if len(sidecars) == 0 {
		return nil, skipped("the peer has shown none")
	}
	return sidecars[len(sidecars)-1], nil
}

// tryBlobs holds what comes against the blocks of the same slots, which tell how many blobs they have.
func tryBlobs(ctx context.Context, s *session, _ *Rule) (string, error) {
	sidecars, err := s.someBlobs(ctx)
	if err != nil {
		return "", err
	}
	got := make(map[ssz.Slot]int)
	for _, b := range sidecars {
		got[b.Slot]++
	}
	start, count := s.blobSlots(blobSlots)
	blocks, err := s.byRange(ctx, &Rule{Method: blocksByRange, Version: 2}, start, count)
	if err != nil {
		return "", aside(err)
	}
	want := s.withBlobs(blocks)
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

func tryFirstBlobs(ctx context.Context, s *session, r *Rule) (string, error) {
	last, err := s.lastBlob(ctx)
	if err != nil {
		return "", err
	}
	again, err := collect(ctx, s, r.Method, 2*mostBlobs,
		s.client.BlobSidecarsByRange(ctx, s.to, last.Slot, 2))
	if err != nil {
		return "", err
	}
	if n := int(last.Index) + 1; len(again) < n || again[n-1].BlockRoot != last.BlockRoot {
		return "", broken("%d sidecars, slot %d has %d", len(again), last.Slot, n)
	}
	return fmt.Sprintf("%d sidecars", len(again)), nil
}

func tryKnownBlob(ctx context.Context, s *session, r *Rule) (string, error) {
	last, err := s.lastBlob(ctx)
	if err != nil {
		return "", err
	}
	again, err := collect(ctx, s, r.Method, 1,
		s.client.BlobSidecarsByRoot(ctx, s.to, []ssz.BlobIdentifier{{BlockRoot: last.BlockRoot, Index: last.Index}}))
	return s.known(ctx, r, last.Slot, len(again), err)
}

// tryNoBlobs asks for the sidecars of a block that commits to none.
func tryNoBlobs(ctx context.Context, s *session, r *Rule) (string, error) {
	row := s.row(r.Method, r.Version)
	first := max(row.ServedFrom(s.currentSlot()), s.theirs.EarliestAvailableSlot)
	for _, b := range s.blocks {
		if b.Fork < row.First || b.Fork > row.Last || b.Slot < first || s.blobsOf(b) > 0 {
			continue
		}
		a, err := s.paced(ctx, r, payload(encode(rangeOf(r.Method, b.Slot, 1))))
		if err == nil && !isEmpty(a) {
			err = broken("%v, the block of slot %d has no blobs", a, b.Slot)
		}
		return fmt.Sprintf("no chunk for slot %d", b.Slot), err
	}
	return "", skipped("it has shown no block without blobs whose sidecars it would have to serve")
}

func tryBlobsOfFulu(ctx context.Context, s *session, r *Rule) (string, error) {
	fulu := s.network.StartSlot(s.network.Config().Forks[ssz.Fulu].Epoch)
	if s.theirs.HeadSlot < fulu {
		return "", skipped("its head is before fulu")
	}
	return s.noneOrUnavailable(ctx, r, rangeOf(r.Method, max(fulu, s.theirs.HeadSlot-min(s.theirs.HeadSlot, 1)), 1))
}

func tryUnknownSidecar(ctx context.Context, s *session, r *Rule) (string, error) {
	var request marshaler = &ssz.BlobSidecarsByRootRequest{{BlockRoot: nowhere}}
	if r.Method == columnsByRoot {
		request = &ssz.DataColumnSidecarsByRootRequest{{BlockRoot: nowhere, Columns: twoColumns[:1]}}
	}
	return s.noneOrUnavailable(ctx, r, request)
}

// fieldOf returns a field of a block by its path. It is not valid if the block has none of the name, or
// cannot be decoded.
func (s *session) fieldOf(b *beacon.Block, path ...string) (v reflect.Value) {
	t, err := s.network.TypeOf(b.Fork, "SignedBeaconBlock")
	if err != nil {
		return v
	}
	object, err := t.Decode(b.SSZ)
	if err != nil {
		return v
	}
	v = reflect.Indirect(reflect.ValueOf(object))
	for _, name := range path {
		if v = v.FieldByName(name); !v.IsValid() {
			return v
		}
		v = reflect.Indirect(v)
	}
	return v
}

// blobsOf returns how many blobs a block commits to.
func (s *session) blobsOf(b *beacon.Block) int {
	path := []string{"Message", "Body", "BlobKZGCommitments"}
	if b.Fork >= ssz.Gloas {
		path = []string{"Message", "Body", "SignedExecutionPayloadBid", "Message", "BlobKZGCommitments"}
	}
	if v := s.fieldOf(b, path...); v.IsValid() {
		return v.Len()
	}
	return 0 // before Deneb
}

// withBlobs returns the slots of those of some consecutive blocks that have blobs, and their number. From
// Gloas on a block has none if its payload was not revealed: the next tells.
func (s *session) withBlobs(blocks []*beacon.Block) map[ssz.Slot]int {
	blobs := make(map[ssz.Slot]int)
	for i, b := range blocks {
		n := s.blobsOf(b)
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
