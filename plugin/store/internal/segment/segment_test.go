package segment_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

var blocksID = segment.ID{Kind: beacon.KindBlock, Period: 1234}

// objects returns n objects of many sizes, as frames.
func objects(seed uint64, n int) [][]byte {
	random := rand.NewChaCha8([32]byte{byte(seed)})
	objects := make([][]byte, n)
	for i := range objects {
		content := make([]byte, 100+i*i*997%90_000)
		_, _ = random.Read(content)
		objects[i] = snappy.AppendFrames(nil, content)
	}
	return objects
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// write appends objects to a file of a length, and returns their offsets and the new length.
func write(tb testing.TB, d *segment.Dir, id segment.ID, length int64, objects [][]byte) (offsets []int64, _ int64) {
	tb.Helper()
	w, err := d.Writer(id, length)
	must(tb, err)
	for _, o := range objects {
		offset, err := w.Append(o)
		must(tb, err)
		offsets = append(offsets, offset)
	}
	length, err = w.Commit()
	must(tb, errors.Join(err, w.Close()))
	return offsets, length
}

func checkRead(tb testing.TB, d *segment.Dir, id segment.ID, offsets []int64, objects [][]byte) {
	tb.Helper()
	for i, o := range objects {
		got, err := d.AppendData([]byte("head"), id, offsets[i], len(o))
		must(tb, err)
		if !bytes.Equal(got, append([]byte("head"), o...)) {
			tb.Errorf("object %d is another", i)
		}
	}
}

// scan returns the objects that a file yields.
func scan(tb testing.TB, d *segment.Dir, id segment.ID) (objects [][]byte, offsets []int64) {
	tb.Helper()
	for o, err := range d.Objects(context.Background(), id) {
		must(tb, err)
		objects, offsets = append(objects, bytes.Clone(o.Frames)), append(offsets, o.Offset)
	}
	return objects, offsets
}

func TestWhatIsCommittedIsRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "segments")
	d := segment.Open(path)
	all := append(objects(1, 40), snappy.AppendFrames(nil, make([]byte, 40<<20))) // and one beyond any buffer
	offsets, length := write(t, d, blocksID, 0, all[:15])
	more, _ := write(t, d, blocksID, length, all[15:])
	offsets = append(offsets, more...)
	checkRead(t, d, blocksID, offsets, all)
	must(t, d.Close())
	if _, err := d.AppendData(nil, blocksID, offsets[0], 1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading after Close: error %v", err)
	}
	d = segment.Open(path)
	checkRead(t, d, blocksID, offsets, all)
	if got, at := scan(t, d, blocksID); !slices.EqualFunc(got, all, bytes.Equal) || !slices.Equal(at, offsets) {
		t.Errorf("a scan yields %d objects at %d", len(got), at)
	}
}

// A file is an e2store file, which says what it holds.
func TestFilesAreE2storeFiles(t *testing.T) {
	t.Parallel()
	for kind, typ := range map[beacon.Kind]e2store.Type{
		beacon.KindBlock: e2store.CompressedSignedBeaconBlock, beacon.KindBlobSidecar: 0x8001,
		beacon.KindDataColumnSidecar: 0x8002, beacon.KindExecutionPayloadEnvelope: 0x8003,
	} {
		dir := t.TempDir()
		id := segment.ID{Kind: kind, Period: 7, Number: 2}
		all := objects(2, 3)
		_, length := write(t, segment.Open(dir), id, 0, all)
		f, err := os.Open(filepath.Join(dir, id.String()))
		must(t, err)
		defer f.Close()
		r := e2store.NewReader(e2store.NewSource(f, length), 0, length)
		var types []e2store.Type
		for {
			record, err := r.Next(t.Context())
			if err == io.EOF {
				break
			}
			must(t, err)
			types = append(types, record.Type)
			data, err := r.Data(t.Context(), 1<<20)
			must(t, err)
			if len(types) == 2 && !bytes.Contains(data, []byte(`"kind":"`+kind.String()+`","period":7,`)) {
				t.Errorf("%v: the file says %s", kind, data)
			}
		}
		if want := []e2store.Type{e2store.Version, 0x8000, typ, typ, typ}; !slices.Equal(types, want) {
			t.Errorf("%v: records %v, want %v", kind, types, want)
		}
	}
}

func TestListAndRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := segment.Open(filepath.Join(dir, "below"))
	if files, err := d.List(); err != nil || len(files) != 0 {
		t.Errorf("a directory that is not there: %v, %v", files, err)
	}
	d = segment.Open(dir)
	ids := []segment.ID{
		{Period: 0},
		{Period: 3},
		{Period: 3, Number: 1},
		{Period: 3, Number: 65535},
		{Kind: beacon.KindBlobSidecar, Period: 1},
		{Kind: beacon.KindDataColumnSidecar, Period: 123456789012},
	}
	for _, id := range slices.Backward(ids) {
		write(t, d, id, 0, objects(3, 1))
	}
	for _, name := range []string{"LOCK", "blocks-1.e2s", "blocks-00000001-0.e2s", "blocks-00000001-65536.e2s", "x-00000001.e2s"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	check := func(want []segment.ID) {
		t.Helper()
		files, err := d.List()
		must(t, err)
		var got []segment.ID
		for _, f := range files {
			got = append(got, f.ID)
			if f.Size == 0 {
				t.Errorf("%v is empty", f.ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("files %v, want %v", got, want)
		}
	}
	check(ids)
	must(t, d.Remove(ids[1], ids[3], ids[3], segment.ID{Period: 99}))
	check([]segment.ID{ids[0], ids[2], ids[4], ids[5]})
}

// What a Writer has not committed is cut off as it is closed, and what was committed stays.
func TestWhatIsNotCommittedIsCutOff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := segment.Open(dir)
	all := objects(4, 20)
	for _, committed := range []int{0, 10} {
		id := segment.ID{Period: uint64(committed)}
		offsets, length := []int64(nil), int64(0)
		if committed > 0 {
			offsets, length = write(t, d, id, 0, all[:committed])
		}
		w, err := d.Writer(id, length)
		must(t, err)
		for _, o := range all[10:] {
			_, err := w.Append(o)
			must(t, err)
		}
		must(t, w.Close())
		more, end := write(t, d, id, length, all[committed:])
		checkRead(t, d, id, append(offsets, more...), all)
		stat, err := os.Stat(filepath.Join(dir, id.String()))
		must(t, err)
		if stat.Size() != end {
			t.Errorf("the file has %d bytes, want %d", stat.Size(), end)
		}
	}
}

// What an interrupted write has left behind is cut off. What can be no such rest is another index's, and stays.
func TestOnlyTheRestOfAnInterruptedWriteIsCutOff(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		objects int   // committed
		rest    int64 // bytes behind them
		want    error
	}{
		"a rest":               {3, 1000, nil},
		"the longest rest":     {3, 64 << 20, nil},
		"longer than any rest": {3, 64<<20 + 1, segment.ErrLength},
		"new, and empty":       {0, 0, nil},
		"new, and not empty":   {0, 1, segment.ErrLength},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := segment.Open(dir)
			all := objects(4, 3)
			path := filepath.Join(dir, blocksID.String())
			var offsets []int64
			length := int64(0)
			if tt.objects > 0 {
				offsets, length = write(t, d, blocksID, 0, all[:tt.objects])
			} else {
				must(t, os.WriteFile(path, nil, 0o600))
			}
			must(t, os.Truncate(path, length+tt.rest))
			w, err := d.Writer(blocksID, length)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			want := length + tt.rest
			if err == nil {
				_, err = w.Append(all[0])
				must(t, err)
				want, err = w.Commit()
				must(t, err)
				defer w.Close()
			}
			stat, err := os.Stat(path)
			must(t, err)
			if stat.Size() != want {
				t.Errorf("the file has %d bytes, want %d", stat.Size(), want)
			}
			checkRead(t, d, blocksID, offsets, all[:len(offsets)])
		})
	}
}

