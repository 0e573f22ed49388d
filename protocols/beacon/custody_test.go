package beacon_test

import (
	"crypto/rand"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	gethcrypto "github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// The cases are those of a production client's own tests.
func TestCustodyColumnsAreThoseOfTheSpecs(t *testing.T) {
	t.Parallel()
	decimal := func(digits string) (id beacon.NodeID) {
		n, ok := new(big.Int).SetString(digits, 10)
		if !ok {
			panic(digits)
		}
		n.FillBytes(id[:])
		return id
	}
	all := make([]uint64, 128)
	for i := range all {
		all[i] = uint64(i)
	}
	for _, test := range []struct {
		id    beacon.NodeID
		count uint64
		want  []uint64
	}{
		{
			beacon.NodeID(unhex("cdbee32dc3c50e9711d22be5565c7e44ff6108af663b2dc5abd2df573d2fa83f")), 4,
			[]uint64{2, 80, 89, 118},
		},
		{
			decimal("51781405571328938149219259614021022118347017557305093857689627172914154745642"), 47,
			[]uint64{
				3, 6, 7, 8, 9, 12, 25, 26, 29, 30, 32, 40, 42, 47, 52, 53, 54, 55, 56, 57, 69, 70, 71, 72, 74, 77, 80, 81, 83,
				88, 93, 94, 95, 98, 101, 105, 106, 112, 114, 116, 118, 120, 121, 123, 124, 125, 127,
			},
		},
		{
			decimal("84065159290331321853352677657753050104170032838956724170714636178275273565505"), 6,
			[]uint64{27, 29, 58, 67, 96, 117},
		},
		{beacon.NodeID{1}, 0, nil},
		{beacon.NodeID{1}, 128, all},
		{beacon.NodeID{1}, 1 << 63, all},
	} {
		if got := beacon.CustodyColumns(test.id, test.count); !slices.Equal(got, test.want) {
			t.Errorf("%d groups of node %x are columns %d, want %d", test.count, test.id, got, test.want)
		}
		if got := beacon.CustodyGroups(test.id, test.count); !slices.Equal(got, test.want) {
			t.Errorf("groups of node %x are %d, want %d", test.id, got, test.want)
		}
	}
}

func TestMoreCustodyKeepsWhatWasHeld(t *testing.T) {
	t.Parallel()
	// The highest number is followed by zero.
	for _, id := range []beacon.NodeID{{}, {0xff}, beacon.NodeID(slices.Repeat([]byte{0xff}, 32))} {
		var before []uint64
		for count := range uint64(129) {
			groups := beacon.CustodyGroups(id, count)
			if uint64(len(groups)) != count || !slices.IsSorted(groups) ||
				len(slices.Compact(slices.Clone(groups))) != len(groups) {
				t.Fatalf("%d groups of node %x: %d", count, id, groups)
			}
			for _, group := range before {
				if !slices.Contains(groups, group) {
					t.Fatalf("%d groups of node %x lack %d", count, id, group)
				}
			}
			before = groups
		}
	}
}

func TestNodeIDIsThatOfDiscovery(t *testing.T) {
	t.Parallel()
	key, err := gethcrypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	private := must(crypto.UnmarshalSecp256k1PrivateKey(gethcrypto.FromECDSA(key)))
	id, err := beacon.NodeIDOf(must(peer.IDFromPrivateKey(private)))
	if want := enode.PubkeyToIDV4(&key.PublicKey); err != nil || id != beacon.NodeID(want) {
		t.Errorf("node ID %x, %v, want %x", id, err, want)
	}
	other, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := beacon.NodeIDOf(must(peer.IDFromPrivateKey(other))); err == nil {
		t.Errorf("an Ed25519 key has node ID %x", id)
	}
	if _, err := beacon.NodeIDOf("no peer"); err == nil {
		t.Error("a peer ID without a key has a node ID")
	}
}
