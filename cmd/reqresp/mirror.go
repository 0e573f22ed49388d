package main

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A mirror is the chain of a node that has none. It holds no blocks, and claims the view of the
// peer once that has told it: live clients part from a peer whose view differs too much.
type mirror struct {
	peer atomic.Pointer[beacon.Status]
}

var _ beacon.Chain = (*mirror)(nil)

// Status implements beacon.Chain.
func (m *mirror) Status(context.Context) (beacon.Status, error) {
	if status := m.peer.Load(); status != nil {
		return *status, nil
	}
	return beacon.Status{}, nil
}

// BlocksByRange implements beacon.Chain.
func (m *mirror) BlocksByRange(context.Context, ssz.Slot, uint64) iter.Seq2[beacon.BlockRef, error] {
	return func(yield func(beacon.BlockRef, error) bool) { yield(beacon.BlockRef{}, beacon.ErrUnavailable) }
}

// BlocksByRoot implements beacon.Chain.
func (m *mirror) BlocksByRoot(context.Context, []ssz.Root) iter.Seq2[beacon.BlockRef, error] {
	return func(func(beacon.BlockRef, error) bool) {}
}

// AppendFrames implements beacon.Chain. There is no block to call it for.
func (m *mirror) AppendFrames(context.Context, beacon.BlockRef, []byte) ([]byte, error) {
	return nil, errors.New("no blocks are held")
}
