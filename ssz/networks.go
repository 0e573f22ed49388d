package ssz

import (
	_ "embed" // for the configurations
	"fmt"
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
)

// Mainnet returns Ethereum's main network. All calls return the same value.
func Mainnet() *Network { return networks[0].network() }

// A builtIn is a network that is known by name. Its genesis time and validators root are those of
// its genesis state.
type builtIn struct {
	name, config string
	network      func() *Network
}

var networks = []builtIn{
	newBuiltIn("mainnet", mainnetConfig, 1606824023, "4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"),
	newBuiltIn("sepolia", sepoliaConfig, 1655733600, "d8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078"),
	newBuiltIn("holesky", holeskyConfig, 1695902400, "9143aa7c615a7f7115e2b6aac319c03529df8242ae705fba9df39b79c59fa8b1"),
	newBuiltIn("hoodi", hoodiConfig, 1742213400, "212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f"),
}

// newBuiltIn returns a network that is parsed when it is first asked for, as few programs need more
// than one. It panics then if a value above is wrong.
func newBuiltIn(name, config string, genesis int64, validators string) builtIn {
	return builtIn{name, config, sync.OnceValue(func() *Network {
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

// NetworkNames returns the names of the networks that are built in, mainnet first. The caller owns
// the slice.
func NetworkNames() (names []string) {
	for _, b := range networks {
		names = append(names, b.name)
	}
	return names
}

// NetworkNamed returns a network that is built in, by its name in any case: the same value with every
// call. The config is its configuration as a file in the format of the consensus specs, for what keeps
// or passes on a network as a file; [ParseConfig] reads it. The error wraps [ErrConfig].
//
// A schedule is as of November 2026. A network that has scheduled another fork since needs a
// configuration of its own, or it will not know that fork's digest.
func NetworkNamed(name string) (n *Network, config string, err error) {
	for _, b := range networks {
		if strings.EqualFold(b.name, name) {
			return b.network(), b.config, nil
		}
	}
	return nil, "", fmt.Errorf("%w: network %q: want one of %s", ErrConfig, name, strings.Join(NetworkNames(), ", "))
}
