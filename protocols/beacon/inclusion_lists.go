package beacon

import (
	"context"
	"encoding/binary"
	"iter"
	"math/bits"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// inclusionListProtocols is the row of the protocol that carries inclusion lists.
func (f *Family) inclusionListProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "inclusion_lists_by_indices", Version: 1,
			Request: "InclusionListsByIndicesRequest", Response: "SignedInclusionList", Context: true,
			First: ssz.Heze, Last: newest,
			maxItems: maxRequestInclusionLists, cost: costOf(inclusionListsCost), window: inclusionListWindow,
			gone:    leftOut,
			declare: stream(&f.InclusionListsByIndices), serve: (*Server).inclusionListsByIndices,
		},
	}
}

// maxRequestInclusionLists is MAX_REQUEST_INCLUSION_LIST.
func maxRequestInclusionLists(*ssz.Config, ssz.Fork) uint64 { return 16 }

// inclusionListSlots is MIN_SLOTS_FOR_INCLUSION_LISTS_REQUESTS.
const inclusionListSlots = 1

func inclusionListWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	return max(now-min(now, inclusionListSlots), n.StartSlot(n.Config().Forks[ssz.Heze].Epoch))
}

func inclusionListsCost(_ *Protocol, req *ssz.InclusionListsByIndicesRequest) (n uint64) {
	for _, b := range req.Indices {
		n += uint64(bits.OnesCount8(b))
	}
	return n
}

// An InclusionListRef names a signed inclusion list that a chain holds, without its data.
type InclusionListRef struct {
	// Slot is the list's slot. It decides the fork digest sent along.
	Slot ssz.Slot
	// ValidatorIndex is that of the validator that signed the list.
	ValidatorIndex uint64
	// Size is the exact length of the SignedInclusionList's SSZ encoding, in bytes.
	Size int
	// FramesSize is about how many bytes the frames have, see [BlockRef].
	FramesSize int
}

func (r InclusionListRef) layout() layout { return layout{r.Slot, r.Size, r.FramesSize} }

// An InclusionListSource is a [Chain] that holds the inclusion lists of recent slots too. What [Chain]
// says of concurrency and errors goes for it as well.
type InclusionListSource interface {
	// InclusionLists yields the lists of those members of a slot's inclusion list committee whose bits
	// are set, the first in the lowest bit, as far as it holds them. The committee is that of the
	// state of the block with root dependent. Lists that fail the rules of gossip, and those of
	// validators that have signed two, should be left out. The slot is not before the one that the specs
	// have to be served from, but may be far in the future.
	InclusionLists(ctx context.Context, slot ssz.Slot, dependent ssz.Root, members [2]byte) iter.Seq2[InclusionListRef, error]

	// AppendInclusionListFrames appends a SignedInclusionList's SSZ encoding to dst as snappy frames, in
	// the manner of [Chain].AppendFrames.
	AppendInclusionListFrames(ctx context.Context, ref InclusionListRef, dst []byte) ([]byte, error)
}

// inclusionListsByIndices serves recent slots alone: of others the specs leave it to the responder to
// say that their lists are not available.
func (s *Server) inclusionListsByIndices(p *Protocol) reqresp.HandlerFunc {
	source, ok := s.chain.(InclusionListSource)
	if !ok {
		return nil
	}
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.InclusionListsByIndicesRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		if req.Slot < p.ServedFrom(s.currentSlot()) {
			return unavailable(ErrUnavailable)
		}
		asked := min(p.Asked(&req), s.maxItems(p))
		refs := atMost(source.InclusionLists(ctx, req.Slot, req.DependentRoot, req.Indices), asked)
		return send(ctx, s, p, in, refs, source.AppendInclusionListFrames)
	}
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

func (l *InclusionList) take(t *ssz.Type, c Chunk) (ssz.Slot, error) {
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

func (l *InclusionList) give() Chunk { return l.Chunk }
