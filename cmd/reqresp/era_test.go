package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	eraTestdata = "../../protocols/era/testdata/era"

	eraGenesis = "vecdev-00000-05d79a31.era"
	eraFirst   = "vecdev-00001-bd9082b1.era"
	eraSecond  = "vecdev-00002-31b7bc3c.era"
)

// eraNetwork returns the flags for the network of the era files.
func eraNetwork(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, path, []byte(beacontest.FuluConfig()))
	genesis, root := beacontest.FuluGenesis()
	return []string{
		"--network.config", path,
		"--genesis-time", fmt.Sprint(genesis.Unix()),
		"--genesis-validators-root", root.String(),
	}
}

// eraDir returns a directory with some of the files, which may be changed.
func eraDir(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(eraTestdata, name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), content)
	}
	return dir
}

// damageEra flips a byte of the frames of a block.
func damageEra(t *testing.T, path string, slot ssz.Slot) {
	t.Helper()
	f, err := era.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range f.Groups() {
		for at, offset := range g.Blocks() {
			if at == slot {
				content[offset+300] ^= 1
			}
		}
	}
	writeFile(t, path, content)
}

func eraBlocks(first, last ssz.Slot) []*beacon.Block {
	return slices.DeleteFunc(slices.Clone(beacontest.FuluBlocks()), func(b *beacon.Block) bool {
		return b.Slot < first || b.Slot > last
	})
}

func TestEraListSaysWhatFilesHave(t *testing.T) {
	t.Parallel()
	got := decode[eraListResult](t, succeed(t, "era", "list", "--json", eraTestdata))
	want := []listedFile{
		{File: filepath.Join(eraTestdata, eraGenesis), Bytes: 2310},
		{
			File: filepath.Join(eraTestdata, eraFirst), FirstEra: 1, LastEra: 1, EndSlot: 64,
			Blocks: 62, EmptySlots: 2, Bytes: 106068,
		},
		{
			File: filepath.Join(eraTestdata, eraSecond), FirstEra: 2, LastEra: 2, FirstSlot: 64, EndSlot: 128,
			Blocks: 60, EmptySlots: 4, Bytes: 125868,
		},
	}
	if !slices.Equal(got.Files, want) {
		t.Errorf("%+v, want %+v", got.Files, want)
	}
	text := succeed(t, "era", "list", filepath.Join(eraTestdata, eraSecond))
	if !strings.Contains(text, "64-127") || !strings.Contains(text, "122.9 KiB") {
		t.Errorf("%s", text)
	}
}

func TestEraListOfFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := eraDir(t, eraFirst, eraSecond)
	if err := os.Truncate(filepath.Join(dir, eraFirst), 1000); err != nil {
		t.Fatal(err)
	}
	o := runCLI(t, "era", "list", "--json", dir)
	got := decode[eraListResult](t, o.stdout)
	if o.code != exitFailed || len(got.Files) != 2 || got.Files[0].Error == "" || got.Files[1].Blocks != 60 ||
		!strings.Contains(o.stderr, "1 of 2 files cannot be read") {
		t.Errorf("exit code %d, %s: %+v", o.code, o.stderr, got)
	}
	fail(t, exitFailed, "no such file", "era", "list", filepath.Join(dir, "missing.era"))
	fail(t, exitFailed, "has no era files", "era", "list", t.TempDir())
}

