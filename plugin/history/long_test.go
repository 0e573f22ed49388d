package history_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/history"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// longHistory returns a directory of so many made-up eras, each block the child of the one before, and their blocks.
// Of the states there is no more than is read. Every third slot is empty.
func longHistory(t testing.TB, eras int) (dir string, all []*beacon.Block) {
	t.Helper()
	dir = t.TempDir()
	var parent, before ssz.Root
	for n := 1; n <= eras; n++ {
		var blocks []*beacon.Block
		for slot := ssz.Slot(n-1) * slotsPerEra; slot < ssz.Slot(n)*slotsPerEra; slot++ {
			if slot%3 == 2 {
				continue
			}
			b := madeUpBlock(t, slot, parent)
			parent = b.Root
			blocks = append(blocks, b)
		}
		content := madeUpEra(t, n, before, blocks)
		before = parent
		name := era.Name{Config: "vecdev", Era: uint64(n)}
		if err := os.WriteFile(filepath.Join(dir, name.String()), content, 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, blocks...)
	}
	return dir, all
}

// madeUpBlock returns a block of the real chain, with another slot and parent.
func madeUpBlock(t testing.TB, slot ssz.Slot, parent ssz.Root) *beacon.Block {
	t.Helper()
	n := beacontest.FuluNetwork()
	fork := n.ForkAt(n.EpochOf(slot))
	for _, b := range beacontest.FuluBlocks() {
		if b.Fork != fork {
			continue
		}
		encoded := bytes.Clone(b.SSZ)
		binary.LittleEndian.PutUint64(encoded[100:], uint64(slot))
		copy(encoded[116:], parent[:])
		root, err := n.BlockRoot(fork, encoded)
		if err != nil {
			t.Fatal(err)
		}
		return &beacon.Block{
			Slot: slot, Root: root, ParentRoot: parent, SSZ: encoded, Frames: snappy.AppendFrames(nil, encoded),
		}
	}
	t.Fatalf("no block of %v", fork)
	return nil
}

// madeUpEra returns the file of an era. The last block before it has the root last.
func madeUpEra(t testing.TB, n int, last ssz.Root, blocks []*beacon.Block) []byte {
	t.Helper()
	network := beacontest.FuluNetwork()
	end := ssz.Slot(n) * slotsPerEra
	offsets := make([]int64, slotsPerEra)
	state := make([]byte, 176+32*slotsPerEra)
	root := network.GenesisValidatorsRoot()
	version := network.Config().Forks[network.ForkAt(network.EpochOf(end))].Version
	binary.LittleEndian.PutUint64(state, uint64(network.GenesisTime().Unix()))
	copy(state[8:], root[:])
	binary.LittleEndian.PutUint64(state[40:], uint64(end))
	copy(state[52:], version[:])

	var out bytes.Buffer
	write := func(kind e2store.Type, data []byte) {
		h := e2store.Header{Type: kind, Length: uint32(len(data))}
		out.Write(h.Append(nil))
		out.Write(data)
	}
	write(e2store.Version, nil)
	at := 0
	for i := range slotsPerEra {
		if at < len(blocks) && blocks[at].Slot == end-slotsPerEra+ssz.Slot(i) {
			offsets[i], last = int64(out.Len()), blocks[at].Root
			write(e2store.CompressedSignedBeaconBlock, blocks[at].Frames)
			at++
		}
		copy(state[176+32*i:], last[:])
	}
	stateAt := int64(out.Len())
	write(e2store.CompressedBeaconState, snappy.AppendFrames(nil, state))
	index := func(first ssz.Slot, entries ...int64) {
		start := int64(out.Len())
		data := binary.LittleEndian.AppendUint64(nil, uint64(first))
		for _, offset := range entries {
			if offset != 0 {
				offset -= start
			}
			data = binary.LittleEndian.AppendUint64(data, uint64(offset))
		}
		write(e2store.SlotIndex, binary.LittleEndian.AppendUint64(data, uint64(len(entries))))
	}
	index(end-slotsPerEra, offsets...)
	index(end, stateAt)
	return out.Bytes()
}

// A history of many eras is served whole by many at a time, in memory that does not grow with it.
func TestALongHistory(t *testing.T) {
	t.Parallel()
	dir, all := longHistory(t, 100)
	c := open(t, dir, newStore(t))
	want := make(map[ssz.Slot]*beacon.Block)
	for _, b := range all {
		want[b.Slot] = b
	}
	var readers sync.WaitGroup
	for seed := range uint64(8) {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			for range 100 {
				start := ssz.Slot(random.IntN(100 * slotsPerEra))
				readRange(t, c, want, start, uint64(random.IntN(128)+1))
			}
		})
	}
	readers.Wait()
	got, err := read(t, c, 0, 100*slotsPerEra)
	if err != nil {
		t.Fatal(err)
	}
	checkBlocks(t, got, all)
}

