package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// segments returns the directory of a store's flat files.
func segments(datadir string) string { return database(datadir) + "-segments" }

func TestConvertMovesHistory(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t))
	if _, err := os.Stat(segments(dir)); err == nil {
		t.Fatal("there are flat files, though nothing is final")
	}
	fail(t, exitFailed, "no finalized block of the store in "+dir+" is known", "convert", "--datadir", dir)
	stack, err := newNode(nodeConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	// As an earlier version left it: all blocks are in the database.
	db, err := stack.OpenDatabase(plugin.DatabaseName, 16, 16, "", false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(db, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetAnchor(t.Context(), store.Anchor{Root: ssz.Root{1}, Slot: 100, Origin: store.Given}); err != nil {
		t.Fatal(err)
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if text := succeed(t, "convert", "--datadir", dir); !strings.Contains(text, "all history is in flat files") {
			t.Errorf("it says %q", text)
		}
		if _, err := os.Stat(filepath.Join(segments(dir), "blocks-00000000.e2s")); err != nil {
			t.Error(err)
		}
		if got := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", dir)); got.Blocks != 142 {
			t.Errorf("%d blocks, want 142", got.Blocks)
		}
	}
	fail(t, exitFailed, "there is no store in", "convert", "--datadir", t.TempDir())
}
