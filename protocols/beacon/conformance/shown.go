package conformance

import (
	"context"
	"iter"
	"reflect"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// shown is what a peer has shown of one kind of objects. What it has shown once, it holds: it has to
// serve it again.
type shown[T any] struct {
	asked   bool
	objects []*T
	err     error
}

// get returns what was shown, and asks for it the first time. What is wrong with the answer is told
// once: other rules are not broken by it.
func (h *shown[T]) get(ask func() ([]*T, error)) ([]*T, error) {
	if h.asked {
		return h.objects, aside(h.err)
	}
	h.asked = true
	h.objects, h.err = ask()
	return h.objects, h.err
}

// aside turns an error into one that skips a rule, which another answer than its own has to do with.
func aside(err error) error {
	if err == nil {
		return nil
	}
	return skipped(err.Error())
}

// collect asks for objects in their turn.
func collect[T any](ctx context.Context, s *session, method string, items uint64, ask func() iter.Seq2[*T, error]) (all []*T, err error) {
	if err := s.pace.wait(ctx, method, items); err != nil {
		return nil, err
	}
	for object, err := range ask() {
		if err != nil {
			return all, told(err)
		}
		all = append(all, object)
	}
	return all, nil
}

// mostBlobs is the most blobs of a block that have sidecars, MAX_BLOBS_PER_BLOCK_ELECTRA.
const mostBlobs = 9

// blobSlots returns the last slots whose blob sidecars a peer has to hold, no more than a number.
func (s *session) blobSlots(most uint64) (start ssz.Slot, count uint64) {
	end := s.theirs.HeadSlot + 1
	if fulu := s.network.StartSlot(s.network.Config().Forks[ssz.Fulu].Epoch); fulu < end {
		end = fulu
	}
	start = max(s.row(blobsByRange, 1).ServedFrom(s.currentSlot()), s.theirs.EarliestAvailableSlot, end-ssz.Slot(min(uint64(end), most)))
	if start >= end {
		return start, 0
	}
	return start, uint64(end - start)
}

// recentSlots returns the last slots whose objects by a protocol a peer has to hold, no more than a
// number.
func (s *session) recentSlots(method string, most uint64) (start ssz.Slot, count uint64) {
	start, count = s.newest(most)
	if first := s.row(method, 1).ServedFrom(s.currentSlot()); first > start {
		if first > s.theirs.HeadSlot {
			return first, 0
		}
		start, count = first, uint64(s.theirs.HeadSlot-first)+1
	}
	return start, count
}

// blobsOf returns how many blobs a block has.
func (s *session) blobsOf(b *beacon.Block) int {
	t, err := s.network.TypeOf(b.Fork, "SignedBeaconBlock")
	if err != nil {
		return 0
	}
	object, err := t.Decode(b.SSZ)
	if err != nil {
		return 0
	}
	path := []string{"Message", "Body", "BlobKZGCommitments"}
	if b.Fork >= ssz.Gloas {
		path = []string{"Message", "Body", "SignedExecutionPayloadBid", "Message", "BlobKZGCommitments"}
	}
	v := reflect.Indirect(reflect.ValueOf(object))
	for _, name := range path {
		if v = reflect.Indirect(v.FieldByName(name)); !v.IsValid() {
			return 0 // before Deneb
		}
	}
	return v.Len()
}

// withBlobs returns the blocks of some that have blobs, and their slots' number of them.
func (s *session) withBlobs(blocks []*beacon.Block) map[ssz.Slot]int {
	blobs := make(map[ssz.Slot]int)
	for _, b := range blocks {
		if n := s.blobsOf(b); n > 0 {
			blobs[b.Slot] = n
		}
	}
	return blobs
}