// readRange compares a range with what it has to have. It fetches the blocks after all are looked up.
func readRange(t *testing.T, c *history.Chain, want map[ssz.Slot]*beacon.Block, start ssz.Slot, count uint64) {
	var refs []beacon.Ref
	for ref, err := range c.BlocksByRange(t.Context(), start, count) {
		if err != nil {
			t.Error(err)
			return
		}
		refs = append(refs, ref)
	}
	n := 0
	for slot := start; slot < start+ssz.Slot(count); slot++ {
		if want[slot] != nil {
			n++
		}
	}
	if len(refs) != n {
		t.Errorf("range %d+%d: %d blocks, want %d", start, count, len(refs), n)
	}
	for _, ref := range refs {
		frames, err := c.AppendFrames(t.Context(), ref, nil)
		if err != nil || ref.Root != want[ref.Slot].Root || !bytes.Equal(frames, want[ref.Slot].Frames) {
			t.Errorf("slot %d: root %v, %d bytes of frames, %v", ref.Slot, ref.Root, len(frames), err)
		}
	}
}

// A ref is good for longer than the index of its era is in memory.
func TestRefsOutliveTheIndex(t *testing.T) {
	t.Parallel()
	dir, all := longHistory(t, 60)
	c := open(t, dir, newStore(t))
	var first beacon.Ref
	for ref, err := range c.BlocksByRange(t.Context(), 0, 60*slotsPerEra) {
		if err != nil {
			t.Fatal(err)
		}
		if first.Size == 0 {
			first = ref
		}
	}
	for _, err := range c.BlocksByRoot(t.Context(), []ssz.Root{all[0].Root}) {
		t.Errorf("the first era is in memory: %v", err)
	}
	if _, err := read(t, c, 0, 50*slotsPerEra); err != nil {
		t.Fatal(err)
	}
	found := 0
	for ref, err := range c.BlocksByRoot(t.Context(), []ssz.Root{all[len(all)-1].Root}) {
		if err != nil || ref.Slot != all[len(all)-1].Slot {
			t.Errorf("slot %d by the root of the last block, %v", ref.Slot, err)
		}
		found++
	}
	if found != 1 {
		t.Error("the last era is not in memory any more")
	}
	frames, err := c.AppendFrames(t.Context(), first, nil)
	if err != nil || !bytes.Equal(frames, all[0].Frames) {
		t.Errorf("%d bytes of frames, %v", len(frames), err)
	}
}

// What is kept of a history has a bound.
func TestMemoryOfALongHistory(t *testing.T) {
	dir, _ := longHistory(t, 300)
	c := open(t, dir, newStore(t))
	after := func(eras int) uint64 {
		if _, err := read(t, c, 0, uint64(eras)*slotsPerEra); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	some, all := after(100), after(300)
	if all > some+1<<20 {
		t.Errorf("%d bytes after 100 eras, %d after 300", some, all)
	}
	runtime.KeepAlive(c)
}

// A store that begins after empty slots links to files that end before them.
func TestEmptySlotsBetweenFilesAndStore(t *testing.T) {
	t.Parallel()
	dir, all := longHistory(t, 3)
	if err := os.Remove(filepath.Join(dir, era.Name{Config: "vecdev", Era: 3}.String())); err != nil {
		t.Fatal(err)
	}
	stored := slices.DeleteFunc(slices.Clone(all), func(b *beacon.Block) bool { return b.Slot < filesEnd })
	if stored[0].Slot == filesEnd {
		t.Fatal("slot 128 is not empty")
	}
	c := open(t, dir, newStore(t, stored...))
	got, err := read(t, c, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	checkBlocks(t, got, all)
}

// Of a range no more is read ahead than a little: not what a peer does not take.
func TestReadAheadIsBounded(t *testing.T) {
	t.Parallel()
	dir, all := longHistory(t, 1)
	const padding = 100 << 10
	for _, b := range all {
		b.Frames = append(b.Frames, 0xfe, padding&0xff, padding>>8&0xff, padding>>16)
		b.Frames = append(b.Frames, make([]byte, padding)...)
	}
	path := filepath.Join(dir, era.Name{Config: "vecdev", Era: 1}.String())
	writeFile(t, path, madeUpEra(t, 1, ssz.Root{}, all))
	c := open(t, dir, newStore(t))
	for _, err := range c.BlocksByRange(t.Context(), 0, 64) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	// What has not been read is found damaged as it is looked up.
	const slot = 36 // behind 24 blocks
	flip(t, path, slot, 30)
	for ref, err := range c.BlocksByRange(t.Context(), slot, 1) {
		if err == nil {
			t.Errorf("slot %d was read ahead", ref.Slot)
		}
	}
}
