package history_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// change changes the content of a file.
func change(t *testing.T, path string, f func(content []byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, f(content))
}

// flip damages a byte of the record of a block.
func flip(t *testing.T, path string, slot ssz.Slot, at int64) {
	t.Helper()
	offset := offsetOf(t, path, slot)
	change(t, path, func(b []byte) []byte { b[offset+at] ^= 0x10; return b })
}

// A block that is damaged is an error that tells where, and all others are served: never a wrong byte.
func TestDamagedBlocks(t *testing.T) {
	t.Parallel()
	const slot = 95
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, path string)
		want   error
	}{
		{"type of the record", func(t *testing.T, path string) { flip(t, path, slot, 0) }, era.ErrRecord},
		{"length of the record", func(t *testing.T, path string) { flip(t, path, slot, 5) }, era.ErrRecord},
		{"stream identifier", func(t *testing.T, path string) { flip(t, path, slot, 10) }, era.ErrFrames},
		{"signature", func(t *testing.T, path string) { flip(t, path, slot, 50) }, era.ErrFrames},
		{"body", func(t *testing.T, path string) { flip(t, path, slot, 500) }, era.ErrFrames},
		{"other block", func(t *testing.T, path string) { forge(t, path, slot, 300) }, era.ErrBlockRoot},
		{"other slot", func(t *testing.T, path string) { forge(t, path, slot, 100) }, era.ErrBlock},
		{"empty by the index", func(t *testing.T, path string) { omit(t, path, slot) }, era.ErrBlockRoot},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := allFiles(t)
			path := filepath.Join(dir, secondFile)
			offset := offsetOf(t, path, slot)
			if tt.name == "empty by the index" {
				offset = entryOf(t, path, slot)
			}
			tt.damage(t, path)
			c := open(t, dir, newStore(t, blocks(filesEnd, chainHead)...))
			for range 2 {
				got, err := read(t, c, 0, 1000)
				checkBlocks(t, got, blocks(0, slot-1))
				checkFault(t, err, tt.want, slot)
				if e := asError(t, err); e.Offset != offset {
					t.Errorf("offset %d, want %d", e.Offset, offset)
				}
				if got, err = read(t, c, slot+1, 1000); err != nil {
					t.Error(err)
				}
				checkBlocks(t, got, blocks(slot+1, chainHead))
			}
			for _, err := range c.BlocksByRoot(t.Context(), []ssz.Root{blockAt(t, slot).Root}) {
				checkFault(t, err, tt.want, slot)
			}
		})
	}
}

func asError(t *testing.T, err error) *era.Error {
	t.Helper()
	e, ok := errors.AsType[*era.Error](err)
	if !ok {
		t.Fatalf("error %v of type %T", err, err)
	}
	return e
}

// checkFault checks that an error names the second file and a slot.
func checkFault(t *testing.T, err, want error, slot ssz.Slot) {
	t.Helper()
	if e := asError(t, err); !errors.Is(err, want) || e.Slot != slot ||
		!strings.HasPrefix(err.Error(), secondFile+": offset ") {
		t.Errorf("error %v, want %v of slot %d", err, want, slot)
	}
}

// forge changes a byte of the SSZ of a block, and frames it anew.
func forge(t *testing.T, path string, slot ssz.Slot, at int) {
	t.Helper()
	replace(t, path, slot, func(frames []byte) []byte {
		size, err := snappy.DecodedLen(frames)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := snappy.AppendDecoded(nil, frames, size)
		if err != nil {
			t.Fatal(err)
		}
		encoded[at] ^= 1
		return snappy.AppendFrames(nil, encoded)
	})
}

// replace puts other frames in the place of a block's, and adjusts the index of the file, which has one group.
func replace(t *testing.T, path string, slot ssz.Slot, by func(frames []byte) []byte) {
	t.Helper()
	offset := offsetOf(t, path, slot)
	change(t, path, func(b []byte) []byte {
		length := int64(binary.LittleEndian.Uint32(b[offset+2:]))
		end := offset + e2store.HeaderSize + length
		frames := by(b[offset+e2store.HeaderSize : end])
		grown := int64(len(frames)) - length
		out := slices.Concat(b[:offset+e2store.HeaderSize], frames, b[end:])
		binary.LittleEndian.PutUint32(out[offset+2:], uint32(len(frames)))
		forEachEntry(out, func(at, entry int64) {
			if entry == 0 || at == slotsPerEra { // that of the state moves with its index
				return
			}
			if index := int64(len(out)) - stateIndex - blockIndex; index-grown+entry <= offset {
				binary.LittleEndian.PutUint64(out[index+16+8*at:], uint64(entry-grown))
			}
		})
		return out
	})
}

