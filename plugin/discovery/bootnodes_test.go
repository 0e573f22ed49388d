package discovery_test

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/record"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// atGenesis returns the digest of the first fork of a network, which may have had no slot, with some validators at
// genesis. Boot nodes that were published before a network's genesis have it, most without knowing the validators.
func atGenesis(n *ssz.Network, validators ssz.Root) ssz.ForkDigest {
	forkData := make([]byte, 64)
	version := n.Config().Forks[ssz.Phase0].Version
	copy(forkData, version[:])
	copy(forkData[32:], validators[:])
	root := sha256.Sum256(forkData)
	return ssz.ForkDigest(root[:4])
}

// The number is that which the documentation has, for who takes a later go-ethereum.
func TestWhichNetworksHaveBootNodes(t *testing.T) {
	for name, want := range map[string]int{
		"mainnet": 20, "sepolia": 9, "hoodi": 9, "gnosis": 8, "chiado": 10, "holesky": 0,
	} {
		if got := len(discovery.BootNodes(builtIn(t, name))); got != want {
			t.Errorf("%s has %d boot nodes, want %d", name, got, want)
		}
	}
	// The names of these are no reason to reach out to mainnet.
	if dev := devchain.Network(); dev.Config().Name != "mainnet" || discovery.BootNodes(dev) != nil {
		t.Errorf("boot nodes %q of the development chain, whose configuration is called %q", discovery.BootNodes(dev),
			dev.Config().Name)
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
			if !strings.HasPrefix(text, "enr:") || !node.IPAddr().IsGlobalUnicast() || node.IPAddr().IsPrivate() ||
				node.UDP() == 0 {
				t.Errorf("%s: %s: at %v, UDP port %d", name, text, node.IPAddr(), node.UDP())
			}
			if seen[node.ID()] {
				t.Errorf("%s: %s: there twice", name, text)
			}
			seen[node.ID()] = true
			early := []ssz.ForkDigest{atGenesis(n, ssz.Root{}), atGenesis(n, n.GenesisValidatorsRoot())}
			if digest, ok := digestOf(t, node); ok && !slices.Contains(early, digest) {
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
	opts := discovery.Options{Config: discovery.Config{BootNodes: want}}
	if err := opts.Validate(); err != nil {
		t.Error(err)
	}
}

func TestBootNodeFiles(t *testing.T) {
	t.Parallel()
	nodes := discovery.BootNodes(ssz.Mainnet())
	a, b := nodes[0], nodes[1]
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"a YAML list":           {"---\n- " + a + "\n- " + b + "\n", []string{a, b}},
		"in quotes":             {"- \"" + a + "\"\n- '" + b + "'", []string{a, b}},
		"indented":              {"  - " + a + "\n  - " + b, []string{a, b}},
		"one a line":            {a + "\n\n" + b + "\n", []string{a, b}},
		"Windows":               {"\ufeff" + a + "\r\n" + b + "\r\n", []string{a, b}},
		"comments":              {"# EF\n- " + a + " # 3.17.30.69 | aws\n#\n\t# - " + b, []string{a}},
		"separated by commas":   {a + ",\n" + b, []string{a, b}},
		"twice":                 {a + "\n- " + a, []string{a}},
		"as in bootstrap files": {"# mainnet\n# ------\n\n# Teku\n- " + a + "\t# 1\n", []string{a}},
	} {
		if got, err := discovery.ParseBootNodes([]byte(test.file)); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, test.want)
		}
	}
}

func TestBootNodeFilesAreRefused(t *testing.T) {
	t.Parallel()
	good := discovery.BootNodes(ssz.Mainnet())[0]
	for name, test := range map[string]struct{ file, says string }{
		"empty":          {"", "the file has none"},
		"comments alone": {"# nothing\n\n", "the file has none"},
		"enode":          {good + "\nenode://00@1.2.3.4:5", `line 2: "enode://00@1.2.3.4:5": want a node record`},
		"multiaddr":      {"- /ip4/1.2.3.4/tcp/9000", "line 1"},
		"configuration":  {"PRESET_BASE: mainnet", "line 1"},
		"cut":            {"\n" + good[:50], "line 2"},
		"changed":        {strings.Replace(good, good[20:21], "_", 1), "no usable node record"},
	} {
		got, err := discovery.ParseBootNodes([]byte(test.file))
		if err == nil || got != nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, test.says)
		}
	}
}

func FuzzParseBootNodes(f *testing.F) {
	for _, text := range discovery.BootNodes(ssz.Mainnet())[:3] {
		f.Add([]byte("- \"" + text + "\" # comment"))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		nodes, err := discovery.ParseBootNodes(file)
		if (err == nil) != (len(nodes) > 0) {
			t.Fatalf("%q, error %v", nodes, err)
		}
		if len(nodes) > 0 && len(nodes) <= 256 {
			if err := (&discovery.Options{Config: discovery.Config{BootNodes: nodes}}).Validate(); err != nil {
				t.Errorf("what was read cannot be used: %v", err)
			}
		}
	})
}

func builtIn(t *testing.T, name string) *ssz.Network {
	t.Helper()
	b, err := ssz.BuiltInNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return b.Network()
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
	id, err := record.DecodeForkID(eth2)
	if err != nil {
		t.Fatal(err)
	}
	return id.Digest, true
}
