package beacon

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// inclusionListProtocols is the row of the protocol that carries inclusion lists.
func (f *Family) inclusionListProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "inclusion_lists_by_indices", Version: 1,
			Request: "InclusionListsByIndicesRequest", Response: "SignedInclusionList", Context: true,
			First: ssz.Heze, Last: newest,
			maxItems: maxRequestInclusionLists, asked: askedBy(inclusionListsAsked), window: inclusionListWindow,
			kind: KindInclusionList, gone: leftOut, offeredIf: func(s Sources) bool { return s.InclusionLists != nil },
			declare: streamOf(&f.inclusionListsByIndices), serve: objects(inclusionLists),
		},
	}
}

// maxRequestInclusionLists is MAX_REQUEST_INCLUSION_LIST.
func maxRequestInclusionLists(c *ssz.Config, _ ssz.Fork) uint64 { return c.MaxRequestInclusionList }

func inclusionListWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	c := n.Config()
	return max(now-min(now, ssz.Slot(c.MinSlotsForInclusionListsRequests)), n.StartSlot(c.Forks[ssz.Heze].Epoch))
}

func inclusionListsAsked(req *ssz.InclusionListsByIndicesRequest) (n uint64) {
	for _, b := range req.Indices {
		n += uint64(bits.OnesCount8(b))
	}
	return n
}

// inclusionLists looks up those of recent slots alone: of others the specs leave it to the responder to
// say that their lists are not available.
func inclusionLists(
	ctx context.Context, q *query, req *ssz.InclusionListsByIndicesRequest,
) (iter.Seq2[Ref, error], error) {
	if req.Slot < q.p.ServedFrom(q.currentSlot()) {
		return nil, unavailable(ErrUnavailable)
	}
	refs := q.sources.InclusionLists.InclusionLists(ctx, req.Slot, req.DependentRoot, req.Indices)
	return atMost(refs, min(q.p.Asked(req), q.maxItems())), nil
}

// An InclusionList is a signed inclusion list: transactions that a member of a slot's committee wants
// to see included.
type InclusionList struct {
	Chunk

	// Slot is the slot of the committee.
	Slot ssz.Slot
	// ValidatorIndex is that of the validator that signed the list.
	ValidatorIndex uint64
	// DependentRoot is the root of the block that the committee depends on.
	DependentRoot ssz.Root
}

// inclusionListAt is where the message of a SignedInclusionList begins, after its offset and the
// signature.
const inclusionListAt = 4 + 96

func (l *InclusionList) decode(t *ssz.Type, c Chunk) (ssz.Slot, error) {
	if err := checked(t, c); err != nil {
		return 0, err
	}
	message := c.SSZ[inclusionListAt:]
	*l = InclusionList{
		Chunk:          c,
		Slot:           ssz.Slot(binary.LittleEndian.Uint64(message)),
		ValidatorIndex: binary.LittleEndian.Uint64(message[8:]),
		DependentRoot:  ssz.Root(message[16:48]),
	}
	return l.Slot, nil
}

// InclusionListsByIndices asks a peer for the inclusion lists of those members of a slot's inclusion
// list committee whose bits are set, the first in the lowest bit. The committee is that of the state
// of the block with root dependent. It yields the lists as they arrive, each checked: well-formed, of
// its fork and digest, of the slot and the root, and the only one of its validator. Signatures and
// membership are not checked. It is otherwise as BlocksByRange.
func (c *Client) InclusionListsByIndices(
	ctx context.Context, to peer.ID, slot ssz.Slot, dependent ssz.Root, members [2]byte,
) iter.Seq2[*InclusionList, error] {
	req := &ssz.InclusionListsByIndicesRequest{Slot: slot, DependentRoot: dependent, Indices: members}
	seen := make(map[uint64]bool)
	check := func(l *InclusionList) error {
		switch {
		case l.Slot != slot:
			return fmt.Errorf("%w: slot %d, asked for %d", ErrOutOfRange, l.Slot, slot)
		case l.DependentRoot != dependent:
			return fmt.Errorf("%w: dependent root %v, asked for %v", ErrUnexpectedRoot, l.DependentRoot, dependent)
		case seen[l.ValidatorIndex]:
			return fmt.Errorf("%w: list of validator %d", ErrRepeated, l.ValidatorIndex)
		}
		seen[l.ValidatorIndex] = true
		return nil
	}
	return stream(ctx, c, to, &whole{req}, check, c.family.inclusionListsByIndices.Spec())
}