// What is reported as committed, cut or removed has been synced before: the file, with all that it has, and each directory
// that has a new name.
func TestChangesAreDurable(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	dir := filepath.Join(root, "segments")
	file := filepath.Join(dir, blocksID.String())
	d := segment.Open(dir)
	var synced []string // each with its size, if it is a file
	failing := ""
	d.OnSync(func(f *os.File) error {
		stat, err := f.Stat()
		must(t, err)
		if f.Name() == failing {
			return io.ErrNoProgress
		}
		if stat.IsDir() {
			synced = append(synced, f.Name())
		} else {
			synced = append(synced, fmt.Sprintf("%s %d", f.Name(), stat.Size()))
		}
		return nil
	})
	check := func(what string, want ...string) {
		t.Helper()
		if !slices.Equal(synced, want) {
			t.Errorf("%s: synced %q, want %q", what, synced, want)
		}
		synced = nil
	}
	all := objects(4, 20)
	must(t, os.Mkdir(dir, 0o700)) // by a process that was killed then
	offsets, length := write(t, d, blocksID, 0, all[:10])
	check("a new file", root, fmt.Sprintf("%s %d", file, length), dir)
	_, longer := write(t, d, blocksID, length, all[10:])
	check("more of it", fmt.Sprintf("%s %d", file, longer))
	must(t, d.Truncate(blocksID, offsets[5]))
	check("cut", fmt.Sprintf("%s %d", file, offsets[5]))
	must(t, d.Remove(blocksID))
	check("removed", dir)
	for _, failing = range []string{file, dir} {
		w, err := d.Writer(blocksID, 0)
		must(t, err)
		if _, err := w.Commit(); !errors.Is(err, segment.ErrSync) || !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%s cannot be synced: error %v, want %v", failing, err, segment.ErrSync)
		}
		must(t, w.Close())
	}
}

func TestAFileThatIsTooShortIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	d := segment.Open(t.TempDir())
	offsets, length := write(t, d, blocksID, 0, objects(5, 3))
	must(t, d.Truncate(blocksID, offsets[2]))
	if _, err := d.Writer(blocksID, length); !errors.Is(err, segment.ErrLength) {
		t.Errorf("error %v, want %v", err, segment.ErrLength)
	}
	if _, err := d.AppendData(nil, blocksID, offsets[2], 10); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading beyond the end: error %v, want %v", err, io.ErrUnexpectedEOF)
	}
	must(t, d.Truncate(blocksID, length)) // It does not grow.
	more, _ := write(t, d, blocksID, offsets[2], objects(6, 3))
	checkRead(t, d, blocksID, more, objects(6, 3))
}

// A file that is made anew under the name of one that was removed is not taken for it.
func TestReadersSeeTheFileThatIsThere(t *testing.T) {
	t.Parallel()
	d := segment.Open(t.TempDir())
	for seed := range uint64(5) {
		all := objects(seed, 3)
		offsets, _ := write(t, d, blocksID, 0, all)
		checkRead(t, d, blocksID, offsets, all)
		must(t, d.Remove(blocksID))
		if _, err := d.AppendData(nil, blocksID, offsets[0], 1); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file that was removed is read: %v", err)
		}
	}
}

// A file that is removed while a reader opens it is not kept open for others.
func TestAFileRemovedAsItIsOpenedIsNotKept(t *testing.T) {
	t.Parallel()
	d := segment.Open(t.TempDir())
	before, after := objects(1, 2), objects(2, 2)
	offsets, _ := write(t, d, blocksID, 0, before)
	d.OnOpened(func() {
		d.OnOpened(func() {})
		must(t, d.Remove(blocksID))
		offsets, _ = write(t, d, blocksID, 0, after)
	})
	at := offsets
	checkRead(t, d, blocksID, at[:1], before[:1])
	checkRead(t, d, blocksID, offsets, after)
}

// openFiles counts the files that this process has open in a directory.
func openFiles(tb testing.TB, dir string) (n int) {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Skip(err)
	}
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && filepath.Dir(target) == dir {
			n++
		}
	}
	return n
}

func TestOpenFilesAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := segment.Open(dir)
	all := objects(7, 2)
	var offsets []int64
	for period := range uint64(200) { // whose heads are of one length
		offsets, _ = write(t, d, segment.ID{Period: 100 + period}, 0, all)
	}
	var readers sync.WaitGroup
	for reader := range uint64(4) {
		readers.Go(func() {
			for i := range uint64(400) {
				id := segment.ID{Period: 100 + (i*7+reader*50)%200}
				if got, err := d.AppendData(nil, id, offsets[1], len(all[1])); err != nil || !bytes.Equal(got, all[1]) {
					t.Errorf("period %d: %v", id.Period, err)
				}
			}
		})
	}
	readers.Wait()
	if n := openFiles(t, dir); n == 0 || n > 64 {
		t.Errorf("%d files are open, want 1 to 64", n)
	}
	must(t, d.Close())
	if n := openFiles(t, dir); n != 0 {
		t.Errorf("%d files are open after Close", n)
	}
}

// One damaged byte, wherever it is, costs a scan no more than the object that it is in.
func TestAScanLosesOnlyWhatIsDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := segment.Open(dir)
	all := objects(8, 12)
	offsets, length := write(t, d, blocksID, 0, all)
	path := filepath.Join(dir, blocksID.String())
	content, err := os.ReadFile(path)
	must(t, err)
	var at []int64
	for off := range offsets[0] {
		at = append(at, off)
	}
	for _, offset := range offsets {
		for i := range int64(30) {
			at = append(at, offset+i)
		}
	}
	for i := range int64(50) {
		at = append(at, length*i/50)
	}
	for _, off := range at {
		for _, mask := range []byte{0x01, 0xff} {
			damaged := bytes.Clone(content)
			damaged[off] ^= mask
			must(t, os.WriteFile(path, damaged, 0o600))
			got, _ := scan(t, d, blocksID)
			hit := -1
			for i, offset := range offsets {
				if end := offset + e2store.HeaderSize + int64(len(all[i])); offset+e2store.HeaderSize <= off && off < end {
					hit = i
				}
			}
			for i, o := range all {
				if i != hit && !slices.ContainsFunc(got, func(g []byte) bool { return bytes.Equal(g, o) }) {
					t.Errorf("byte %d, in object %d: object %d is lost", off, hit, i)
				}
			}
		}
	}
}

// Objects whose frames contain what frames begin with are found behind a damaged header as well.
func TestAScanFindsFramesThatContainABeginning(t *testing.T) {
	t.Parallel()
	beginning := "\xff\x06\x00\x00sNaPpY"
	for name, at := range map[string]int{"early": 0, "in between": 2000, "in a later chunk": 70_000, "at a chunk": 65_536} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := segment.Open(dir)
			random := rand.NewChaCha8([32]byte{1})
			var all [][]byte
			for range 4 {
				content := make([]byte, 200_000)
				_, _ = random.Read(content)
				copy(content[at:], beginning)
				all = append(all, snappy.AppendFrames(nil, content))
			}
			offsets, _ := write(t, d, blocksID, 0, all)
			path := filepath.Join(dir, blocksID.String())
			content, err := os.ReadFile(path)
			must(t, err)
			for i := range all {
				for _, at := range []int64{0, 3, 7} { // type, length, reserved
					damaged := bytes.Clone(content)
					damaged[offsets[i]+at] ^= 0x41
					must(t, os.WriteFile(path, damaged, 0o600))
					got, _ := scan(t, d, blocksID)
					for j, o := range all {
						if !slices.ContainsFunc(got, func(g []byte) bool { return bytes.Equal(g, o) }) {
							t.Errorf("byte %d of header %d: object %d is lost", at, i, j)
						}
					}
				}
			}
		})
	}
}

func FuzzScan(f *testing.F) {
	seed := e2store.AppendRecord(nil, e2store.Version, nil)
	for _, o := range objects(9, 3) {
		seed = e2store.AppendRecord(seed, e2store.CompressedSignedBeaconBlock, o)
	}
	f.Add(seed)
	f.Add(binary.LittleEndian.AppendUint64(seed, 1))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, blocksID.String()), content, 0o600))
		last, total := int64(-1), 0
		for o, err := range segment.Open(dir).Objects(t.Context(), blocksID) {
			must(t, err)
			if total += len(o.Frames); o.Offset < last || total > 4*len(content) {
				t.Fatalf("an object at %d after %d, %d bytes of %d", o.Offset, last, total, len(content))
			}
			last = o.Offset
		}
	})
}