const (
	slotsPerEra = 64
	stateIndex  = 8 + 8*3
	blockIndex  = 8 + 8*(slotsPerEra+2)
)

// forEachEntry calls f with the entries of the block index that a file of one group has.
func forEachEntry(b []byte, f func(at, entry int64)) {
	index := len(b) - stateIndex - blockIndex
	for at := range slotsPerEra {
		f(int64(at), int64(binary.LittleEndian.Uint64(b[index+16+8*at:])))
	}
}

// omit makes a slot empty by the index.
func omit(t *testing.T, path string, slot ssz.Slot) {
	t.Helper()
	at := entryOf(t, path, slot)
	change(t, path, func(b []byte) []byte {
		binary.LittleEndian.PutUint64(b[at:], 0)
		return b
	})
}

// entryOf returns where the index of a file has the offset of a slot.
func entryOf(t *testing.T, path string, slot ssz.Slot) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size() - stateIndex - blockIndex + 16 + 8*int64(slot%slotsPerEra)
}

// A state that is damaged is one file's matter: all others are served, and the file's own blocks are not, as nothing
// tells whether they are those of the chain.
func TestADamagedState(t *testing.T) {
	t.Parallel()
	dir := allFiles(t)
	path := filepath.Join(dir, firstFile)
	f, err := era.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	record, err := f.Groups()[0].StateRecord(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change(t, path, func(b []byte) []byte { b[record.DataOffset()+100] ^= 1; return b })
	c := open(t, dir, newStore(t, blocks(filesEnd, chainHead)...))
	got, err := read(t, c, 10, 10)
	if e := asError(t, err); len(got) > 0 || e.Offset != record.Offset || e.Slot != 64 ||
		!strings.Contains(err.Error(), firstFile) {
		t.Errorf("%d blocks, %v", len(got), err)
	}
	if got, err = read(t, c, 64, 1000); err != nil {
		t.Error(err)
	}
	checkBlocks(t, got, blocks(64, chainHead))
}

// What changes on the disk after a block was verified is not sent.
func TestDamageAfterwards(t *testing.T) {
	t.Parallel()
	dir := allFiles(t)
	c := open(t, dir, newStore(t))
	if _, err := read(t, c, 0, 128); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, secondFile)
	flip(t, path, 95, 400)
	for ref, err := range c.BlocksByRange(t.Context(), 95, 1) {
		if err != nil {
			t.Fatal(err)
		}
		dst, err := c.AppendFrames(t.Context(), ref, []byte("header"))
		checkFault(t, err, era.ErrFrames, 95)
		if string(dst) != "header" {
			t.Errorf("dst has %d bytes", len(dst))
		}
	}
	flip(t, path, 95, 400) // repaired
	got, err := read(t, c, 90, 10)
	if err != nil {
		t.Fatal(err)
	}
	checkBlocks(t, got, blocks(90, 99))
}

