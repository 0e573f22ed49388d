package plugin_test

import (
	"context"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// emptyChain is at genesis.
type emptyChain struct{}

func (emptyChain) Status(context.Context) (beacon.Status, error) { return beacon.Status{}, nil }

func (emptyChain) BlocksByRange(context.Context, ssz.Slot, uint64) iter.Seq2[beacon.Ref, error] {
	return func(func(beacon.Ref, error) bool) {}
}

func (emptyChain) BlocksByRoot(context.Context, []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return func(func(beacon.Ref, error) bool) {}
}

func (emptyChain) Sources() beacon.Sources { return beacon.Sources{} }

func (emptyChain) AppendFrames(context.Context, beacon.Ref, []byte) ([]byte, error) {
	return nil, beacon.ErrUnavailable
}
