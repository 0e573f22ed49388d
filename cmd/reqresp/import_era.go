package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// eraFile imports the blocks of an era file. Those of the last that are pending are as of file.
func (i *importer) eraFile(ctx context.Context, path string) error {
	f, err := era.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for _, g := range f.Groups() {
		if err := i.eraGroup(ctx, f, g, path); err != nil {
			// What came before is as good as ever, also when this was interrupted.
			return errors.Join(i.flush(context.WithoutCancel(ctx)), err)
		}
	}
	return nil
}

// eraGroup imports the blocks of an era. Their roots are those that the era's state has.
func (i *importer) eraGroup(ctx context.Context, f *era.File, g *era.Group, path string) error {
	roots, err := g.BlockRoots(ctx, i.network)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// What is pending may be the blocks before.
	if err := i.flush(ctx); err != nil {
		return err
	}
	first, end := g.Slots()
	i.store.SetFinal(max(end, 1) - 1) // An era file has finalized blocks alone.
	next, err := i.skip(ctx, g, roots)
	if err != nil {
		return err
	}
	for b, err := range f.Blocks(ctx, next, end) {
		var block *beacon.Block
		if err == nil {
			block, err = i.eraBlock(b, roots[b.Slot-first])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := i.add(ctx, block, fmt.Sprintf("%s: slot %d", path, b.Slot)); err != nil {
			return err
		}
		i.progress(len(b.Frames))
	}
	return nil
}

// skip returns the slot to begin at: that after the blocks of the era that the store has. If it has one, and begins
// before the era, it has all those before.
func (i *importer) skip(ctx context.Context, g *era.Group, roots []ssz.Root) (ssz.Slot, error) {
	first, end := g.Slots()
	head, _, some := i.store.Head()
	if !some || head < first || first == end || i.store.Info().Earliest > first {
		return first, nil
	}
	last := min(head, end-1)
	_, held, err := i.store.SlotOf(ctx, roots[last-first])
	if err != nil || !held {
		return first, err // What does not fit is named when it is appended.
	}
	for _, err := range i.store.BlocksByRange(ctx, first, uint64(last-first)+1) {
		if err != nil {
			return first, err
		}
		i.known++
	}
	return last + 1, nil
}

// eraBlock returns the block of a record, with its frames as they are.
func (i *importer) eraBlock(b era.Block, want ssz.Root) (*beacon.Block, error) {
	encoded, header, root, err := b.Decode(i.network, nil)
	if err != nil {
		return nil, err
	}
	if root != want {
		err := fmt.Errorf("%w: it is %v, in the state %v", era.ErrBlockRoot, root, want)
		return nil, &era.Error{Offset: b.Offset, Slot: b.Slot, Err: err}
	}
	period := i.network.PeriodAt(i.network.EpochOf(b.Slot))
	return &beacon.Block{
		Slot: b.Slot, Root: root, ParentRoot: header.ParentRoot, Fork: period.Fork, Digest: period.Digest,
		SSZ: encoded, Frames: bytes.Clone(b.Frames),
	}, nil
}
