package era

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// defaultMaxOpen is how many files a directory keeps open if nothing else is set.
const defaultMaxOpen = 64

// DirOptions are the settings of a [Dir].
type DirOptions struct {
	// MaxOpen is how many files may be open at a time, and how many slot indices, of 64 KiB each, may be in
	// memory. 0 means 64; a negative value means 1.
	MaxOpen int
}

// A Dir is a directory of era files as one history. It opens files as they are needed and keeps those used last. Its
// methods may be called concurrently.
type Dir struct {
	perEra  ssz.Slot // SLOTS_PER_HISTORICAL_ROOT
	eras    map[uint64]pooledFile
	last    uint64 // the last era
	run     uint64 // the first era of the run that ends with the last
	handles *handles

	mu    sync.Mutex
	files lru[string, *File] // whose indices are in memory
}

// OpenDir opens the era files of a network in a directory. Files whose names are not those of era files, or of
// another network's by its CONFIG_NAME, are passed over; a network without that name takes all. Files may have
// several eras each. If several files have the same era, the one whose name sorts first serves it.
//
// OpenDir reads the last bytes of each file to find out which eras it has. Files that appear later are not seen. The
// error wraps [ErrNotHeld] if there are no files, [ErrIndex] if one has no state index at its end, and [ErrName] if a
// name is not that of the eras in the file; else it is that of the directory or a file. opts may be nil. The caller
// closes the directory.
func OpenDir(ctx context.Context, path string, n *ssz.Network, opts *DirOptions) (*Dir, error) {
	if opts == nil {
		opts = &DirOptions{}
	}
	most := opts.MaxOpen
	if most == 0 {
		most = defaultMaxOpen
	}
	d := &Dir{
		perEra:  SlotsPerEra(n),
		eras:    make(map[uint64]pooledFile),
		handles: newHandles(max(1, most)),
	}
	if err := d.scan(ctx, path, n.Config().Name); err != nil {
		d.handles.close()
		return nil, err
	}
	d.run = d.last
	for d.run > 0 && d.has(d.run-1) {
		d.run--
	}
	return d, nil
}

// scan finds the files of a network.
func (d *Dir) scan(ctx context.Context, path, config string) error {
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name, err := ParseName(entry.Name())
		if err != nil || config != "" && name.Config != config {
			continue
		}
		if err := d.add(ctx, filepath.Join(path, entry.Name()), name); err != nil {
			return fmt.Errorf("%s: %w", entry.Name(), err)
		}
	}
	if len(d.eras) == 0 {
		return fmt.Errorf("%w: %s has no era files of the network %q", ErrNotHeld, path, config)
	}
	return nil
}

// add takes a file into the history.
func (d *Dir) add(ctx context.Context, path string, name Name) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	src := pooledFile{d.handles, path, info.Size()}
	slot, err := lastStateSlot(ctx, src)
	if err != nil {
		return err
	}
	last := uint64(slot / d.perEra)
	if slot%d.perEra != 0 || last < name.Era || last-name.Era >= maxGroups {
		return fmt.Errorf("%w: the last state is that of slot %d", ErrName, slot)
	}
	for era := name.Era; era <= last; era++ {
		if !d.has(era) {
			d.eras[era] = src
		}
	}
	d.last = max(d.last, last)
	return nil
}

// lastStateSlot returns the slot of the state that a file ends with.
func lastStateSlot(ctx context.Context, src e2store.Source) (ssz.Slot, error) {
	n := min(src.Size(), indexSize(1))
	b, err := e2store.AppendRange(ctx, src, nil, src.Size()-n, n)
	if err != nil {
		return 0, &Error{src.Size() - n, NoSlot, err}
	}
	g := Group{end: src.Size()}
	if err := g.readStateIndex(b); err != nil {
		return 0, err
	}
	return g.StateSlot(), nil
}

