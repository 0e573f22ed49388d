package era

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"slices"
	"sort"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ErrRootIndex is returned when the file of a [RootIndex] is damaged, or of another network.
var ErrRootIndex = errors.New("era: bad root index")

// rootIndexType is the type of the record, which the specifications do not assign.
const rootIndexType e2store.Type = 0x8001

// The parts of a root index, after the record's header.
const (
	rootPrefix       = 12                     // bytes of a root
	rootEntry        = rootPrefix + 4         // and the slot
	rootIndexHead    = 32 + 8 + 8 + 32        // genesis validators root, first slot, end slot, root of the last block
	rootIndexStart   = 2 * e2store.HeaderSize // after the Version record
	rootIndexEntries = rootIndexStart + rootIndexHead
	rootIndexSum     = 4
	rootPage         = 256 * rootEntry // is read at a time
)

// A RootIndex finds the slots of the blocks of a history by their roots. The format of era files has no such index:
// this one is a file of its own, beside them. It is immutable; its methods may be called concurrently.
//
// The file is an e2store file of a Version record and a record of type 0x8001. The data of that, with little-endian
// integers, is the genesis validators root (32 bytes), the first slot (8) and the one after the last (8) of the
// history, the root of its last block (32), an entry of 16 bytes for each block, and the CRC-32C of all that (4). An
// entry is the first 12 bytes of the root and the slot (4). Entries are in ascending order of their bytes.
type RootIndex struct {
	src        e2store.Source
	first, end ssz.Slot
	last       ssz.Root
	pages      [][rootPrefix]byte // what each page of entries begins with
}

// RootIndexName returns the name of the file of the root index of a network's era files, which is in the same
// directory: mainnet-roots.e2s for the network with the CONFIG_NAME mainnet.
func RootIndexName(n *ssz.Network) string {
	if name := n.Config().Name; name != "" {
		return name + "-roots.e2s"
	}
	return "roots.e2s"
}

// RootIndex returns the content of the file of the root index of the blocks of [Dir.Slots]. It reads the slot index and
// the beginning of the state of each era, and no blocks. It needs 16 bytes of memory for each block.
//
// The error is that of [Group.BlockRoots], with the name of the file.
func (d *Dir) RootIndex(ctx context.Context, n *ssz.Network) ([]byte, error) {
	first, end := d.Slots()
	if end > math.MaxUint32 {
		return nil, fmt.Errorf("%w: slot %d is more than it can hold", ErrRootIndex, end)
	}
	var last ssz.Root
	var entries [][rootEntry]byte
	for era := d.EraOf(first); first < end && era <= d.EraOf(end-1); era++ {
		g, err := d.Group(ctx, era)
		if err != nil {
			return nil, err
		}
		blockRoots, err := g.BlockRoots(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", g.FileName(), err)
		}
		begin, _ := g.Slots()
		for slot := range g.Blocks() {
			entries = append(entries, newRootEntry(blockRoots[slot-begin], slot))
		}
		last = blockRoots[len(blockRoots)-1]
	}
	slices.SortFunc(entries, func(a, b [rootEntry]byte) int { return bytes.Compare(a[:], b[:]) })
	data := make([]byte, 0, rootIndexHead+len(entries)*rootEntry+rootIndexSum)
	genesis := n.GenesisValidatorsRoot()
	data = append(data, genesis[:]...)
	data = binary.LittleEndian.AppendUint64(data, uint64(first))
	data = binary.LittleEndian.AppendUint64(data, uint64(end))
	data = append(data, last[:]...)
	for i := range entries {
		data = append(data, entries[i][:]...)
	}
	data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
	var file bytes.Buffer
	w := e2store.NewWriter(&file, 0)
	_, err := w.Write(e2store.Version, nil)
	if err == nil {
		_, err = w.Write(rootIndexType, data)
	}
	return file.Bytes(), err
}