func TestEraCheckPassesSoundFiles(t *testing.T) {
	t.Parallel()
	args := append([]string{"era", "check", "--json", eraTestdata}, eraNetwork(t)...)
	got := decode[eraCheckResult](t, succeed(t, args...))
	if got.Problems != 0 || got.Warnings != 0 || len(got.Files) != 3 || got.Signatures != "unchecked" {
		t.Fatalf("%+v", got)
	}
	e := got.Files[2].Eras[0]
	if e.Era != 2 || e.Blocks != 60 || e.Fork != "fulu" || !strings.HasPrefix(e.EraRoot.String(), "0x31b7bc3c") {
		t.Errorf("%+v", e)
	}
	text := succeed(t, append([]string{"era", "check", eraTestdata + "-lodestar"}, eraNetwork(t)...)...)
	for _, want := range []string{"warning: offset", "not sign-extended", "0 problems, 7 warnings, signatures unchecked"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func TestEraCheckFindsDamage(t *testing.T) {
	t.Parallel()
	network := eraNetwork(t)
	check := func(path string) (outcome, eraCheckResult) {
		t.Helper()
		o := runCLI(t, append([]string{"era", "check", "--json", path}, network...)...)
		return o, decode[eraCheckResult](t, o.stdout)
	}
	dir := eraDir(t, eraGenesis, eraFirst, eraSecond)
	damageEra(t, filepath.Join(dir, eraFirst), 33)
	o, got := check(dir)
	problems := got.Files[1].Problems
	if o.code != exitFailed || got.Problems != 1 || len(problems) != 1 || *problems[0].Slot != 33 ||
		!strings.Contains(problems[0].Error, "slot 33: era: bad snappy frames") ||
		!strings.Contains(o.stderr, "1 problems found") {
		t.Errorf("exit code %d, %s: %+v", o.code, o.stderr, got)
	}
	text := runCLI(t, append([]string{"era", "check", dir}, network...)...)
	if want := eraFirst + ": problem: offset "; text.code != exitFailed || !strings.Contains(text.stdout, want) {
		t.Errorf("exit code %d: no %q in %s", text.code, want, text.stdout)
	}

	if err := os.Truncate(filepath.Join(dir, eraSecond), 1000); err != nil {
		t.Fatal(err)
	}
	if o, got = check(dir); o.code != exitFailed || got.Problems != 2 || len(got.Files[2].Problems) != 1 {
		t.Errorf("exit code %d: %+v", o.code, got)
	}

	o, got = check(eraDir(t, eraGenesis, eraSecond))
	if o.code != exitFailed || got.Problems != 1 || !slices.Equal(got.Links, []string{"no files of the eras 1"}) {
		t.Errorf("exit code %d: %+v", o.code, got)
	}
	if o, got = check(filepath.Join(eraTestdata, eraSecond)); o.code != exitOK || got.Problems != 0 {
		t.Errorf("a file alone: exit code %d: %+v", o.code, got)
	}
	fail(t, exitFailed, "has no era files of mainnet", "era", "check", dir)
	fail(t, exitFailed, "no such file", "era", "check", filepath.Join(dir, "missing"))
}

func TestEraCheckComparesTheRootsOfFiles(t *testing.T) {
	t.Parallel()
	a, b, c := ssz.Root{1}, ssz.Root{2}, ssz.Root{3}
	first := era.GroupReport{Era: 1, EraRoot: a, BlockRoot: a, StateRoot: b}
	for _, tt := range []struct {
		name   string
		second era.GroupReport
		want   string
	}{
		{"links", era.GroupReport{Era: 2, ParentRoot: a, FirstStateRoot: b}, ""},
		{"roots that are not known", era.GroupReport{Era: 2}, ""},
		{"parent", era.GroupReport{Era: 2, ParentRoot: c, FirstStateRoot: b}, "the first block of era 2 has the parent"},
		{"state", era.GroupReport{Era: 2, ParentRoot: a, FirstStateRoot: c}, "the state before era 2 is"},
		{"gap", era.GroupReport{Era: 5, ParentRoot: c}, "no files of the eras 2-4"},
		{"the same twice", first, ""},
		{"two of an era", era.GroupReport{Era: 1, EraRoot: c}, "two files of era 1"},
	} {
		got := strings.Join(eraLinks([]era.GroupReport{first, tt.second}), "; ")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestEraInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"era", "list", eraTestdata},
		append([]string{"era", "check", eraTestdata}, eraNetwork(t)...),
	} {
		var stderr strings.Builder
		code := run(ctx, append([]string{"reqresp"}, args...), nil, new(strings.Builder), &stderr)
		if code != exitFailed || !strings.Contains(stderr.String(), "interrupted") {
			t.Errorf("%v: exit code %d: %s", args, code, &stderr)
		}
	}
}

// importEra imports era files into a store.
func importEra(t *testing.T, datadir string, paths ...string) (outcome, importResult) {
	t.Helper()
	args := slices.Concat([]string{"import", "--json", "--datadir", datadir}, paths, eraNetwork(t))
	o := runCLI(t, args...)
	if o.code != exitOK {
		return o, importResult{}
	}
	return o, decode[importResult](t, o.stdout)
}

// The store has the blocks of the files in the frames that they have there.
func TestImportOfEraFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if o, got := importEra(t, dir, eraTestdata); got.Blocks != 122 || got.Known != 0 || got.HeadSlot != 127 {
		t.Fatalf("%s: %+v", o.stderr, got)
	}
	s, done, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer done(&err)
	files, err := era.OpenDir(t.Context(), eraTestdata, beacontest.FuluNetwork(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	want := eraBlocks(0, 127)
	for ref, err := range s.BlocksByRange(t.Context(), 0, 1000) {
		if err != nil {
			t.Fatal(err)
		}
		stored, err := s.AppendFrames(t.Context(), ref, nil)
		if err != nil {
			t.Fatal(err)
		}
		filed, err := files.AppendFrames(t.Context(), ref.Slot, nil)
		if err != nil || string(stored) != string(filed) || len(want) == 0 || ref.Root != want[0].Root {
			t.Fatalf("slot %d: %d bytes of frames, %d in the file, %v", ref.Slot, len(stored), len(filed), err)
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("%d blocks are missing", len(want))
	}
}

// An import goes on where one has ended, also one from another kind of file.
func TestImportOfEraFilesGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "some.jsonl")
	writeFile(t, path, []byte(linesOf(eraBlocks(1, 40))))
	datadir := filepath.Join(dir, "data")
	if o, got := importEra(t, datadir, path); got.Blocks != 39 {
		t.Fatalf("%s: %+v", o.stderr, got)
	}
	if o, got := importEra(t, datadir, filepath.Join(eraTestdata, eraFirst)); got.Blocks != 22 || got.Known != 39 {
		t.Errorf("%s: %+v", o.stderr, got)
	}
	if o, got := importEra(t, datadir, eraTestdata); got.Blocks != 60 || got.HeadSlot != 127 {
		t.Errorf("%s: %+v", o.stderr, got)
	}
	if o, got := importEra(t, datadir, eraTestdata); got.Blocks != 0 || got.Known != 121 {
		t.Errorf("%s: %+v", o.stderr, got)
	}
}

func TestImportOfEraFilesThatAreWrong(t *testing.T) {
	t.Parallel()
	damaged := eraDir(t, eraGenesis, eraFirst, eraSecond)
	damageEra(t, filepath.Join(damaged, eraSecond), 95)
	dir := t.TempDir()
	o, _ := importEra(t, dir, damaged)
	if want := eraSecond + ": offset "; o.code != exitFailed || !strings.Contains(o.stderr, want) ||
		!strings.Contains(o.stderr, "slot 95") {
		t.Errorf("exit code %d: %s, want %q", o.code, o.stderr, want)
	}
	// The blocks before are stored, and the import goes on once the file is repaired.
	if o, got := importEra(t, dir, eraTestdata); got.Known != 91 || got.Blocks != 31 {
		t.Errorf("%s: %+v", o.stderr, got)
	}

	forged := filepath.Join(t.TempDir(), eraFirst)
	writeFile(t, forged, forgeEra(t))
	if o, _ := importEra(t, t.TempDir(), forged); o.code != exitFailed ||
		!strings.Contains(o.stderr, "slot 63: era: block root is not that of the state") {
		t.Errorf("a forged block: exit code %d: %s", o.code, o.stderr)
	}

	gap := eraDir(t, eraGenesis, eraSecond)
	dir = t.TempDir()
	writeFile(t, filepath.Join(gap, "some.jsonl"), []byte(linesOf(eraBlocks(1, 40))))
	if o, got := importEra(t, dir, filepath.Join(gap, "some.jsonl")); got.Blocks != 39 {
		t.Fatal(o.stderr)
	}
	if o, _ := importEra(t, dir, gap); o.code != exitFailed ||
		!strings.Contains(o.stderr, eraSecond+": slot 64: store: the parent of slot 64 is") {
		t.Errorf("a gap: exit code %d: %s", o.code, o.stderr)
	}
	if o, _ := importEra(t, t.TempDir(), t.TempDir()); o.code != exitFailed ||
		!strings.Contains(o.stderr, "has no era files of vecdev") {
		t.Errorf("an empty directory: exit code %d: %s", o.code, o.stderr)
	}
	fail(t, exitFailed, "bad state: ", "import", "--datadir", t.TempDir(), "--network", "mainnet",
		filepath.Join(eraTestdata, eraFirst))
}

// forgeEra returns the first file with another block in its last slot, which is well-formed and has the same parent.
func forgeEra(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := era.NewWriter(&out, beacontest.FuluNetwork())
	f, err := era.Open(t.Context(), filepath.Join(eraTestdata, eraFirst))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for b, err := range f.Blocks(t.Context(), 0, 64) {
		if err != nil {
			t.Fatal(err)
		}
		frames := b.Frames
		if b.Slot == 63 {
			encoded, _, _, err := b.Decode(beacontest.FuluNetwork(), nil)
			if err != nil {
				t.Fatal(err)
			}
			encoded[300] ^= 1
			frames = snappy.AppendFrames(nil, encoded)
		}
		if err := w.Block(frames); err != nil {
			t.Fatal(err)
		}
	}
	state, err := f.Groups()[0].StateFrames(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.State(state); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Era files and a store are served as one chain, without an import; a peer syncs it.
func TestServeOfEraFiles(t *testing.T) {
	t.Parallel()
	network := eraNetwork(t)
	for _, tt := range []struct {
		name string
		rest ssz.Slot // the last slot of the store
		head ssz.Slot
	}{{"with an empty store", 0, 127}, {"with a store", 140, 140}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tt.rest > 0 {
				path := filepath.Join(dir, "rest.jsonl")
				writeFile(t, path, []byte(linesOf(eraBlocks(128, tt.rest))))
				succeed(t, slices.Concat([]string{"import", "--datadir", dir, path}, network)...)
			}
			s := startServe(t, dir, append(network, "--era", eraTestdata, "--json")...)
			got := decode[serveResult](t, s.line(t))
			if got.Era == nil || *got.Era != (eraSlots{0, 127}) || got.EarliestSlot != 0 || got.HeadSlot != tt.head {
				t.Errorf("serves %+v", got)
			}
			synced := decode[importResult](t, succeed(t, slices.Concat(
				[]string{"sync", "--json", "--from", "1", "--datadir", t.TempDir(), got.Addrs[0]}, network)...))
			if want := uint64(len(eraBlocks(1, tt.head))); synced.Blocks != want || synced.HeadSlot != tt.head {
				t.Errorf("synced %+v, want %d blocks", synced, want)
			}
			if o := s.stop(); o.code != exitOK {
				t.Errorf("exit code %d: %s", o.code, o.stderr)
			}
		})
	}
}

// The index that is made is read by the node that serves the files, which refuses one that is damaged.
func TestServeWithAnEraIndex(t *testing.T) {
	t.Parallel()
	network, files := eraNetwork(t), eraDir(t, eraGenesis, eraFirst, eraSecond)
	index := slices.Concat([]string{"era", "index", "--json", files}, network)
	got := decode[eraIndexResult](t, succeed(t, index...))
	want := eraIndexResult{File: filepath.Join(files, "vecdev-roots.e2s"), EndSlot: 128, Bytes: 100 + 16*122}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	old := eraBlocks(20, 20)[0].Root.String()
	s := startServe(t, t.TempDir(), append(slices.Clone(network), "--era", files)...)
	call := slices.Concat([]string{"call", s.line(t), "blocks-by-root", "--root", old}, network)
	if got := succeed(t, call...); !strings.Contains(got, old) {
		t.Errorf("not found with an index: %s", got)
	}
	s.stop()
	if err := os.Truncate(got.File, 1000); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, "bad root index", slices.Concat([]string{
		"serve", "--datadir", t.TempDir(), "--era", files, "--listen", "/ip4/127.0.0.1/tcp/0",
	}, network)...)
	succeed(t, index...) // makes it good
	fail(t, exitFailed, "no blocks", slices.Concat([]string{"era", "index", eraDir(t, eraGenesis)}, network)...)
}

