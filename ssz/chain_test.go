package ssz_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// chainNetwork returns the network of chain.jsonl.gz, a development chain made by a production
// client.
func chainNetwork(tb testing.TB) *ssz.Network {
	file, err := os.ReadFile("testdata/chain.config.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	cfg, err := ssz.ParseConfig(file)
	if err != nil {
		tb.Fatal(err)
	}
	var root ssz.Root
	err = root.UnmarshalText([]byte("0x05d79a31a8e69ecd78114c50ce73116be33027d8431b82fff6c0b3cd9c2cbb1f"))
	if err != nil {
		tb.Fatal(err)
	}
	n, err := ssz.NewNetwork(*cfg, time.Unix(1795346738, 0), root)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestChain(t *testing.T) {
	t.Parallel()
	n := chainNetwork(t)
	var previous *vector
	forks := map[ssz.Fork]int{}
	for _, v := range readVectors(t, "chain.jsonl.gz") {
		fork, ok := n.ForkOf(ssz.ForkDigest(v.Context))
		if !ok || fork != n.ForkAt(n.EpochOf(v.Slot)) || fork.String() != v.Fork {
			t.Errorf("slot %d: digest %x is of %v, %t, want %v", v.Slot, v.Context, fork, ok, v.Fork)
		}
		if digest := n.DigestAt(n.EpochOf(v.Slot)); !bytes.Equal(digest[:], v.Context) {
			t.Errorf("slot %d: digest %v, want %x", v.Slot, digest, v.Context)
		}
		block, err := n.DecodeBlock(fork, v.SSZ)
		if err != nil {
			t.Fatalf("slot %d: %v", v.Slot, err)
		}
		testObject(t, block, &v)
		testPeekAgrees(t, v.SSZ, block)
		if root, err := block.BlockRoot(); err != nil || root != v.BlockRoot {
			t.Errorf("slot %d: block root %x, error %v, want %v", v.Slot, root, err, v.BlockRoot)
		}
		if root, err := n.BlockRoot(fork, v.SSZ); err != nil || root != v.BlockRoot {
			t.Errorf("slot %d: block root of bytes %v, error %v, want %v", v.Slot, root, err, v.BlockRoot)
		}
		if previous != nil && previous.Slot+1 == v.Slot && block.ParentRoot() != previous.BlockRoot {
			t.Errorf("slot %d: parent %x, want %v", v.Slot, block.ParentRoot(), previous.BlockRoot)
		}
		previous = &v
		forks[fork]++
	}
	if forks[ssz.Electra] == 0 || forks[ssz.Fulu] == 0 {
		t.Errorf("blocks by fork: %v, want both sides of the boundary", forks)
	}
}