func newRootEntry(root ssz.Root, slot ssz.Slot) (e [rootEntry]byte) {
	copy(e[:rootPrefix], root[:])
	binary.LittleEndian.PutUint32(e[rootPrefix:], uint32(slot))
	return e
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenRootIndex opens a root index by its path. It reads the file once, to verify its checksum, and keeps 12 bytes in
// memory for every 256 blocks. The caller closes it.
//
// The error wraps [ErrRootIndex] if the file is damaged, not a root index, or of another network; else it is that of
// the file.
func OpenRootIndex(ctx context.Context, path string, n *ssz.Network) (*RootIndex, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	x := &RootIndex{src: e2store.NewSource(file, info.Size())}
	if err := x.read(ctx, n); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	return x, nil
}

// read reads and verifies the file.
func (x *RootIndex) read(ctx context.Context, n *ssz.Network) error {
	head, err := e2store.AppendRange(ctx, x.src, nil, 0, rootIndexEntries)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it has %d bytes", ErrRootIndex, x.src.Size())
	}
	if err != nil {
		return err
	}
	record, err := e2store.ParseHeader(head[e2store.HeaderSize:])
	length := x.src.Size() - rootIndexStart
	if err != nil || record.Type != rootIndexType || int64(record.Length) != length {
		return fmt.Errorf("%w: want one record of type %v and %d bytes", ErrRootIndex, rootIndexType, length)
	}
	head = head[rootIndexStart:]
	genesis := n.GenesisValidatorsRoot()
	if !bytes.Equal(head[:32], genesis[:]) {
		return fmt.Errorf("%w: it is of a network with the genesis validators root %#x", ErrRootIndex, head[:32])
	}
	x.first, x.end = ssz.Slot(binary.LittleEndian.Uint64(head[32:])), ssz.Slot(binary.LittleEndian.Uint64(head[40:]))
	x.last = ssz.Root(head[48:])
	if size := length - rootIndexHead - rootIndexSum; size < 0 || size%rootEntry != 0 {
		return fmt.Errorf("%w: %d bytes of entries", ErrRootIndex, size)
	}
	return x.readEntries(ctx, crc32.Checksum(head, castagnoli))
}

// readEntries reads what each page begins with, and verifies the checksum. That of what is before is sum.
func (x *RootIndex) readEntries(ctx context.Context, sum uint32) (err error) {
	buf := make([]byte, 0, 256*rootPage)
	end := x.entriesEnd()
	for off := int64(rootIndexEntries); off < end; off += int64(len(buf)) {
		if buf, err = e2store.AppendRange(ctx, x.src, buf[:0], off, min(int64(cap(buf)), end-off)); err != nil {
			return err
		}
		sum = crc32.Update(sum, castagnoli, buf)
		for page := range slices.Chunk(buf, rootPage) {
			x.pages = append(x.pages, [rootPrefix]byte(page))
		}
	}
	if buf, err = e2store.AppendRange(ctx, x.src, buf[:0], end, rootIndexSum); err != nil {
		return err
	}
	if want := binary.LittleEndian.Uint32(buf); sum != want {
		return fmt.Errorf("%w: checksum %#08x, want %#08x", ErrRootIndex, sum, want)
	}
	return nil
}

// entriesEnd returns where the entries end.
func (x *RootIndex) entriesEnd() int64 { return x.src.Size() - rootIndexSum }

// Close closes the file.
func (x *RootIndex) Close() error {
	if c, ok := x.src.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Slots returns the first slot of the history and the one after its last.
func (x *RootIndex) Slots() (first, end ssz.Slot) { return x.first, x.end }

// LastRoot returns the root of the last block of the history.
func (x *RootIndex) LastRoot() ssz.Root { return x.last }

// SlotOf returns the slot of the block with a root. It reports false if the history has none. The caller compares the
// root with that of the block: the index has 12 bytes of it. It costs one read of 4 KiB. The error is that of the file.
func (x *RootIndex) SlotOf(ctx context.Context, root ssz.Root) (slot ssz.Slot, ok bool, err error) {
	compare := func(entry []byte) int { return bytes.Compare(entry[:rootPrefix], root[:rootPrefix]) }
	page := sort.Search(len(x.pages), func(i int) bool { return compare(x.pages[i][:]) > 0 }) - 1
	if page < 0 {
		return 0, false, nil
	}
	off := rootIndexEntries + int64(page)*rootPage
	entries, err := e2store.AppendRange(ctx, x.src, make([]byte, 0, rootPage), off, min(rootPage, x.entriesEnd()-off))
	if err != nil {
		return 0, false, err
	}
	n := len(entries) / rootEntry
	at, ok := sort.Find(n, func(i int) int { return -compare(entries[i*rootEntry:]) })
	if !ok {
		return 0, false, nil
	}
	return ssz.Slot(binary.LittleEndian.Uint32(entries[at*rootEntry+rootPrefix:])), true, nil
}
