package ssz

import (
	_ "embed" // for the configurations
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// The configurations of the networks that are built in.
var (
	//go:embed mainnet.yaml
	mainnetConfig string
	//go:embed sepolia.yaml
	sepoliaConfig string
	//go:embed holesky.yaml
	holeskyConfig string
	//go:embed hoodi.yaml
	hoodiConfig string
	//go:embed gnosis.yaml
	gnosisConfig string
	//go:embed chiado.yaml
	chiadoConfig string
)

// Mainnet returns Ethereum's main network. All calls return the same value.
func Mainnet() *Network { return networks[0].Network() }

// A BuiltIn tells of a network that is built in what its [Network] does not.
type BuiltIn struct {
	// Name is the name of the network, in lower case.
	Name string
	// Config is the network's configuration as a file in the format of the consensus specs, for what keeps
	// or passes on a network as a file; [ParseConfig] reads it.
	Config string
	// Date is the day as of which the schedule of forks and blob parameters is known. A network that has
	// scheduled another fork since needs a configuration of its own, or that fork's digest is not known.
	Date time.Time
	// Retired tells that the network has been shut down.
	Retired bool

	network func() *Network
}

// Network returns the network: the same value with every call.
func (b *BuiltIn) Network() *Network { return b.network() }

// The genesis time and validators root of a network are those of its genesis state.
var networks = []*BuiltIn{
	newBuiltIn("mainnet", mainnetConfig, 1606824023,
		"4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95", 2026, time.November),
	newBuiltIn("sepolia", sepoliaConfig, 1655733600,
		"d8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078", 2026, time.November),
	newBuiltIn("hoodi", hoodiConfig, 1742213400,
		"212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f", 2026, time.November),
	newBuiltIn("gnosis", gnosisConfig, 1638993340,
		"f5dcb5564e829aab27264b9becd5dfaa017085611224cb3036f573368dbb9d47", 2026, time.September),
	newBuiltIn("chiado", chiadoConfig, 1665396300,
		"9d642dac73058fbf39c0ae41ab1e34e4d889043cb199851ded7095bc99eb4c1e", 2026, time.September),
	retired(newBuiltIn("holesky", holeskyConfig, 1695902400,
		"9143aa7c615a7f7115e2b6aac319c03529df8242ae705fba9df39b79c59fa8b1", 2025, time.October)),
}

// newBuiltIn returns a network, as of the first day of a month, that is parsed when it is first asked for, as few
// programs need more than one. It panics then if a value above is wrong.
func newBuiltIn(name, config string, genesis int64, validators string, year int, month time.Month) *BuiltIn {
	date := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	return &BuiltIn{Name: name, Config: config, Date: date, network: sync.OnceValue(func() *Network {
		var root Root
		if err := root.UnmarshalText([]byte(validators)); err != nil {
			panic(err)
		}
		cfg, err := ParseConfig([]byte(config))
		if err != nil {
			panic(err)
		}
		n, err := NewNetwork(*cfg, time.Unix(genesis, 0), root)
		if err != nil {
			panic(err)
		}
		return n
	})}
}

func retired(b *BuiltIn) *BuiltIn {
	b.Retired = true
	return b
}

// BuiltIns returns the networks that are built in: mainnet first, and those that are retired last. The caller
// owns the slice, but not what is in it.
func BuiltIns() []*BuiltIn { return slices.Clone(networks) }

// BuiltInNamed returns the network that is built in under a name, in any case. The error wraps [ErrConfig].
func BuiltInNamed(name string) (*BuiltIn, error) {
	for _, b := range networks {
		if strings.EqualFold(b.Name, name) {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%w: network %q: want one of %s", ErrConfig, name, strings.Join(NetworkNames(), ", "))
}

// BuiltInOf returns the built-in network that n is, whatever the schedule and the name that n has: the one with
// the same genesis. It reports false if n is none of them.
func BuiltInOf(n *Network) (*BuiltIn, bool) {
	for _, b := range networks {
		known := b.Network()
		if known.genesisValidatorsRoot == n.genesisValidatorsRoot && known.genesisTime.Equal(n.genesisTime) {
			return b, true
		}
	}
	return nil, false
}

// NetworkNames returns the names of [BuiltIns]. The caller owns the slice.
func NetworkNames() (names []string) {
	for _, b := range networks {
		names = append(names, b.Name)
	}
	return names
}
