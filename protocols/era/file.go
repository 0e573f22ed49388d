package era

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// slotsPerHistoricalRoot is SLOTS_PER_HISTORICAL_ROOT of most presets: as many slots as the index of a file that is
// opened is expected to have.
const slotsPerHistoricalRoot = 8192

// maxGroups is the most groups in a file: the name of a file has five digits for an era.
const maxGroups = 100_000

// A File is an era file that is open for reading. It is immutable, and its methods may be called concurrently, except
// for [File.Close].
type File struct {
	src    e2store.Source
	name   string
	groups []*Group
}

// Open opens a file by its path. The caller closes it.
func Open(ctx context.Context, path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	f, err := NewFile(ctx, e2store.NewSource(file, info.Size()), filepath.Base(path))
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// NewFile opens a file in any source. [File.Check] compares the name, which has no directory, with the content,
// unless it is empty. If NewFile succeeds the File owns the source: [File.Close] closes it if it is an [io.Closer].
//
// NewFile reads the slot indices, with one read for each group, from the last to the first, and keeps them in memory.
// It needs no network: the indices hold their slots. The error is an [*Error].
func NewFile(ctx context.Context, src e2store.Source, name string) (*File, error) {
	f := &File{src: src, name: name}
	guess := uint64(slotsPerHistoricalRoot)
	for end := src.Size(); end > 0 || len(f.groups) == 0; {
		g, err := readGroup(ctx, f, end, guess)
		if err != nil {
			return nil, err
		}
		if len(f.groups) > 0 {
			if err := f.groups[len(f.groups)-1].follows(g); err != nil {
				return nil, err
			}
		}
		if len(f.groups) == maxGroups {
			return nil, fault(g.start, NoSlot, ErrGroup, "more than %d groups", maxGroups)
		}
		f.groups = append(f.groups, g)
		end, guess = g.start, uint64(max(1, len(g.blocks.entries)))
	}
	slices.Reverse(f.groups)
	return f, nil
}

// follows returns an error if a group is not that of the era after the one before it.
func (g *Group) follows(before *Group) error {
	first, _ := g.Slots()
	if first != before.StateSlot() || before.number != g.number-1 {
		return fault(before.start, NoSlot, ErrGroup, "group of era %d before one of era %d", before.number, g.number)
	}
	return nil
}

// Close closes the source, if it can be closed.
func (f *File) Close() error {
	if c, ok := f.src.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Groups returns the groups of the file, of consecutive eras in ascending order. There is at least one. The caller owns
// the slice.
func (f *File) Groups() []*Group { return slices.Clone(f.groups) }

// Slots returns the first slot of the file's eras and the one after the last. They are equal if the file has nothing
// but the genesis state.
func (f *File) Slots() (first, end ssz.Slot) {
	first, _ = f.groups[0].Slots()
	_, end = f.groups[len(f.groups)-1].Slots()
	return first, end
}

// Group returns the group of an era. The error is [ErrNotHeld] if the file has none.
func (f *File) Group(era uint64) (*Group, error) {
	first := f.groups[0].number
	if era < first || era-first >= uint64(len(f.groups)) {
		return nil, fmt.Errorf("%w: era %d", ErrNotHeld, era)
	}
	return f.groups[era-first], nil
}

// groupOf returns the group whose era a slot belongs to.
func (f *File) groupOf(slot ssz.Slot) (*Group, error) {
	i, ok := slices.BinarySearchFunc(f.groups, slot, func(g *Group, slot ssz.Slot) int {
		first, end := g.Slots()
		switch {
		case end <= slot:
			return -1
		case first > slot:
			return 1
		default:
			return 0
		}
	})
	if !ok {
		return nil, fmt.Errorf("%w: slot %d", ErrNotHeld, slot)
	}
	return f.groups[i], nil
}

// isRecordFault reports whether an error of package e2store is about a record, rather than that of a source.
func isRecordFault(err error) bool {
	return errors.Is(err, e2store.ErrTruncated) || errors.Is(err, e2store.ErrReserved) ||
		errors.Is(err, e2store.ErrTooLarge)
}
