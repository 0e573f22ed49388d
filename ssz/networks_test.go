package ssz_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The digests of Sepolia at genesis and from Electra to Gloas are as others have published them, in
// the README of eth-clients/sepolia and in a test of a crawler; so are those of mainnet. All others
// were computed from the specs by a program that shares no code with this module.
func TestDigestsOfBuiltInNetworks(t *testing.T) {
	t.Parallel()
	for name, digests := range map[string]map[ssz.Epoch]string{
		"mainnet": {0: "b5303f2a", 364032: "ad532ceb", 411392: "cc2c5cdb", 412672: "cb0d1acc", 419072: "8c9f62fe"},
		"sepolia": {
			0: "a8fee8ee", 50: "60725ca1", 100: "36fa5013", 56832: "47eb72b3", 132608: "d31f6191", 222464: "14045b5a",
			272640: "7e0d3447", 274176: "fd32b622", 275712: "74d01459", 353023: "74d01459", 353024: "669e6c11",
		},
		"holesky": {
			0: "69b7d974", 256: "17e2dad3", 29696: "69ae0e99", 115968: "019e21ad",
			165120: "84e8fde5", 166400: "c7022d55", 167936: "32db3f09",
		},
		"hoodi": {0: "d2f1997f", 2048: "82556a32", 50688: "e2abcca4", 52480: "ae9f70a0", 54016: "c6ecb76c"},
	} {
		n, _, err := ssz.NetworkNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		for epoch, want := range digests {
			if got := n.DigestAt(epoch).String(); got != "0x"+want {
				t.Errorf("%s at epoch %d: digest %s, want 0x%s", name, epoch, got, want)
			}
		}
	}
}

func TestBuiltInNetworks(t *testing.T) {
	t.Parallel()
	names := ssz.NetworkNames()
	if !slices.Equal(names, []string{"mainnet", "sepolia", "holesky", "hoodi"}) {
		t.Errorf("networks %q", names)
	}
	genesis := map[string]int64{"mainnet": 1606824023, "sepolia": 1655733600, "holesky": 1695902400, "hoodi": 1742213400}
	for _, name := range names {
		n, config, err := ssz.NetworkNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := ssz.ParseConfig([]byte(config))
		if err != nil || cfg.Name != name || n.Config().Name != name || n.GenesisTime().Unix() != genesis[name] {
			t.Errorf("%s: %v, named %q, genesis %d", name, err, n.Config().Name, n.GenesisTime().Unix())
		}
		if again, _, _ := ssz.NetworkNamed(name); again != n {
			t.Errorf("%s is another network the second time", name)
		}
	}
	if n, _, err := ssz.NetworkNamed("Mainnet"); err != nil || n != ssz.Mainnet() {
		t.Errorf("Mainnet: %v", err)
	}
	if _, _, err := ssz.NetworkNamed("goerli"); !errors.Is(err, ssz.ErrConfig) {
		t.Errorf("unknown network: %v", err)
	}
	// Sepolia alone has scheduled Gloas.
	sepolia, _, _ := ssz.NetworkNamed("sepolia")
	hoodi, _, _ := ssz.NetworkNamed("hoodi")
	if sepolia.ForkAt(353024) != ssz.Gloas || hoodi.ForkAt(1<<40) != ssz.Fulu {
		t.Errorf("forks %v and %v", sepolia.ForkAt(353024), hoodi.ForkAt(1<<40))
	}
}
