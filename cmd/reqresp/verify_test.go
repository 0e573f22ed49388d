package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
)

// database returns the directory of the database in a datadir.
func database(datadir string) string { return nodeConfig(datadir).ResolvePath(plugin.DatabaseName) }

// flip damages a byte of each file of the database that matches a pattern: the first, the middle or the last one.
func flip(t *testing.T, datadir, pattern, which string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(database(datadir), pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, datadir, err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(content) == 0 {
			continue
		}
		at := map[string]int{"first": 0, "middle": len(content) / 2, "last": len(content) - 1}[which]
		content[at] ^= 0xff
		writeFile(t, path, content)
	}
}

func TestVerifyFindsNothingInASoundStore(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t), finalizedFlags()...)
	got := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", dir))
	if got.Blocks != 142 || len(got.Damaged) != 0 || !got.Verified || got.HeadRoot != devchain.HeadRoot() || got.Signatures != "unchecked" {
		t.Errorf("%+v", got)
	}
	text := succeed(t, "verify", "--datadir", dir)
	for _, want := range []string{"verified 142 blocks, slots 0 to 142", "signatures unchecked"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func TestVerifyFindsDamageAndSaysHowToRepair(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t))
	flip(t, dir, "*.sst", "middle")
	o := runCLI(t, "verify", "--json", "--datadir", dir)
	got := decode[verifyResult](t, o.stdout)
	n := len(got.Damaged)
	if o.code != exitFailed || n == 0 || n > 4 || got.Blocks+uint64(n) != 142 {
		t.Errorf("exit code %d: %+v", o.code, got)
	}
	for _, d := range got.Damaged {
		if d.Slot == 0 || !strings.Contains(d.Error, fmt.Sprintf("slot %d", d.Slot)) || !strings.Contains(o.stderr, d.Error) {
			t.Errorf("%+v, and on standard error %s", d, o.stderr)
		}
	}
	for _, want := range []string{fmt.Sprintf("%d damaged", n), "remove " + database(dir), "'reqresp sync'"} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("no %q in %s", want, o.stderr)
		}
	}
	// As it says.
	if err := os.RemoveAll(database(dir)); err != nil {
		t.Fatal(err)
	}
	succeed(t, append([]string{"import", "--datadir", dir, linesFile(t, blocks(t))}, devNetwork(t)...)...)
	if got := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", dir)); got.Blocks != 142 {
		t.Errorf("repaired: %+v", got)
	}
}

// A store whose database is lost is made anew from its flat files.
func TestVerifyRepairs(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t), finalizedFlags()...)
	if err := os.RemoveAll(database(dir)); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, "'reqresp verify --repair'", append([]string{"import", "--datadir", dir, linesFile(t, blocks(t))}, devNetwork(t)...)...)
	fail(t, exitFailed, "'reqresp verify --repair'", "verify", "--datadir", dir)
	fail(t, exitUsage, "tell its network", "verify", "--repair", "--datadir", dir)
	args := append([]string{"verify", "--repair", "--json", "--datadir", dir}, devNetwork(t)...)
	got := decode[verifyResult](t, succeed(t, args...))
	if got.Blocks == 0 || len(got.Damaged) > 0 || got.HeadSlot != devchain.FinalizedSlot {
		t.Errorf("%+v", got)
	}
	succeed(t, "import", "--datadir", dir, linesFile(t, blocks(t)))
	if got := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", dir)); got.Blocks != 142 {
		t.Errorf("%d blocks, want 142", got.Blocks)
	}
}

// Every command reports why it cannot open the store.
func TestADatabaseThatIsDamagedIsNoneOfTheArguments(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t)[:3])
	if err := os.Remove(filepath.Join(database(dir), "OUTLINE")); err != nil {
		t.Fatal(err)
	}
	flip(t, dir, "MANIFEST-*", "first")
	for _, args := range [][]string{
		{"verify"}, {"serve", "--listen", "/ip4/127.0.0.1/tcp/0"}, {"sync", somebody}, append([]string{"import", linesFile(t, blocks(t))}, devNetwork(t)...),
	} {
		fail(t, exitFailed, "to repair it, run 'reqresp verify --repair'; if its database cannot be opened, remove "+database(dir), append(args, "--datadir", dir)...)
	}
}

func TestVerifyNeedsAStore(t *testing.T) {
	t.Parallel()
	fail(t, exitFailed, "there is no store in", "verify", "--datadir", t.TempDir())
}
