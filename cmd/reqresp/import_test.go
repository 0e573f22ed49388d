package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestImportReadsStandardInput(t *testing.T) {
	t.Parallel()
	chain := blocks(t)[:5]
	args := append([]string{"import", "--json", "--datadir", t.TempDir(), "-"}, devNetwork(t)...)
	o := runWithInput(t, linesOf(chain), args...)
	if got := decode[importResult](t, o.stdout); o.code != exitOK || got.Blocks != 5 || got.HeadRoot != chain[4].Root {
		t.Errorf("exit code %d, imported %+v: %s", o.code, got, o.stderr)
	}
}

func TestImportVerifiesTheCheckpoint(t *testing.T) {
	t.Parallel()
	chain := blocks(t)
	dir := importChain(t, chain)
	file := linesFile(t, chain[:1])
	held := func(flags ...string) holdings {
		t.Helper()
		return decode[importResult](t, succeed(t, append([]string{"import", "--json", "--datadir", dir, file}, flags...)...)).holdings
	}
	if got := held(); got.Verified || got.TrustedRoot != nil || got.FinalizedEpoch != 0 {
		t.Errorf("without a checkpoint: %+v", got)
	}
	for _, test := range []struct {
		root  ssz.Root
		epoch string
		want  string
	}{
		{ssz.Root{1}, "2", "is not that of a block in the store"},
		{chain[64].Root, "2", "epoch 2 begins at slot 64, but the block of --finalized-root is of slot 65"},
		{devchain.FinalizedRoot(), "3", "epoch 3 begins at slot 96, but the block of --finalized-root is of slot 64, and that of slot 65 is between"},
		{devchain.FinalizedRoot(), "18446744073709551615", "which is yet to come"},
		{devchain.HeadRoot(), "18446744073709551615", "which is yet to come"},
	} {
		fail(t, exitFailed, test.want, "import", "--datadir", dir, file,
			"--finalized-root", test.root.String(), "--finalized-epoch", test.epoch)
	}
	if got := held(); got.Verified {
		t.Errorf("verified by a checkpoint that was refused: %+v", got)
	}
	got := held(finalizedFlags()...)
	if !got.Verified || *got.TrustedRoot != devchain.FinalizedRoot() || got.TrustedSlot != 64 ||
		got.FinalizedRoot != devchain.FinalizedRoot() || got.FinalizedEpoch != 2 {
		t.Errorf("with a checkpoint: %+v", got)
	}
}

// A store whose first blocks came before a fork was scheduled takes the later ones with that fork, and refuses a
// schedule in which what it holds is of another fork.
func TestImportFollowsASchedule(t *testing.T) {
	t.Parallel()
	chain, dir := blocks(t), t.TempDir()
	configs := map[string][]string{}
	for name, fulu := range map[string]string{"unplanned": "18446744073709551615", "planned": "2", "moved": "3"} {
		flags := devNetwork(t)
		writeFile(t, flags[1], []byte(strings.Replace(devchain.Config(), "FULU_FORK_EPOCH: 2", "FULU_FORK_EPOCH: "+fulu, 1)))
		configs[name] = flags
	}
	run := func(config string, chain []*beacon.Block) outcome {
		return runCLI(t, append([]string{"import", "--datadir", dir, linesFile(t, chain)}, configs[config]...)...)
	}
	const change = "FULU_FORK_EPOCH is 2, was not scheduled"
	if o := run("unplanned", chain[:60]); o.code != exitOK || strings.Contains(o.stderr, "schedule") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	if o := run("planned", chain); o.code != exitOK || !strings.Contains(o.stderr, "another schedule now: "+change) {
		t.Errorf("exit code %d: %q, want %q", o.code, o.stderr, change)
	}
	if o := run("planned", chain); o.code != exitOK || strings.Contains(o.stderr, "schedule") {
		t.Errorf("the second time: exit code %d: %s", o.code, o.stderr)
	}
	if o := run("moved", chain); o.code != exitFailed || !strings.Contains(o.stderr, "FULU_FORK_EPOCH is 3, was 2") {
		t.Errorf("exit code %d: %q, want both values", o.code, o.stderr)
	}
}

func TestImportCountsABlockOnce(t *testing.T) {
	t.Parallel()
	chain := blocks(t)[:3]
	args := append([]string{"import", "--json", "--datadir", t.TempDir(), "-"}, devNetwork(t)...)
	o := runWithInput(t, linesOf(chain)+linesOf(chain[1:]), args...)
	if got := decode[importResult](t, o.stdout); o.code != exitOK || got.Blocks != 3 || got.Known != 2 {
		t.Errorf("exit code %d, imported %+v: %s", o.code, got, o.stderr)
	}
}

