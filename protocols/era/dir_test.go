package era_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The names of the test chain's files.
const (
	genesisName = "vecdev-00000-05d79a31.era"
	firstName   = "vecdev-00001-bd9082b1.era"
	secondName  = "vecdev-00002-31b7bc3c.era"
)

// dirOf makes a directory of files.
func dirOf(t testing.TB, files map[string][]byte) string {
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openDir(t testing.TB, dir string, opts *era.DirOptions) *era.Dir {
	t.Helper()
	d, err := era.OpenDir(t.Context(), dir, network(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDirIsOneHistory(t *testing.T) {
	for _, test := range []struct {
		name       string
		files      map[string][]byte
		first, end ssz.Slot
		eras       []uint64
	}{
		{
			"a file for each era",
			map[string][]byte{genesisName: join(genesisFile), firstName: join(firstFile), secondName: join(secondFile)},
			0, 128,
			[]uint64{0, 1, 2},
		},
		{
			"no genesis",
			map[string][]byte{firstName: join(firstFile), secondName: join(secondFile)},
			0, 128,
			[]uint64{1, 2},
		},
		{"one file", map[string][]byte{secondName: join(secondFile)}, 64, 128, []uint64{2}},
		{"the genesis state alone", map[string][]byte{genesisName: join(genesisFile)}, 0, 0, []uint64{0}},
		{
			"a gap",
			map[string][]byte{genesisName: join(genesisFile), secondName: join(secondFile)},
			64, 128,
			[]uint64{0, 2},
		},
		{
			"several eras in a file",
			map[string][]byte{"vecdev-00000-31b7bc3c.era": join(genesisFile, firstFile, secondFile)},
			0, 128,
			[]uint64{0, 1, 2},
		},
		{
			"overlapping files",
			map[string][]byte{
				"vecdev-00000-bd9082b1.era": join(genesisFile, firstFile), firstName: join(firstFile),
				"vecdev-00001-31b7bc3c.era": join(firstFile, secondFile),
			},
			0, 128,
			[]uint64{0, 1, 2},
		},
		{
			"other files",
			map[string][]byte{
				firstName: join(firstFile), "mainnet-00002-31b7bc3c.era": nil, "notes.txt": nil,
				"vecdev-00002-31b7bc3c.era.part": nil,
			},
			0, 64,
			[]uint64{1},
		},
		{
			"Lodestar's",
			map[string][]byte{firstName: join(lodestarFirst), secondName: join(lodestarSecond)},
			0, 128,
			[]uint64{1, 2},
		},
	} {
		for _, most := range []int{0, 1, -1} {
			t.Run(fmt.Sprint(test.name, most), func(t *testing.T) {
				d := openDir(t, dirOf(t, test.files), &era.DirOptions{MaxOpen: most})
				if first, end := d.Slots(); first != test.first || end != test.end {
					t.Errorf("slots %d to %d: want %d to %d", first, end, test.first, test.end)
				}
				for n := range uint64(4) {
					g, err := d.Group(t.Context(), n)
					switch held := slices.Contains(test.eras, n); {
					case held && (err != nil || g.Era() != n), !held && !errors.Is(err, era.ErrNotHeld):
						t.Errorf("Group(%d) = %v, %v", n, g, err)
					}
				}
				checkDir(t, d, test.eras)
			})
		}
	}
}

// checkDir compares the blocks of a directory with those of the chain, read one by one and in ranges.
func checkDir(t *testing.T, d *era.Dir, eras []uint64) {
	t.Helper()
	held := slices.DeleteFunc(slices.Sorted(maps.Keys(chain())), func(s ssz.Slot) bool {
		return !slices.Contains(eras, uint64(s)/slotsPerEra+1)
	})
	for slot := range ssz.Slot(200) {
		frames, err := d.AppendFrames(t.Context(), slot, []byte("before"))
		switch {
		case slices.Contains(held, slot):
			if err != nil {
				t.Fatal(err)
			}
			checkFrames(t, slot, bytes.TrimPrefix(frames, []byte("before")))
		case slices.Contains(eras, uint64(slot)/slotsPerEra+1) && !errors.Is(err, era.ErrEmptySlot),
			!slices.Contains(eras, uint64(slot)/slotsPerEra+1) && !errors.Is(err, era.ErrNotHeld):
			t.Errorf("slot %d: error is %v", slot, err)
		}
	}
	for _, r := range [][2]ssz.Slot{{0, era.NoSlot}, {60, 70}, {64, 64}, {10, 30}, {65, 128}} {
		var got []ssz.Slot
		for b, err := range d.Blocks(t.Context(), r[0], r[1]) {
			if err != nil {
				t.Fatal(err)
			}
			checkFrames(t, b.Slot, b.Frames)
			got = append(got, b.Slot)
		}
		want := slices.DeleteFunc(slices.Clone(held), func(s ssz.Slot) bool { return s < r[0] || s >= r[1] })
		if !slices.Equal(got, want) {
			t.Errorf("blocks of %v are of the slots %v: want %v", r, got, want)
		}
	}
}

func TestOpenDirRefuses(t *testing.T) {
	first := join(firstFile)
	for _, test := range []struct {
		name  string
		files map[string][]byte
		want  error
	}{
		{"no files", nil, era.ErrNotHeld},
		{"files of other networks", map[string][]byte{"mainnet-00001-bd9082b1.era": first}, era.ErrNotHeld},
		{"a file that is cut", map[string][]byte{firstName: first[:len(first)-1]}, era.ErrIndex},
		{"an empty file", map[string][]byte{firstName: nil}, era.ErrIndex},
		{"the name of a later era", map[string][]byte{secondName: first}, era.ErrName},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := era.OpenDir(t.Context(), dirOf(t, test.files), network(), nil); !errors.Is(err, test.want) {
				t.Errorf("error is %v: want %v", err, test.want)
			}
		})
	}
	if _, err := era.OpenDir(t.Context(), "testdata/none", network(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error of a directory that is not there is %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, firstName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := era.OpenDir(t.Context(), dir, network(), nil); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("error of a file that is a directory is %v", err)
	}
}

// A name that promises more eras than the file has costs an error, and no other era.
func TestDirWithAFileThatLacksAnEra(t *testing.T) {
	d := openDir(t, dirOf(t, map[string][]byte{"vecdev-00001-31b7bc3c.era": join(secondFile)}), nil)
	if _, err := d.AppendFrames(t.Context(), 1, nil); !errors.Is(err, era.ErrNotHeld) {
		t.Errorf("error is %v", err)
	}
	checkFrames(t, 70, must(d.AppendFrames(t.Context(), 70, nil)))
}

// openFiles returns how many files of a directory the process has open.
func openFiles(t testing.TB, dir string) (n int) {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(target, dir) {
			n++
		}
	}
	return n
}

func TestDirBoundsItsOpenFiles(t *testing.T) {
	files := map[string][]byte{genesisName: join(genesisFile), firstName: join(firstFile), secondName: join(secondFile)}
	dir := dirOf(t, files)
	d := openDir(t, dir, &era.DirOptions{MaxOpen: 2})
	if n := openFiles(t, dir); n > 2 {
		t.Errorf("%d files are open", n)
	}
	var wg sync.WaitGroup
	for reader := range ssz.Slot(8) {
		wg.Go(func() {
			for i := range ssz.Slot(100) {
				slot := 1 + (reader*31+i*17)%127
				frames, err := d.AppendFrames(t.Context(), slot, nil)
				if err == nil {
					checkFrames(t, slot, frames)
				} else if !errors.Is(err, era.ErrEmptySlot) {
					t.Error(err)
				}
				if _, err := d.Group(t.Context(), 0); err != nil {
					t.Error(err)
				}
				// A file that is closed and another that is opened while they are counted are both seen.
				n := openFiles(t, dir)
				for again := 0; n > 2 && again < 100; again++ {
					n = openFiles(t, dir)
				}
				if n > 2 {
					t.Errorf("%d files are open", n)
				}
			}
		})
	}
	wg.Wait()
	if n := openFiles(t, dir); n > 2 {
		t.Errorf("%d files are open", n)
	}
	for b, err := range d.Blocks(t.Context(), 0, 128) { // a loop that rests has no file of its own
		if err != nil {
			t.Fatal(err)
		}
		if n := openFiles(t, dir); b.Slot == 5 && n > 2 {
			t.Errorf("%d files are open", n)
		}
	}
	d.Close()
	if n := openFiles(t, dir); n > 0 {
		t.Errorf("%d files are open after Close", n)
	}
}

func TestDirFailsAfterClose(t *testing.T) {
	d := openDir(t, dirOf(t, map[string][]byte{firstName: join(firstFile)}), nil)
	must(d.AppendFrames(t.Context(), 1, nil))
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.AppendFrames(t.Context(), 1, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error is %v", err)
	}
	for _, err := range d.Blocks(t.Context(), 0, 64) {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("error of Blocks is %v", err)
		}
	}
}

func TestDirFindsAFileAgain(t *testing.T) {
	dir := dirOf(t, map[string][]byte{firstName: join(firstFile), secondName: join(secondFile)})
	d := openDir(t, dir, &era.DirOptions{MaxOpen: 1})
	must(d.AppendFrames(t.Context(), 70, nil)) // closes the first file
	away := filepath.Join(dir, "away")
	if err := os.Rename(filepath.Join(dir, firstName), away); err != nil {
		t.Fatal(err)
	}
	_, err := d.AppendFrames(t.Context(), 1, nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), firstName) {
		t.Errorf("error is %v", err)
	}
	if err := os.Rename(away, filepath.Join(dir, firstName)); err != nil {
		t.Fatal(err)
	}
	checkFrames(t, 1, must(d.AppendFrames(t.Context(), 1, nil)))
}

