package conformance

import (
	"context"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// lists is the demands on inclusion lists.
func lists() []demand {
	of := named(listsByIndices)
	return []demand{
		must("S8-serve", of, tryLists,
			"all lists of its newest slot", "lists of that slot and root, one of each validator"),
		must("S8-known", of, tryKnownLists, "lists that it has", "at least one"),
		should("S8-unknown", of, tryUnknownLists,
			"the lists of a committee that is none", "no chunk and no error, or code 3"),
	}
}

// committee is how many members an inclusion list committee has, INCLUSION_LIST_COMMITTEE_SIZE.
const committee = 16

func (s *session) listsOf(ctx context.Context, dependent ssz.Root) ([]*beacon.InclusionList, error) {
	return collect(ctx, s, listsByIndices, committee,
		s.client.InclusionListsByIndices(ctx, s.to, s.theirs.HeadSlot, dependent, [2]byte{0xff, 0xff}))
}

// dependentRoot is get_shuffling_dependent_root of the specs for the peer's newest slot: the last block
// before the epoch before. The peer is asked for it once.
func (s *session) dependentRoot(ctx context.Context) (root ssz.Root, err error) {
	roots, err := s.dependents.get(func() ([]*ssz.Root, error) {
		root, err := s.findDependent(ctx)
		return []*ssz.Root{&root}, aside(err)
	})
	if err == nil {
		root = *roots[0]
	}
	return root, err
}

func (s *session) findDependent(ctx context.Context) (ssz.Root, error) {
	const before = 8
	epoch := s.network.EpochOf(s.theirs.HeadSlot)
	seed := s.network.StartSlot(epoch - min(epoch, 1))
	start := max(s.theirs.EarliestAvailableSlot, seed-min(seed, before))
	if start >= seed {
		return ssz.Root{}, skipped("its blocks do not go back to what the committee depends on")
	}
	blocks, err := s.newBlocks(ctx, start, uint64(seed-start))
	if err != nil {
		return ssz.Root{}, err
	}
	if len(blocks) == 0 {
		return ssz.Root{}, skipped("the slots are empty from which the committee follows")
	}
	return blocks[len(blocks)-1].Root, nil
}

func (s *session) someLists(ctx context.Context) ([]*beacon.InclusionList, error) {
	return atLeastOne(s.lists.get(func() ([]*beacon.InclusionList, error) {
		dependent, err := s.dependentRoot(ctx)
		if err != nil {
			return nil, err
		}
		return s.listsOf(ctx, dependent)
	}))
}

func tryLists(ctx context.Context, t *trial) (string, error) {
	lists, err := t.someLists(ctx)
	return fmt.Sprintf("%d lists", len(lists)), err
}

func tryKnownLists(ctx context.Context, t *trial) (string, error) {
	shown, err := t.someLists(ctx)
	if err != nil {
		return "", err
	}
	if t.theirs.HeadSlot < t.row.ServedFrom(t.currentSlot()) {
		return "", skipped("they have not to be kept any more")
	}
	lists, err := t.listsOf(ctx, shown[0].DependentRoot)
	return t.known(ctx, t.theirs.HeadSlot, len(lists), err)
}

func tryUnknownLists(ctx context.Context, t *trial) (string, error) {
	request := ssz.InclusionListsByIndicesRequest{Slot: t.currentSlot(), DependentRoot: nowhere, Indices: [2]byte{1}}
	return t.expect(ctx, &request, isNoneOrUnavailable)
}