func TestImportNamesThePlaceOfABadBlock(t *testing.T) {
	t.Parallel()
	chain, network := blocks(t), devNetwork(t)
	line := func(i int, old, replacement string) string {
		text := lineOf(chain[i])
		if !strings.Contains(text, old) {
			t.Fatalf("no %q in the line of block %d", old, i)
		}
		return strings.Replace(text, old, replacement, 1)
	}
	other := lineOf(&beacon.Block{Slot: 3, Digest: chain[2].Digest, SSZ: chain[2].SSZ, Root: chain[3].Root})
	for _, test := range []struct {
		name string
		bad  string // the third line
		want string
	}{
		{"root", other, "block_root_hex is " + chain[3].Root.String() + ", but the block's root is " + chain[2].Root.String()},
		{"slot", line(2, `"slot":3`, `"slot":4`), "slot is 4, but the block's is 3"},
		{"digest", line(2, "789dfd3a", "789dfd3b"), "is the block of another network?"},
		{"damaged block", line(2, `"ssz_hex":"`, `"ssz_hex":"00`), "offset"},
		{"short root", line(2, chain[2].Root.String()[2:], "00"), `root "00": want 64`},
		{"gap", lineOf(chain[3]), "the parent of slot 4 is"},
		{"text", "slot 3\n", "neither JSON lines nor"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "some.jsonl")
			writeFile(t, path, []byte(linesOf(chain[:2])+test.bad+linesOf(chain[4:6])))
			args := append([]string{"import", "--datadir", filepath.Join(dir, "data"), path}, network...)
			o := runCLI(t, args...)
			if o.code != exitFailed || !strings.Contains(o.stderr, path+":3: ") || !strings.Contains(o.stderr, test.want) {
				t.Errorf("exit code %d: %q, want %q", o.code, o.stderr, test.want)
			}
			// The blocks before are stored, none after.
			writeFile(t, path, []byte(linesOf(chain[:3])))
			got := decode[importResult](t, succeed(t, "import", "--json", "--datadir", filepath.Join(dir, "data"), path))
			if got.Known != 2 || got.Blocks != 1 {
				t.Errorf("then imported %+v", got)
			}
		})
	}
}

func TestImportNamesTheFile(t *testing.T) {
	t.Parallel()
	chain, network := blocks(t), devNetwork(t)
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		writeFile(t, filepath.Join(dir, name), data)
		return filepath.Join(dir, name)
	}
	one, two := file("1.ssz", chain[0].SSZ), file("2.ssz", chain[1].SSZ)
	for _, test := range []struct{ bad, want string }{
		{file("empty", nil), "empty file"},
		{file("4.ssz", chain[3].SSZ), "the parent of slot 4 is"},
		{file("cut.ssz", chain[2].SSZ[:400]), "slot 3 is no block of electra"},
		{file("cut.gz", []byte("\x1f\x8b\x08")), "unexpected EOF"},
		{filepath.Join(dir, "missing"), "no such file"},
		{dir, "has no era files of mainnet"},
	} {
		o := runCLI(t, append([]string{"import", "--datadir", t.TempDir(), two, test.bad, one}, network...)...)
		if o.code != exitFailed || !strings.Contains(o.stderr, test.bad) || !strings.Contains(o.stderr, test.want) {
			t.Errorf("%s: exit code %d: %q, want %q", test.bad, o.code, o.stderr, test.want)
		}
	}
}

func TestImportOfAnotherNetwork(t *testing.T) {
	t.Parallel()
	chain := blocks(t)
	file := linesFile(t, chain)
	fail(t, exitFailed, file+":1: context_hex is 0x789dfd3a", "import", "--datadir", t.TempDir(), "--network", "mainnet", file)
	fail(t, exitFailed, "choose another --datadir", "import", "--datadir", importChain(t, chain[:1]), "--network", "mainnet", file)
}

// brokenWriter is a standard output that nobody reads.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken pipe")

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t)[:1])
	for _, args := range [][]string{
		{"--help"},
		{"demo"},
		{"demo", "--json"},
		{"import", "--datadir", dir, linesFile(t, blocks(t)[:1])},
		{"serve", "--datadir", dir, "--listen", "/ip4/127.0.0.1/tcp/0"},
		{"serve", "--json", "--datadir", dir, "--listen", "/ip4/127.0.0.1/tcp/0"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		var stderr strings.Builder
		code := run(ctx, append([]string{"reqresp"}, args...), nil, brokenWriter{}, &stderr)
		if code != exitFailed || !strings.Contains(stderr.String(), "standard output: broken pipe") || ctx.Err() != nil {
			t.Errorf("%v: exit code %d: %s", args, code, &stderr)
		}
		cancel()
	}
}

func TestDatadirThatCannotBeMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, nil)
	fail(t, exitFailed, "datadir: ", append([]string{"import", "--datadir", file, os.DevNull}, devNetwork(t)...)...)
}