func TestDirServesAnEraFromTheFirstName(t *testing.T) {
	for name, want := range map[string]error{
		"vecdev-00001-00000000.era": era.ErrEmptySlot,
		"vecdev-00001-ffffffff.era": nil,
	} {
		d := openDir(t, dirOf(t, map[string][]byte{firstName: join(firstFile), name: join(noGenesisFile)}), nil)
		if _, err := d.AppendFrames(t.Context(), 0, nil); !errors.Is(err, want) {
			t.Errorf("beside %s: error is %v: want %v", name, err, want)
		}
	}
}

// An index that has left memory is read again.
func TestDirBoundsItsIndices(t *testing.T) {
	dir := dirOf(t, map[string][]byte{firstName: join(firstFile), secondName: join(secondFile)})
	d := openDir(t, dir, &era.DirOptions{MaxOpen: 1})
	for _, slot := range []ssz.Slot{1, 70} {
		must(d.AppendFrames(t.Context(), slot, nil))
	}
	if err := os.WriteFile(filepath.Join(dir, firstName), make([]byte, len(join(firstFile))), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.AppendFrames(t.Context(), 1, nil); !errors.Is(err, era.ErrIndex) {
		t.Errorf("error is %v", err)
	}
}

func TestDirEndsWithItsContext(t *testing.T) {
	d := openDir(t, dirOf(t, map[string][]byte{firstName: join(firstFile)}), nil)
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := d.AppendFrames(ctx, 1, nil); !errors.Is(err, gone) {
		t.Errorf("error is %v", err)
	}
}
