package discovery

import (
	_ "embed" // for the boot nodes
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/params"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The boot nodes that networks publish with their configuration.
var (
	//go:embed bootnodes/sepolia.yaml
	sepoliaBootNodes string
	//go:embed bootnodes/hoodi.yaml
	hoodiBootNodes string
	//go:embed bootnodes/gnosis.yaml
	gnosisBootNodes string
	//go:embed bootnodes/chiado.yaml
	chiadoBootNodes string
)

// BootNodes returns the boot nodes that are built in for a network, as Options.BootNodes takes them: text that
// begins "enr:". It is nil if there are none. The caller owns the slice. Nothing takes them by itself.
//
// Those of mainnet are go-ethereum's params.V5Bootnodes, of the version that the program is built with. In
// v1.17.10, of October 2026, these are 20, of the Ethereum Foundation and of client teams. Those of sepolia, hoodi,
// gnosis and chiado are the ones that the networks publish with their configurations. Holesky is retired and has
// none; [ParseBootNodes] reads those of other networks.
//
// The genesis tells which network it is, see ssz.BuiltInOf. A name does not: development networks are often called
// mainnet too.
func BootNodes(n *ssz.Network) []string {
	b, ok := ssz.BuiltInOf(n)
	if !ok {
		return nil
	}
	if b.Network() == ssz.Mainnet() {
		return slices.Clone(params.V5Bootnodes)
	}
	file, ok := map[string]string{
		"sepolia": sepoliaBootNodes, "hoodi": hoodiBootNodes, "gnosis": gnosisBootNodes, "chiado": chiadoBootNodes,
	}[b.Name]
	if !ok {
		return nil
	}
	nodes, err := ParseBootNodes([]byte(file))
	if err != nil {
		panic(err) // A file above is wrong.
	}
	return nodes
}

// ParseBootNodes reads a file of boot nodes as networks and clients publish them, such as boot_enr.yaml,
// bootstrap_nodes.yaml and bootstrap_nodes.txt: node records (enr:...), one a line, in quotes or not. Each may be an
// item of a YAML list, which begins with a dash. A number sign begins a comment, at the begin of a line or after a
// space. A record that is there twice is returned once.
//
// The error names the line. A record must be signed, and have an address that can be reached. There must be at
// least one record.
func ParseBootNodes(file []byte) (records []string, err error) {
	n := 0
	for line := range strings.Lines(string(file)) {
		n++
		record := recordOf(line)
		if record == "" || slices.Contains(records, record) {
			continue
		}
		if !strings.HasPrefix(record, "enr:") {
			return nil, fmt.Errorf("discovery: boot nodes: line %d: %.60q: want a node record, which begins with enr:",
				n, record)
		}
		node, err := enode.Parse(enode.ValidSchemes, record)
		if err == nil {
			err = node.ValidateComplete()
		}
		if err != nil {
			return nil, fmt.Errorf("discovery: boot nodes: line %d: %.60q is no usable node record: %w", n, record, err)
		}
		records = append(records, record)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("discovery: boot nodes: the file has none: want node records (enr:...), one a line")
	}
	return records, nil
}

// recordOf returns what a line has besides a dash, quotes and a comment.
func recordOf(line string) string {
	line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	if strings.HasPrefix(line, "#") || line == "---" {
		return ""
	}
	for _, space := range []string{" #", "\t#"} {
		line, _, _ = strings.Cut(line, space)
	}
	if item, ok := strings.CutPrefix(line, "-"); ok {
		line = item
	}
	return strings.Trim(line, " \t\"',")
}