// What was imported from era files is exported as the same files.
func TestEraExportMakesTheFilesThatWereImported(t *testing.T) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()
	succeed(t, slices.Concat([]string{"import", "--datadir", dir, eraTestdata}, eraNetwork(t))...)
	names := []string{eraGenesis, eraFirst, eraSecond}
	export := []string{"era", "export", "--json", "--datadir", dir, "--out", out}
	for _, name := range names {
		export = append(export, filepath.Join(eraTestdata, name))
	}
	for _, written := range []bool{true, false} {
		got := decode[eraExportResult](t, succeed(t, export...))
		if len(got.Files) != 3 || got.Files[1] != (exportedEra{
			File: filepath.Join(out, eraFirst), Era: 1, Blocks: 62, Bytes: 106068, Written: written,
		}) {
			t.Fatalf("%+v", got)
		}
	}
	for _, name := range names {
		got, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(eraTestdata, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, not those of the file that was imported: %v", name, len(got), err)
		}
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != 3 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}

// An era is exported with a state as the beacon API serves it. What cannot be exported leaves no file.
func TestEraExportWithAState(t *testing.T) {
	t.Parallel()
	network, dir := eraNetwork(t), t.TempDir()
	path := filepath.Join(dir, "blocks.jsonl")
	writeFile(t, path, []byte(linesOf(eraBlocks(1, 100))))
	succeed(t, slices.Concat([]string{"import", "--datadir", dir, path}, network)...)
	stateOf := func(name string) string {
		f, err := era.Open(t.Context(), filepath.Join(eraTestdata, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		state, err := f.Groups()[0].OpenState(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := io.ReadAll(state)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "state.ssz")
		writeFile(t, path, encoded)
		return path
	}
	first, out := stateOf(eraFirst), t.TempDir()
	text := succeed(t, "era", "export", "--datadir", dir, "--out", out, first)
	if want := filepath.Join(out, eraFirst) + ": era 1, 61 blocks, "; !strings.HasPrefix(text, want) {
		t.Errorf("%s", text)
	}
	succeed(t, slices.Concat([]string{"era", "check", filepath.Join(out, eraFirst)}, network)...)

	short := filepath.Join(t.TempDir(), "state.ssz")
	writeFile(t, short, []byte("short"))
	other := t.TempDir()
	for _, tt := range []struct{ state, want string }{
		{stateOf(eraSecond), "block of slot 101: written false, in the state true"},
		{short, "bad state"},
		{filepath.Join(other, "none.ssz"), "no such file"},
	} {
		fail(t, exitFailed, tt.want, "era", "export", "--datadir", dir, "--out", other, tt.state)
	}
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 0 {
		t.Errorf("%d files are left behind, %v", len(entries), err)
	}
	fail(t, exitUsage, "STATE is missing: want a file with the SSZ", "era", "export", "--datadir", dir)
	fail(t, exitUsage, "DIR is missing: want a directory", "era", "index")
}

// A damaged block is named in the log as it is asked for.
func TestServeOfADamagedEraFile(t *testing.T) {
	t.Parallel()
	network, files := eraNetwork(t), eraDir(t, eraGenesis, eraFirst, eraSecond)
	damageEra(t, filepath.Join(files, eraFirst), 33)
	s := startServe(t, t.TempDir(), append(network, "--era", files)...)
	addr := s.line(t)
	call := slices.Concat([]string{"call", addr, "blocks-by-range", "--start-slot", "30", "--count", "10"}, network)
	if o := runCLI(t, call...); o.code != exitFailed || strings.Count(o.stdout, "\n") != 3 {
		t.Errorf("exit code %d: %s%s", o.code, o.stdout, o.stderr)
	}
	logged := s.stop().stderr
	for _, want := range []string{"what is damaged on the disk is not served", eraFirst + ": offset ", "slot 33"} {
		if !strings.Contains(logged, want) {
			t.Errorf("no %q in %s", want, logged)
		}
	}
}

func TestServeOfEraFilesThatDoNotFit(t *testing.T) {
	t.Parallel()
	network, dir := eraNetwork(t), t.TempDir()
	path := filepath.Join(dir, "rest.jsonl")
	writeFile(t, path, []byte(linesOf(eraBlocks(130, 140))))
	succeed(t, slices.Concat([]string{"import", "--datadir", dir, path}, network)...)
	for _, tt := range []struct {
		datadir, files string
		want           string
	}{
		{dir, eraTestdata, "the era files end with the block " + eraBlocks(127, 127)[0].Root.String() + " of slot 127"},
		{dir, t.TempDir(), "has no era files of the network"},
		{dir, "/none", "/none: no such file"},
		{t.TempDir(), eraDir(t, eraGenesis), "no blocks"},
	} {
		fail(t, exitFailed, tt.want, slices.Concat([]string{
			"serve", "--datadir", tt.datadir, "--era", tt.files, "--listen", "/ip4/127.0.0.1/tcp/0",
		}, network)...)
	}
	fail(t, exitUsage, "is new: tell its network", "serve", "--datadir", t.TempDir(), "--era", eraTestdata)
}

// A countdown is a context that ends after so many looks at it.
type countdown struct {
	context.Context

	left atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return c.Context.Err()
}

// An import that is interrupted, wherever it is, leaves what it has stored, and the same command goes on from there.
func TestImportOfEraFilesInterrupted(t *testing.T) {
	t.Parallel()
	args := slices.Concat([]string{"reqresp", "import", "--json", "--datadir", t.TempDir(), eraTestdata}, eraNetwork(t))
	interruptions := 0
	for looks := int64(1); ; looks++ {
		ctx := &countdown{Context: t.Context()}
		ctx.left.Store(looks)
		var stdout, stderr strings.Builder
		if code := run(ctx, args, nil, &stdout, &stderr); code != exitOK {
			if !strings.Contains(stderr.String(), "interrupted") && !strings.Contains(stderr.String(), "canceled") {
				t.Fatalf("after %d looks: %s", looks, &stderr)
			}
			interruptions++
			continue
		}
		got := decode[importResult](t, stdout.String())
		if got.Blocks+got.Known != 122 || got.Known == 0 || got.HeadSlot != 127 || got.EarliestSlot != 0 {
			t.Errorf("after %d interruptions: %+v", interruptions, got)
		}
		break
	}
	if interruptions < 3 {
		t.Errorf("%d interruptions", interruptions)
	}
}

// A store that is synced with era files begins after them, and is served with them then.
func TestSyncAfterEraFiles(t *testing.T) {
	t.Parallel()
	network, dir := eraNetwork(t), t.TempDir()
	all := filepath.Join(dir, "all.jsonl")
	writeFile(t, all, []byte(linesOf(eraBlocks(1, 140))))
	succeed(t, slices.Concat([]string{"import", "--datadir", dir, all}, network)...)
	peer := startServe(t, dir, network...)
	into := t.TempDir()
	sync := slices.Concat([]string{"sync", "--json", "--era", eraTestdata, "--datadir", into, peer.line(t)}, network)
	for _, want := range []uint64{uint64(len(eraBlocks(128, 140))), 0} {
		got := decode[importResult](t, succeed(t, sync...))
		if got.Blocks != want || got.EarliestSlot != 128 || got.HeadSlot != 140 {
			t.Errorf("synced %+v, want %d blocks", got, want)
		}
	}
	peer.stop()
	s := startServe(t, into, "--era", eraTestdata, "--json")
	if got := decode[serveResult](t, s.line(t)); got.EarliestSlot != 0 || got.HeadSlot != 140 {
		t.Errorf("serves %+v", got)
	}
}
