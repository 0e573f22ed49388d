package era_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The roots of an era are those of its blocks, and in empty slots those of the blocks before.
func TestBlockRoots(t *testing.T) {
	t.Parallel()
	var last ssz.Root
	for _, path := range []string{firstFile, secondFile} {
		f := open(t, path)
		g := f.Groups()[0]
		roots, err := g.BlockRoots(t.Context(), network())
		if err != nil || len(roots) != slotsPerEra {
			t.Fatalf("%d roots, %v", len(roots), err)
		}
		first, _ := g.Slots()
		for i, got := range roots {
			if b, ok := chain()[first+ssz.Slot(i)]; ok {
				last = b.root
			}
			if got != last {
				t.Errorf("slot %d: %v, want %v", first+ssz.Slot(i), got, last)
			}
		}
		if !strings.HasSuffix(path, "/"+g.FileName()) {
			t.Errorf("name %q of %s", g.FileName(), path)
		}
	}
	if roots, err := open(t, genesisFile).Groups()[0].BlockRoots(t.Context(), network()); err != nil || len(roots) > 0 {
		t.Errorf("era 0: %d roots, %v", len(roots), err)
	}
}

// No more of a state is read than its roots need, and that is compared with the network.
func TestBlockRootsReadsTheBeginningOfTheState(t *testing.T) {
	t.Parallel()
	b := join(firstFile)
	record, err := open(t, firstFile).Groups()[0].StateRecord(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roots := func(n *ssz.Network) error {
		_, err := openBytes(t, b, "").Groups()[0].BlockRoots(t.Context(), n)
		return err
	}
	n := network()
	later, err := ssz.NewNetwork(n.Config(), n.GenesisTime().Add(time.Second), n.GenesisValidatorsRoot())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		n    *ssz.Network
		want string
	}{{"other genesis", later, "genesis time"}, {"other preset", ssz.Mainnet(), "an era of 64 slots: want 8192"}} {
		err := roots(tt.n)
		if e := asError(t, err); !errors.Is(err, era.ErrState) || e.Slot != 64 || e.Offset != record.Offset ||
			!strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	b[record.DataOffset()+50] ^= 1
	if err := roots(network()); !errors.Is(err, era.ErrFrames) || asError(t, err).Slot != 64 {
		t.Errorf("damaged: %v", err)
	}
}

func TestBlockDecode(t *testing.T) {
	t.Parallel()
	f := open(t, firstFile)
	for b, err := range f.Blocks(t.Context(), 0, slotsPerEra) {
		if err != nil {
			t.Fatal(err)
		}
		want := chain()[b.Slot]
		out, header, root, err := b.Decode(network(), []byte("before"))
		encoded, ok := bytes.CutPrefix(out, []byte("before"))
		if err != nil || !ok || root != want.root || header.Slot != b.Slot || sha256.Sum256(encoded) != want.sum {
			t.Fatalf("slot %d: root %v, header %+v, %v", b.Slot, root, header, err)
		}
		frames := b.Frames
		damaged := bytes.Clone(frames)
		damaged[15] ^= 1 // in the checksum
		for _, tt := range []struct {
			name string
			b    era.Block
			want error
		}{
			{"frames", era.Block{Slot: b.Slot, Offset: b.Offset, Frames: damaged}, era.ErrFrames},
			{"nothing", era.Block{Slot: b.Slot, Offset: b.Offset}, era.ErrBlock},
			{"slot", era.Block{Slot: b.Slot ^ 1, Offset: b.Offset, Frames: frames}, era.ErrBlock},
		} {
			out, _, _, err := tt.b.Decode(network(), []byte("before"))
			e := asError(t, err)
			if !errors.Is(err, tt.want) || e.Slot != tt.b.Slot || e.Offset != b.Offset || string(out) != "before" {
				t.Errorf("%s of slot %d: %q, %v", tt.name, b.Slot, out, err)
			}
		}
	}
}

func TestEraOf(t *testing.T) {
	t.Parallel()
	d, err := era.OpenDir(t.Context(), "testdata/era", network(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for slot, want := range map[ssz.Slot]uint64{0: 1, 63: 1, 64: 2, 127: 2, 1000: 16} {
		if got := d.EraOf(slot); got != want {
			t.Errorf("slot %d: era %d, want %d", slot, got, want)
		}
	}
}