// A file that is replaced by one without a block that was there is an error in its place.
func TestAFileThatIsReplaced(t *testing.T) {
	t.Parallel()
	n, path := network(t, 0), allFiles(t)
	// With one index in memory, that of a file is read again after another was used.
	dir, err := era.OpenDir(t.Context(), path, n, &era.DirOptions{MaxOpen: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c, err := history.Open(t.Context(), dir, n, newStore(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, c, 90, 4); err != nil {
		t.Fatal(err)
	}
	omit(t, filepath.Join(path, secondFile), 95)
	if _, err := read(t, c, 10, 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := read(t, c, 90, 10)
		checkFault(t, err, era.ErrIndex, 95)
		checkBlocks(t, got, blocks(90, 94))
	}
	got, err := read(t, c, 96, 100)
	if err != nil {
		t.Error(err)
	}
	checkBlocks(t, got, blocks(96, 127))
}

// Of a file that becomes shorter the blocks that are left are served.
func TestAFileThatIsCut(t *testing.T) {
	t.Parallel()
	dir := allFiles(t)
	c := open(t, dir, newStore(t, blocks(filesEnd, chainHead)...))
	path := filepath.Join(dir, secondFile)
	if err := os.Truncate(path, offsetOf(t, path, 95)+100); err != nil {
		t.Fatal(err)
	}
	got, err := read(t, c, 0, 1000)
	checkBlocks(t, got, blocks(0, 94))
	if e := asError(t, err); e.Slot != 95 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	if got, err = read(t, c, 128, 1000); err != nil {
		t.Error(err)
	}
	checkBlocks(t, got, blocks(128, chainHead))
}

// Frames that are valid and that some peers reject are framed anew.
func TestFramesThatAreNotCanonical(t *testing.T) {
	t.Parallel()
	dir := allFiles(t)
	replace(t, filepath.Join(dir, secondFile), 95, func(frames []byte) []byte {
		return append(bytes.Clone(frames), 0xfe, 3, 0, 0, 0, 0, 0) // padding
	})
	c := open(t, dir, newStore(t))
	got, err := read(t, c, 0, 128) // checks the frames
	if err != nil {
		t.Fatal(err)
	}
	checkBlocks(t, got, blocks(0, 127))
}

func TestFilesThatCannotBeServed(t *testing.T) {
	t.Parallel()
	n := network(t, 0)
	for _, tt := range []struct {
		name    string
		path    string
		network *ssz.Network
		want    error
		says    string
	}{
		{"none", t.TempDir(), n, era.ErrNotHeld, "no era files of the network"},
		{"genesis alone", files(t, genesisFile), n, era.ErrNotHeld, "no blocks"},
		{"other network", allFiles(t), ssz.Mainnet(), era.ErrNotHeld, `no era files of the network "mainnet"`},
		{"network of the same name", allFiles(t), network(t, 1), era.ErrState, "genesis time"},
		{"cut", cut(t), n, era.ErrIndex, secondFile},
	} {
		dir, err := era.OpenDir(t.Context(), tt.path, tt.network, nil)
		if err == nil {
			defer dir.Close()
			_, err = history.Open(t.Context(), dir, tt.network, newStore(t), nil)
		}
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v, want %v and %q", tt.name, err, tt.want, tt.says)
		}
	}
}

// cut returns a directory with a file whose end is missing.
func cut(t *testing.T) string {
	t.Helper()
	dir := allFiles(t)
	change(t, filepath.Join(dir, secondFile), func(b []byte) []byte { return b[:len(b)/2] })
	return dir
}

// Files of two chains do not pass for one, although each is correct.
func TestFilesOfTwoChains(t *testing.T) {
	t.Parallel()
	dir := allFiles(t)
	// The state of the first era has another last block.
	path := filepath.Join(dir, firstFile)
	f, err := era.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	record, err := f.Groups()[0].StateRecord(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state, err := f.Groups()[0].State(t.Context(), network(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	encoded := bytes.Clone(state.SSZ())
	encoded[176+32*63]++ // the last of block_roots
	frames := snappy.AppendFrames(nil, encoded)
	change(t, path, func(b []byte) []byte {
		grown := int64(len(frames)) - int64(record.Length)
		out := slices.Concat(b[:record.DataOffset()], frames, b[record.End():])
		binary.LittleEndian.PutUint32(out[record.Offset+2:], uint32(len(frames)))
		index := int64(len(out)) - stateIndex - blockIndex
		forEachEntry(out, func(at, entry int64) {
			if entry != 0 {
				binary.LittleEndian.PutUint64(out[index+16+8*at:], uint64(entry-grown))
			}
		})
		at := int64(len(out)) - stateIndex + 16
		binary.LittleEndian.PutUint64(out[at:], uint64(record.Offset-int64(len(out))+stateIndex))
		return out
	})
	c := open(t, dir, newStore(t))
	got, err := read(t, c, 64, 10)
	checkFault(t, err, era.ErrParent, 64)
	checkBlocks(t, got, nil)
	got, err = read(t, c, 65, 10)
	if err != nil {
		t.Error(err)
	}
	checkBlocks(t, got, blocks(65, 74))
}
