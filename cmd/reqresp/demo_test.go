package main

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestDemoTellsWhatHasHappenedAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	stdout := succeed(t, "demo")
	for _, want := range []string{
		"204 blocks",
		"fork digest 0xe7bb5f42 in slots   1 to  31: blocks of deneb",
		"fork digest 0x9dcd2213 in slots 144 to 215: blocks of fulu",
		"18 blobs of deneb and electra, and 1408 columns of fulu",
		"0 of 1630",
		"0xaeef7be43b96d0bdb417f580efcb0c99d91ab87580a9debe78b06591ae9f557e at slot 215",
		"0xe5acc94455053c27dff075b966b29fdf70a8673d1800d57e2452972201c04294 at slot 192",
		"All of it matches.\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, error %v", left, err)
	}
}

func TestDemoEndsWithAnObject(t *testing.T) {
	t.Parallel()
	stdout := succeed(t, "demo", "--json")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	want := regexp.MustCompile(`^\{"blocks":204,"bytes":469505,"sidecars":1426,"mismatches":0,"seconds":[0-9.]+\}$`)
	if last := lines[len(lines)-1]; !want.MatchString(last) {
		t.Errorf("last line %q", last)
	}
	if got := decode[demoResult](t, stdout); got.Seconds <= 0 {
		t.Errorf("took %v s", got.Seconds)
	}
}

// TestMismatchesAreFound shows that the demo's check can fail.
func TestMismatchesAreFound(t *testing.T) {
	t.Parallel()
	chain := blocks(t)
	damage := func(chain []*beacon.Block, i int, change func(*beacon.Block)) []*beacon.Block {
		b := *chain[i]
		b.SSZ = slices.Clone(b.SSZ)
		change(&b)
		chain = slices.Clone(chain)
		chain[i] = &b
		return chain
	}
	otherRoot := func(b *beacon.Block) { b.Root = ssz.Root{1} }
	for _, test := range []struct {
		name         string
		stored, want []*beacon.Block
		mismatches   int
	}{
		{"same", chain, chain, 0},
		{"last blocks missing", chain[:140], chain, 2},
		{"first blocks missing", chain[3:], chain, 3},
		{"blocks too many", chain, chain[:139], 3},
		{"other bytes", chain, damage(chain, 7, func(b *beacon.Block) { b.SSZ[4] ^= 1 }), 1},
		{"other root", chain, damage(chain, 9, otherRoot), 1},
		{"stored under another root", damage(chain, 141, otherRoot), chain, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(memorydb.New(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.SetNetwork(t.Context(), devGenesis()); err != nil {
				t.Fatal(err)
			}
			if err := s.Append(t.Context(), test.stored...); err != nil {
				t.Fatal(err)
			}
			got, err := mismatches(t.Context(), s, test.want)
			if err != nil || got != test.mismatches {
				t.Errorf("%d mismatches, error %v, want %d", got, err, test.mismatches)
			}
		})
	}
}

func devGenesis() store.Network {
	return store.Network{
		Config: devchain.Config(), GenesisTime: devchain.GenesisTime,
		GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
	}
}

// A sidecar that is missing, not as it was or not of the chain is a mismatch, and so is one that is damaged.
func TestMismatchesOfSidecarsAreFound(t *testing.T) {
	t.Parallel()
	s, err := store.Open(memorydb.New(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		s.SetNetwork(t.Context(), *demoConfig().Genesis), fill(t.Context(), s, beacontest.FuluBlocks()),
	); err != nil {
		t.Fatal(err)
	}
	whole := beacontest.Fulu()
	blob := *whole.Blobs[3]
	blob.SSZ = slices.Clone(blob.SSZ)
	blob.SSZ[100] ^= 1
	for _, test := range []struct {
		name       string
		change     func(c *beacontest.Chain)
		mismatches int
	}{
		{"same", func(*beacontest.Chain) {}, 0},
		{"blobs too many", func(c *beacontest.Chain) { c.Blobs = c.Blobs[1:] }, 1},
		{"columns too many", func(c *beacontest.Chain) { c.Columns = c.Columns[:1400] }, 8},
		{"other bytes", func(c *beacontest.Chain) { c.Blobs = append([]*beacontest.Item{&blob}, c.Blobs[4:]...) }, 4},
		{"missing", func(c *beacontest.Chain) {
			other := blob
			other.Root = ssz.Root{1}
			c.Blobs = append([]*beacontest.Item{&other}, c.Blobs...)
		}, 1},
	} {
		want := *whole
		test.change(&want)
		got, err := sidecarMismatches(t.Context(), s, &want)
		if err != nil || got != test.mismatches {
			t.Errorf("%s: %d mismatches, error %v, want %d", test.name, got, err, test.mismatches)
		}
	}
}

func TestSpansCoverTheSlotsOfAChain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		first, last ssz.Slot
		want        [][2]ssz.Slot
	}{
		{1, 142, [][2]ssz.Slot{{1, 63}, {64, 142}}},
		{1, 63, [][2]ssz.Slot{{1, 63}}},
		{64, 64, [][2]ssz.Slot{{64, 64}}},
		{63, 64, [][2]ssz.Slot{{63, 63}, {64, 64}}},
	} {
		var got [][2]ssz.Slot
		for _, s := range spans(devchain.Network(), test.first, test.last) {
			got = append(got, [2]ssz.Slot{s.first, s.last})
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d to %d: %v, want %v", test.first, test.last, got, test.want)
		}
	}
}
