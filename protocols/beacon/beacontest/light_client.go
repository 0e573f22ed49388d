package beacontest

import (
	"context"
	"encoding/binary"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The kinds of objects for light clients, in the keys of refs.
const (
	bootstraps = iota
	updates
	finality
	optimistic
)

// LightClientBootstrap implements beacon.LightClientSource.
func (c *Chain) LightClientBootstrap(_ context.Context, root ssz.Root) (beacon.LightClientRef, error) {
	for n, i := range c.Bootstraps {
		if i.Root == root {
			return lightClientRef(i, bootstraps, n), nil
		}
	}
	return beacon.LightClientRef{}, beacon.ErrUnavailable
}

// LightClientUpdates implements beacon.LightClientSource.
func (c *Chain) LightClientUpdates(_ context.Context, start, count uint64) iter.Seq2[beacon.LightClientRef, error] {
	return func(yield func(beacon.LightClientRef, error) bool) {
		for n, i := range c.Updates {
			if period := uint64(n); period < start || period-start >= count {
				continue
			}
			if !yield(lightClientRef(i, updates, n), nil) {
				return
			}
		}
	}
}

// LightClientFinalityUpdate implements beacon.LightClientSource.
func (c *Chain) LightClientFinalityUpdate(context.Context) (beacon.LightClientRef, error) {
	if c.Finality == nil {
		return beacon.LightClientRef{}, beacon.ErrUnavailable
	}
	return lightClientRef(c.Finality, finality, 0), nil
}

// LightClientOptimisticUpdate implements beacon.LightClientSource.
func (c *Chain) LightClientOptimisticUpdate(context.Context) (beacon.LightClientRef, error) {
	if c.Optimistic == nil {
		return beacon.LightClientRef{}, beacon.ErrUnavailable
	}
	return lightClientRef(c.Optimistic, optimistic, 0), nil
}

// AppendLightClientFrames implements beacon.LightClientSource.
func (c *Chain) AppendLightClientFrames(_ context.Context, ref beacon.LightClientRef, dst []byte) ([]byte, error) {
	n := binary.LittleEndian.Uint64(ref.Key[8:])
	switch ref.Key[0] {
	case bootstraps:
		return append(dst, c.Bootstraps[n].Frames...), nil
	case updates:
		return append(dst, c.Updates[n].Frames...), nil
	case finality:
		return append(dst, c.Finality.Frames...), nil
	}
	return append(dst, c.Optimistic.Frames...), nil
}

func lightClientRef(i *Item, kind byte, n int) beacon.LightClientRef {
	ref := beacon.LightClientRef{Slot: i.Slot, Size: len(i.SSZ), FramesSize: len(i.Frames)}
	ref.Key[0] = kind
	binary.LittleEndian.PutUint64(ref.Key[8:], uint64(n))
	return ref
}
