package beacon

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// NoChain is the [Chain] of a node that holds none, such as a crawler or a client that only downloads. A server
// of NoChain takes part in the domain as every peer has to: it exchanges statuses, and answers ping, metadata and
// goodbye. It offers what a server of any chain does, as peers leave a node that does not: it answers requests by range
// with ResourceUnavailable, and leaves out by root what is asked for.
//
// It tells each peer the view of the chain that this peer has told last, as peers leave those whose view differs too
// much: until then, a head at slot 0. The earliest available slot is the one after the head, as no block is held. Of a
// peer it compares the fork digest, and nothing else.
var NoChain Chain = noChain{}

type noChain struct{}

// Status implements Chain.
func (noChain) Status(context.Context) (Status, error) { return holdingNothing(Status{}), nil }

// BlocksByRange implements Chain.
func (noChain) BlocksByRange(context.Context, ssz.Slot, uint64) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) { yield(Ref{}, ErrUnavailable) }
}

// BlocksByRoot implements Chain.
func (noChain) BlocksByRoot(context.Context, []ssz.Root) iter.Seq2[Ref, error] {
	return func(func(Ref, error) bool) {}
}

// Sources implements Chain.
func (noChain) Sources() Sources { return Sources{} }

// AppendFrames implements Chain. There is no block to call it for.
func (noChain) AppendFrames(context.Context, Ref, []byte) ([]byte, error) {
	return nil, errors.New("beacon: NoChain holds no blocks")
}

// holdingNothing returns a view of the chain as told by a node that holds no block of it.
func holdingNothing(view Status) Status {
	view.EarliestAvailableSlot = view.HeadSlot
	if view.HeadSlot < math.MaxUint64 {
		view.EarliestAvailableSlot++
	}
	return view
}

// statusFor returns what a peer is told that has told theirs: the chain's view, or, without a chain, the peer's own.
func (s *Server) statusFor(ctx context.Context, theirs Status) (Status, error) {
	ours, err := s.status(ctx, true)
	if err != nil || s.chain != NoChain {
		return ours, err
	}
	theirs.ForkDigest = ours.ForkDigest
	return holdingNothing(theirs), nil
}
