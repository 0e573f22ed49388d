package ssz_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The digests of Sepolia at genesis and from Electra to Gloas are as others have published them, in
// the README of eth-clients/sepolia and in a test of a crawler; so are those of mainnet. Those of Gnosis
// from Bellatrix to Deneb, and those of Chiado in Bellatrix and Deneb, are in the records of the boot nodes that
// the networks publish. All others were computed from the specs by a program that shares no code with this
// module.
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
		"gnosis": {
			0: "bc9a6864", 512: "56fdb5e0", 385536: "824be431", 648704: "21a6f836", 889856: "3ebfd484",
			1337856: "7d5aab40", 1714688: "3237dab6",
		},
		"chiado": {
			0: "48ea167c", 90: "076d34c5", 180: "31367043", 244224: "e3f199ec", 516608: "9d33b675",
			948224: "ff15abe1", 1353216: "25f9148e",
		},
		"hoodi": {0: "d2f1997f", 2048: "82556a32", 50688: "e2abcca4", 52480: "ae9f70a0", 54016: "c6ecb76c"},
	} {
		b, err := ssz.BuiltInNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		n := b.Network()
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
	if !slices.Equal(names, []string{"mainnet", "sepolia", "hoodi", "gnosis", "chiado", "holesky"}) {
		t.Errorf("networks %q", names)
	}
	genesis := map[string]int64{
		"mainnet": 1606824023, "sepolia": 1655733600, "holesky": 1695902400, "hoodi": 1742213400,
		"gnosis": 1638993340, "chiado": 1665396300,
	}
	for i, b := range ssz.BuiltIns() {
		n := b.Network()
		cfg, err := ssz.ParseConfig([]byte(b.Config))
		if err != nil || b.Name != names[i] || cfg.Name != b.Name || n.Config().Name != b.Name || n.GenesisTime().Unix() != genesis[b.Name] {
			t.Errorf("%s: %v, named %q, genesis %d", b.Name, err, n.Config().Name, n.GenesisTime().Unix())
		}
		if again, err := ssz.BuiltInNamed(strings.ToUpper(b.Name)); err != nil || again.Network() != n {
			t.Errorf("%s is another network the second time: %v", b.Name, err)
		}
		if b.Retired != (b.Name == "holesky") || b.Date.Year() < 2025 {
			t.Errorf("%s is retired: %t, its schedule as of %v", b.Name, b.Retired, b.Date)
		}
		if gnosis := n.Preset() == ssz.GnosisPreset; gnosis != (b.Name == "gnosis" || b.Name == "chiado") {
			t.Errorf("%s has the preset %v", b.Name, n.Preset())
		}
	}
	if b, err := ssz.BuiltInNamed("Mainnet"); err != nil || b.Network() != ssz.Mainnet() {
		t.Errorf("Mainnet: %v", err)
	}
	if _, err := ssz.BuiltInNamed("goerli"); !errors.Is(err, ssz.ErrConfig) {
		t.Errorf("unknown network: %v", err)
	}
	// Sepolia alone has scheduled Gloas.
	for _, b := range ssz.BuiltIns() {
		if got := b.Network().ForkAt(1 << 40); (got == ssz.Gloas) != (b.Name == "sepolia") || got < ssz.Fulu {
			t.Errorf("%s ends with %v", b.Name, got)
		}
	}
}

// A network is known by its genesis: neither by its name nor by its schedule.
func TestBuiltInOf(t *testing.T) {
	t.Parallel()
	for _, b := range ssz.BuiltIns() {
		cfg := b.Network().Config()
		cfg.Name = "mine"
		cfg.Forks[ssz.Fulu].Epoch, cfg.Forks[ssz.Gloas].Epoch, cfg.BlobSchedule = ssz.FarFutureEpoch, ssz.FarFutureEpoch, nil
		older, err := ssz.NewNetwork(cfg, b.Network().GenesisTime(), b.Network().GenesisValidatorsRoot())
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := ssz.BuiltInOf(older); !ok || got != b {
			t.Errorf("%s with an older schedule is %v", b.Name, got)
		}
	}
	mainnet := ssz.Mainnet()
	for _, at := range []time.Time{mainnet.GenesisTime().Add(time.Second), mainnet.GenesisTime()} {
		n, err := ssz.NewNetwork(mainnet.Config(), at, ssz.Root{1})
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := ssz.BuiltInOf(n); ok {
			t.Errorf("a network of another genesis is %s", b.Name)
		}
	}
}

// What is built in says of a network what the network's own file says, as far as that goes: some files are older
// than the last forks.
func TestBuiltInNetworksAreThoseOfTheirFiles(t *testing.T) {
	t.Parallel()
	files := networkFiles(t)
	for _, b := range ssz.BuiltIns() {
		published, err := ssz.ParseConfig(files[b.Name+".yaml"])
		if err != nil {
			t.Fatal(err)
		}
		for f := ssz.Phase0; f <= ssz.Electra; f++ {
			if got := b.Network().Config().Forks[f]; got != published.Forks[f] {
				t.Errorf("%s: %v %+v, want %+v", b.Name, f, got, published.Forks[f])
			}
		}
		if b.Network().Preset() != ssz.GnosisPreset {
			continue
		}
		if got := b.Network().Config(); got.Forks[ssz.Fulu] != published.Forks[ssz.Fulu] {
			t.Errorf("%s: Fulu %+v, want %+v", b.Name, got.Forks[ssz.Fulu], published.Forks[ssz.Fulu])
		} else if got.Forks = published.Forks; !reflect.DeepEqual(got, *published) {
			t.Errorf("%s: %+v, want %+v", b.Name, got, *published)
		}
	}
}
