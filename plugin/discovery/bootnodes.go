package discovery

import (
	"slices"

	"github.com/ethereum/go-ethereum/params"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// BootNodes returns the boot nodes that are built in for a network, as Options.BootNodes takes them: text that
// begins "enr:". It is nil if there are none. The caller owns the slice. Nothing takes them by itself.
//
// Mainnet alone has any: go-ethereum's params.V5Bootnodes, of the version that the program is built with. In
// v1.17.10, of October 2026, these are 20, of the Ethereum Foundation and of client teams. For other networks see
// the package's documentation; go-ethereum's lists for sepolia and hoodi are of the execution layer.
//
// The validators at genesis tell which network it is. A name does not: development networks are often called
// mainnet too.
func BootNodes(n *ssz.Network) []string {
	if n.GenesisValidatorsRoot() != ssz.Mainnet().GenesisValidatorsRoot() {
		return nil
	}
	return slices.Clone(params.V5Bootnodes)
}
