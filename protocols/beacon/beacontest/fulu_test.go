package beacontest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The sums are of what the node that made the chain served, one object behind the other.
func TestFuluIsWhatItsNodeServed(t *testing.T) {
	t.Parallel()
	c := beacontest.Fulu()
	for _, tt := range []struct {
		name  string
		items []*beacontest.Item
		count int
		sum   string
	}{
		{"blocks", c.Blocks, 205, "7ff80743bf0a0de616e4f9824413240f83805562b032e93710f37c0c577406fc"},
		{"blob sidecars", c.Blobs, 18, "e333c0378073d76ecd676c4bba6fb197fff7d65198814750fd9cc5fd02178542"},
		{"columns", c.Columns, 1408, "4a1ba266a856e92646ccdc8009ff05b97e6acd145edf8dbc1dc068ad54505404"},
		{"bootstraps", c.Bootstraps, 39, "30e53462b048e961a4738f55d2c5cb6829f9c9c5be3c28eaddd84f19d948d600"},
		{"updates", c.Updates, 4, "2422e1111b4b20ec8fd4986be179460d39451262cd9320c391a4912b24941316"},
		{
			"finality updates", beacontest.FuluFinalityUpdates(), 15,
			"2b786ed0f23e34cf68ddcbef738cb9731a708ed0fbf1450bcce7973604cebaab",
		},
		{
			"optimistic updates", beacontest.FuluOptimisticUpdates(), 193,
			"4d90335377354dd42abfc6365047270841c621656c932172f89b24df634ce79a",
		},
	} {
		sum := sha256.New()
		for _, i := range tt.items {
			sum.Write(i.SSZ)
			if b, err := snappy.AppendDecoded(nil, i.Frames, len(i.SSZ)); err != nil || !bytes.Equal(b, i.SSZ) {
				t.Errorf("%s: slot %d: frames do not hold the object: %v", tt.name, i.Slot, err)
			}
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != tt.sum || len(tt.items) != tt.count {
			t.Errorf("%s: %d with the sum %s, want %d with %s", tt.name, len(tt.items), got, tt.count, tt.sum)
		}
	}
}

func TestFuluFitsTogether(t *testing.T) {
	t.Parallel()
	c, roots := beacontest.Fulu(), sha256.New()
	blocks := beacontest.FuluBlocks()
	for i, b := range blocks {
		roots.Write(b.Root[:])
		if i > 0 && b.ParentRoot != blocks[i-1].Root {
			t.Errorf("slot %d: parent %v, the block before is %v", b.Slot, b.ParentRoot, blocks[i-1].Root)
		}
	}
	const want = "c990399a93fa58fb6adbecfbf3553dd28da59cce84327ddc8ec18e99caea7fab"
	if got := hex.EncodeToString(roots.Sum(nil)); got != want {
		t.Errorf("sum of the roots is %s, want %s", got, want)
	}
	status, err := c.Status(t.Context())
	if err != nil || status.HeadSlot != beacontest.FuluHead || status.HeadRoot != blocks[len(blocks)-1].Root {
		t.Errorf("status %+v, %v", status, err)
	}
	var slots []ssz.Slot
	for _, i := range slices.Concat(c.Blobs, c.Columns) {
		if n := len(slots); n == 0 || slots[n-1] != i.Slot {
			slots = append(slots, i.Slot)
		}
	}
	if !slices.Equal(slots, beacontest.FuluBlobs()) {
		t.Errorf("sidecars of the slots %d, want %d", slots, beacontest.FuluBlobs())
	}
}
