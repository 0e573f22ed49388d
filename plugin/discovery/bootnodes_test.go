package discovery_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// withoutGenesis is the digest of a chain of version 0 whose validators at genesis are not known yet. Those of
// mainnet's boot nodes that were published before its genesis have it.
var withoutGenesis = ssz.ForkDigest{0xf5, 0xa5, 0xfd, 0x42}

// The number is that which the documentation has, for who takes a later go-ethereum.
func TestWhichNetworksHaveBootNodes(t *testing.T) {
	for name, want := range map[string]int{"mainnet": 20, "sepolia": 0, "holesky": 0, "hoodi": 0} {
		if got := len(discovery.BootNodes(builtIn(t, name))); got != want {
			t.Errorf("%s has %d boot nodes, want %d", name, got, want)
		}
	}
	// The names of these are no reason to reach out to mainnet.
	if dev := devchain.Network(); dev.Config().Name != "mainnet" || discovery.BootNodes(dev) != nil {
		t.Errorf("boot nodes %q of the development chain, whose configuration is called %q", discovery.BootNodes(dev), dev.Config().Name)
	}
	fork := network(t, ssz.Mainnet().Config(), ssz.Root{1})
	if got := discovery.BootNodes(fork); got != nil {
		t.Errorf("boot nodes %q of a network with mainnet's configuration", got)
	}
	// A later configuration of mainnet may have any name.
	later := ssz.Mainnet().Config()
	later.Name = ""
	if got := discovery.BootNodes(network(t, later, ssz.Mainnet().GenesisValidatorsRoot())); len(got) == 0 {
		t.Error("no boot nodes for mainnet by a configuration of one's own")
	}
}

func TestBootNodesAreReachableNodesOfTheirNetwork(t *testing.T) {
	for _, name := range ssz.NetworkNames() {
		n := builtIn(t, name)
		seen := make(map[enode.ID]bool)
		for _, text := range discovery.BootNodes(n) {
			node := parse(t, text) // which verifies the signature
			if !strings.HasPrefix(text, "enr:") || !node.IPAddr().IsGlobalUnicast() || node.IPAddr().IsPrivate() || node.UDP() == 0 {
				t.Errorf("%s: %s: at %v, UDP port %d", name, text, node.IPAddr(), node.UDP())
			}
			if seen[node.ID()] {
				t.Errorf("%s: %s: there twice", name, text)
			}
			seen[node.ID()] = true
			if digest, ok := digestOf(t, node); ok && digest != withoutGenesis {
				if _, ok := n.PeriodOf(digest); !ok {
					t.Errorf("%s: %s: fork digest %v is of no fork", name, text, digest)
				}
			}
		}
	}
}

func TestBootNodesAreTheCallers(t *testing.T) {
	first := discovery.BootNodes(ssz.Mainnet())
	want := slices.Clone(first)
	clear(first)
	if got := discovery.BootNodes(ssz.Mainnet()); !slices.Equal(got, want) {
		t.Errorf("%q after a change to what was returned before", got)
	}
	opts := discovery.Options{BootNodes: want}
	if err := opts.Validate(); err != nil {
		t.Error(err)
	}
}

func builtIn(t *testing.T, name string) *ssz.Network {
	t.Helper()
	n, _, err := ssz.NetworkNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// network returns mainnet with another configuration or other validators.
func network(t *testing.T, cfg ssz.Config, validators ssz.Root) *ssz.Network {
	t.Helper()
	n, err := ssz.NewNetwork(cfg, time.Unix(1606824023, 0), validators)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// digestOf returns the fork digest in a record, false if there is no eth2 entry.
func digestOf(t *testing.T, node *enode.Node) (ssz.ForkDigest, bool) {
	t.Helper()
	var eth2 []byte
	if err := node.Load(enr.WithEntry("eth2", &eth2)); enr.IsNotFound(err) {
		return ssz.ForkDigest{}, false
	} else if err != nil {
		t.Fatal(err)
	}
	id, err := discovery.DecodeForkID(eth2)
	if err != nil {
		t.Fatal(err)
	}
	return id.Digest, true
}
