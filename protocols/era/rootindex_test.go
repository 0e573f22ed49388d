package era_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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

// madeUpIndex returns a root index of so many blocks, as the documentation says it is, and its entries.
func madeUpIndex(blocks int) (content []byte, entries [][16]byte) {
	random := rand.NewChaCha8([32]byte{1})
	entries = make([][16]byte, blocks)
	for i := range entries {
		_, _ = random.Read(entries[i][:12])
		binary.LittleEndian.PutUint32(entries[i][12:], uint32(i))
	}
	slices.SortFunc(entries, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	genesis := network().GenesisValidatorsRoot()
	data := append(genesis[:], make([]byte, 8)...)
	data = append(binary.LittleEndian.AppendUint64(data, uint64(blocks)), genesis[:]...)
	for i := range entries {
		data = append(data, entries[i][:]...)
	}
	data = binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	content = append([]byte("e2\x00\x00\x00\x00\x00\x00\x80\x01"), binary.LittleEndian.AppendUint32(nil, uint32(len(data)))...)
	return slices.Concat(content, []byte{0, 0}, data), entries
}

func checkFound(t testing.TB, x *era.RootIndex, entry [16]byte) {
	t.Helper()
	root := ssz.Root(append(entry[:12:12], make([]byte, 20)...))
	slot, ok, err := x.SlotOf(t.Context(), root)
	if want := binary.LittleEndian.Uint32(entry[12:]); err != nil || !ok || slot != ssz.Slot(want) {
		t.Fatalf("found %v in slot %d, %v, want %d", ok, slot, err, want)
	}
}

func TestRootIndexOfManyPages(t *testing.T) {
	for _, blocks := range []int{255, 256, 257, 70_000} {
		content, entries := madeUpIndex(blocks)
		x := must(openRootIndex(t, content, network()))
		for _, e := range entries {
			checkFound(t, x, e)
			e[11]++
			if _, ok, err := x.SlotOf(t.Context(), ssz.Root(append(e[:12:12], make([]byte, 20)...))); ok || err != nil {
				t.Fatalf("found %v, %v", ok, err)
			}
		}
	}
}

// BenchmarkRootIndex looks up blocks among ten million, and opens the index of them.
func BenchmarkRootIndex(b *testing.B) {
	content, entries := madeUpIndex(10_000_000)
	path := filepath.Join(b.TempDir(), era.RootIndexName(network()))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			must(era.OpenRootIndex(b.Context(), path, network())).Close()
		}
	})
	b.Run("slot", func(b *testing.B) {
		x := must(era.OpenRootIndex(b.Context(), path, network()))
		defer x.Close()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			checkFound(b, x, entries[i*104729%len(entries)])
		}
	})
}
