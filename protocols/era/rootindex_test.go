package era_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// rootIndexOf returns the content of the root index of the chain's files.
func rootIndexOf(t *testing.T) []byte {
	t.Helper()
	dir := dirOf(t, map[string][]byte{
		genesisName: join(genesisFile), firstName: join(firstFile), secondName: join(secondFile),
	})
	return must(openDir(t, dir, nil).RootIndex(t.Context(), network()))
}

func openRootIndex(t *testing.T, content []byte, n *ssz.Network) (*era.RootIndex, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), era.RootIndexName(n))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	x, err := era.OpenRootIndex(t.Context(), path, n)
	if err == nil {
		t.Cleanup(func() { x.Close() })
	}
	return x, err
}

func TestRootIndexFindsEveryBlock(t *testing.T) {
	content := rootIndexOf(t)
	x := must(openRootIndex(t, content, network()))
	if first, end := x.Slots(); first != 0 || end != 2*slotsPerEra || x.LastRoot() != chain()[end-1].root {
		t.Errorf("slots %d to %d, last root %v", first, end, x.LastRoot())
	}
	blocks := 0
	for slot, b := range chain() {
		got, ok, err := x.SlotOf(t.Context(), b.root)
		if err != nil || ok != (slot < 2*slotsPerEra) || ok && got != slot {
			t.Errorf("slot %d: found %v in %d, %v", slot, ok, got, err)
		}
		if ok {
			blocks++
		}
		b.root[0] ^= 1
		if got, ok, err := x.SlotOf(t.Context(), b.root); ok || err != nil {
			t.Errorf("a root that is none: found in slot %d, %v", got, err)
		}
	}
	if blocks != 122 || len(content) != 100+16*blocks {
		t.Errorf("%d blocks, %d bytes", blocks, len(content))
	}
	for _, root := range []ssz.Root{{}, root(strings.Repeat("ff", 32))} {
		if _, ok, err := x.SlotOf(t.Context(), root); ok || err != nil {
			t.Errorf("%v: found %v, %v", root, ok, err)
		}
	}
}

// Any bit that is flipped and any byte that is missing is noticed when the index is opened.
func TestDamagedRootIndexIsRefused(t *testing.T) {
	good := rootIndexOf(t)
	for at := 8; at < len(good); at += 1 + at/50 { // the Version record says nothing
		bad := append([]byte(nil), good...)
		bad[at] ^= 4
		if _, err := openRootIndex(t, bad, network()); !errors.Is(err, era.ErrRootIndex) {
			t.Fatalf("byte %d is changed: %v", at, err)
		}
	}
	for n := 0; n < len(good); n += 1 + n/50 {
		if _, err := openRootIndex(t, good[:n], network()); !errors.Is(err, era.ErrRootIndex) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := openRootIndex(t, append(good, 0), network()); !errors.Is(err, era.ErrRootIndex) {
		t.Errorf("a byte more: %v", err)
	}
	other := must(ssz.NewNetwork(network().Config(), time.Unix(1796080587, 0), ssz.Root{1}))
	if _, err := openRootIndex(t, good, other); !errors.Is(err, era.ErrRootIndex) {
		t.Errorf("another network: %v", err)
	}
}

func TestRootIndexOfGenesisAloneIsEmpty(t *testing.T) {
	dir := openDir(t, dirOf(t, map[string][]byte{genesisName: join(genesisFile)}), nil)
	x := must(openRootIndex(t, must(dir.RootIndex(t.Context(), network())), network()))
	if _, ok, err := x.SlotOf(t.Context(), chain()[0].root); ok || err != nil {
		t.Errorf("found %v, %v", ok, err)
	}
}
