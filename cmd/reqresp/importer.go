package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/blockfile"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxPending bounds the bytes of blocks that wait to be stored. Storing syncs the disk, so it
// is done for many at once.
const maxPending = 16 << 20

// An importer checks blocks and stores them.
type importer struct {
	store   *store.Store
	network *ssz.Network
	changes []string // in the schedule that the store had

	pending []*beacon.Block
	places  []string // where each of the pending comes from
	size    int      // their bytes

	blocks, bytes uint64 // stored
	known         uint64 // stored before

	meter       *meter
	read, total uint64 // bytes of files; total is zero if that is not known
}

// watch has the import of files shown.
func (i *importer) watch(m *meter, paths []string) {
	i.meter = m
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || readsOnce(path) {
			i.total = 0 // Standard input, or something else without an end that is known.
			return
		}
		i.total += uint64(info.Size())
	}
}

func (i *importer) progress(n int) {
	i.read += uint64(n)
	i.meter.show(i.read, i.total, "%d blocks stored, %s, %.0f blocks/s",
		i.blocks, size(i.bytes), perSecond(i.blocks, i.meter.elapsed()))
}

// newImporter returns an importer into a store, which is of the network given, or of the one that
// it remembers with today's schedule.
func newImporter(ctx context.Context, s *store.Store, genesis *store.Network) (*importer, error) {
	changes, err := s.UseNetwork(ctx, genesis, time.Now())
	if err != nil {
		return nil, err
	}
	stored, _ := s.Network()
	n, err := stored.Parse()
	if err != nil {
		return nil, err
	}
	return &importer{store: s, network: n, changes: changes}, nil
}

// file imports the blocks of a file, the last of which may still be pending afterwards.
func (i *importer) file(ctx context.Context, path string, stdin io.Reader) error {
	if filepath.Ext(path) == eraExtension {
		return i.eraFile(ctx, path)
	}
	file, err := openInput(ctx, path, stdin)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	name := path
	if path == "-" {
		name = "standard input"
	}
	for record, err := range blockfile.Read(metered{file, i.progress}) {
		place := name
		if record.Line > 0 {
			place = fmt.Sprintf("%s:%d", name, record.Line)
		}
		var block *beacon.Block
		if err == nil {
			block, err = i.check(&record)
		}
		if err != nil {
			// What came before is as good as ever, also when this was interrupted.
			return errors.Join(i.flush(context.WithoutCancel(ctx)), fmt.Errorf("%s: %w", place, err))
		}
		if err := i.add(ctx, block, place); err != nil {
			return err
		}
	}
	return nil
}

// check decodes a block and verifies that it is what the file claims it to be.
func (i *importer) check(r *blockfile.Record) (*beacon.Block, error) {
	header, err := ssz.PeekBlock(r.SSZ)
	if err != nil {
		return nil, err
	}
	if r.Slot != nil && *r.Slot != header.Slot {
		return nil, fmt.Errorf("slot is %d, but the block's is %d", *r.Slot, header.Slot)
	}
	period := i.network.PeriodAt(i.network.EpochOf(header.Slot))
	if r.Digest != nil && *r.Digest != period.Digest {
		return nil, fmt.Errorf("context_hex is %v, but the fork digest at slot %d is %v: is the block of another network?",
			*r.Digest, header.Slot, period.Digest)
	}
	signed, err := i.network.DecodeBlock(period.Fork, r.SSZ)
	if err != nil {
		return nil, fmt.Errorf("slot %d is no block of %v: %w", header.Slot, period.Fork, err)
	}
	root, err := signed.BlockRoot()
	if err != nil {
		return nil, err
	}
	if r.Root != nil && *r.Root != root {
		return nil, fmt.Errorf("block_root_hex is %v, but the block's root is %v", *r.Root, ssz.Root(root))
	}
	return &beacon.Block{
		Slot:       header.Slot,
		Root:       root,
		ParentRoot: header.ParentRoot,
		Fork:       period.Fork,
		Digest:     period.Digest,
		SSZ:        r.SSZ,
	}, nil
}

func (i *importer) add(ctx context.Context, b *beacon.Block, place string) error {
	i.pending, i.places = append(i.pending, b), append(i.places, place)
	if i.size += len(b.SSZ) + len(b.Frames); i.size < maxPending {
		return nil
	}
	return i.flush(ctx)
}

// flush stores what is pending.
func (i *importer) flush(ctx context.Context) error {
	if len(i.pending) == 0 {
		return nil
	}
	defer func() { i.pending, i.places, i.size = nil, nil, 0 }()
	if i.append(ctx, i.pending...) == nil {
		return nil
	}
	// None of a batch is stored if one of it cannot be. Find that.
	for n, b := range i.pending {
		if err := i.append(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", i.places[n], err)
		}
	}
	return nil
}

func (i *importer) append(ctx context.Context, blocks ...*beacon.Block) error {
	head, _, held := i.store.Head()
	if err := i.store.Append(ctx, blocks...); err != nil {
		return err
	}
	for _, b := range blocks {
		if held && b.Slot <= head {
			i.known++
			continue
		}
		head, held = b.Slot, true
		i.blocks++
		i.bytes += uint64(len(b.SSZ))
	}
	return nil
}

// sortPaths puts files of raw SSZ, one block each, in the order of their slots. If any of the
// files is of another kind, or can be read only once, they stay as they are.
func sortPaths(paths []string) ([]string, error) {
	slots := make(map[string]ssz.Slot, len(paths))
	for _, path := range paths {
		if readsOnce(path) {
			return paths, nil
		}
		slot, raw, err := peekSlot(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if !raw {
			return paths, nil
		}
		slots[path] = slot
	}
	return slices.SortedStableFunc(slices.Values(paths), func(a, b string) int {
		return cmp.Compare(slots[a], slots[b])
	}), nil
}

func peekSlot(path string) (slot ssz.Slot, raw bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = file.Close() }()
	return blockfile.PeekSlot(file)
}