func (d *Dir) has(era uint64) bool {
	_, ok := d.eras[era]
	return ok
}

// Close waits for the reads in progress and closes all files. Later reads fail with [os.ErrClosed].
func (d *Dir) Close() error {
	d.handles.close()
	return nil
}

// Slots returns the first slot and the one after the last of the eras that are held without a gap up to the last era
// of all. Earlier eras, before a gap, can be read too. The two are equal if there is nothing but a genesis state.
func (d *Dir) Slots() (first, end ssz.Slot) {
	return ssz.Slot(max(d.run, 1)-1) * d.perEra, ssz.Slot(d.last) * d.perEra
}

// EraOf returns the era that a slot belongs to, whether it is held or not.
func (d *Dir) EraOf(slot ssz.Slot) uint64 { return uint64(slot/d.perEra) + 1 }

// Group returns the group of an era. It reads the slot index of the file, unless that is in memory. The error wraps
// [ErrNotHeld] if no file has the era; else it is that of [NewFile].
func (d *Dir) Group(ctx context.Context, era uint64) (*Group, error) {
	src, ok := d.eras[era]
	if !ok {
		return nil, fmt.Errorf("%w: era %d", ErrNotHeld, era)
	}
	f, err := d.file(ctx, src)
	if err != nil {
		return nil, err
	}
	g, err := f.Group(era)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.path, err)
	}
	return g, nil
}

// file returns a file with its index.
func (d *Dir) file(ctx context.Context, src pooledFile) (*File, error) {
	d.mu.Lock()
	f, ok := d.files.get(src.path)
	d.mu.Unlock()
	if ok {
		return f, nil
	}
	f, err := NewFile(ctx, src, filepath.Base(src.path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.path, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files.put(src.path, f)
	if d.files.len() > cap(d.handles.busy) {
		d.files.takeOldest(func(*File) bool { return true })
	}
	return f, nil
}

// AppendFrames appends the frames of the block of a slot to dst and returns the extended buffer: see
// [File.AppendFrames], also for the errors. Errors of a file begin with its name.
func (d *Dir) AppendFrames(ctx context.Context, slot ssz.Slot, dst []byte) ([]byte, error) {
	g, err := d.Group(ctx, d.EraOf(slot))
	if err != nil {
		return dst, err
	}
	dst, err = g.file.AppendFrames(ctx, slot, dst)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", g.file.name, err)
	}
	return dst, nil
}

// Blocks returns the blocks of the slots from the first to the one before end that are held, in ascending order: see
// [File.Blocks]. Eras that are not held are no error. No file is kept open for a loop that rests.
func (d *Dir) Blocks(ctx context.Context, first, end ssz.Slot) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		_, last := d.Slots()
		for end = min(end, last); first < end; {
			src, until := d.span(first, end)
			if src.handles != nil && !d.blocks(ctx, src, first, until, yield) {
				return
			}
			first = until
		}
	}
}

// span returns the file that holds a slot, and the slot until which it holds those that follow, at most end. Of the
// slots of a gap the file is the zero pooledFile.
func (d *Dir) span(slot, end ssz.Slot) (src pooledFile, until ssz.Slot) {
	era := d.EraOf(slot)
	src = d.eras[era]
	for until = ssz.Slot(era) * d.perEra; until < end && d.eras[era+1] == src; until += d.perEra {
		era++
	}
	return src, min(until, end)
}

// blocks yields the blocks of one file. It reports whether the loop goes on.
func (d *Dir) blocks(ctx context.Context, src pooledFile, first, end ssz.Slot, yield func(Block, error) bool) bool {
	f, err := d.file(ctx, src)
	if err != nil {
		yield(Block{}, err)
		return false
	}
	for b, err := range f.Blocks(ctx, first, end) {
		if err != nil {
			err = fmt.Errorf("%s: %w", f.name, err)
		}
		if !yield(b, err) || err != nil {
			return false
		}
	}
	return true
}
