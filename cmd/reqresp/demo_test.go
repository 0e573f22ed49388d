package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestDemoTellsWhatHasHappenedAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	stdout := succeed(t, "demo")
	for _, want := range []string{
		"142 blocks",
		"fork digest 0x789dfd3a in slots   1 to  63: blocks of electra",
		"fork digest 0xc11c78e2 in slots  64 to 142: blocks of fulu",
		"0 of 142 blocks",
		devchain.HeadRoot().String() + " at slot 142",
		devchain.FinalizedRoot().String() + " at slot 64",
		"All blocks match.\n",
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
	want := regexp.MustCompile(`^\{"blocks":142,"bytes":342653,"mismatches":0,"seconds":[0-9.]+\}$`)
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
			if err := s.SetNetwork(t.Context(), *demoConfig().Genesis); err != nil {
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
