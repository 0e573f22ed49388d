package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestBuiltInBootNodesAreForWhoGivesNone(t *testing.T) {
	t.Parallel()
	builtIn := discovery.BootNodes(ssz.Mainnet())
	given := builtIn[3:4]
	mainnet, sepolia, dev := named(t, "mainnet"), named(t, "sepolia"), &store.Network{
		Config: devchain.Config(), GenesisTime: devchain.GenesisTime, GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
	}
	for _, test := range []struct {
		name             string
		off              bool
		given            []string
		told, remembered *store.Network
		want             []string
	}{
		{name: "mainnet, as is told", told: mainnet, want: builtIn},
		{name: "mainnet, as is remembered", remembered: mainnet, want: builtIn},
		{name: "mainnet, as is told of another store", told: mainnet, remembered: dev, want: builtIn},
		{name: "given ones replace them", given: given, told: mainnet, want: given},
		{name: "given ones replace those of what is remembered", given: given, remembered: mainnet, want: given},
		{name: "a network that is built in without any", told: sepolia},
		{name: "a network of one's own that is called mainnet", told: dev},
		{name: "the same, remembered", remembered: dev},
		{name: "a network of one's own with given ones", given: given, told: dev, want: given},
		{name: "a new store"},
		{name: "discovery is off", off: true, told: mainnet},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := config.Default()
			c.Node.DataDir, c.P2P.DiscoveryV5, c.P2P.BootstrapNodesV5 = t.TempDir(), !test.off, test.given
			if test.remembered != nil {
				remember(t, c.Node.DataDir, *test.remembered)
			}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			o, err := discoveryOf(&c, test.told)
			if err != nil || (o == nil) != test.off {
				t.Fatalf("options %+v, error %v", o, err)
			}
			if o != nil && !slices.Equal(o.BootNodes, test.want) {
				t.Errorf("boot nodes %q, want %q", o.BootNodes, test.want)
			}
			if !slices.Equal(c.P2P.BootstrapNodesV5, test.given) {
				t.Errorf("the settings have become %q", c.P2P.BootstrapNodesV5)
			}
		})
	}
}

func named(t *testing.T, name string) *store.Network {
	t.Helper()
	n, err := namedNetwork(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// remember has a new store remember a network.
func remember(t *testing.T, datadir string, n store.Network) {
	t.Helper()
	stack, err := newNode(nodeConfig(datadir))
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	s, db, err := plugin.OpenStore(stack, plugin.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := s.SetNetwork(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestADatadirInUseIsNotLookedInto(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Node.DataDir, c.P2P.DiscoveryV5 = t.TempDir(), true
	stack, err := newNode(nodeConfig(c.Node.DataDir))
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	if _, err := discoveryOf(&c, nil); err == nil || !strings.Contains(err.Error(), "is in use by another process") {
		t.Errorf("error %v", err)
	}
}

// The environment is the process's, so that this does not run in parallel.
func TestBuiltInBootNodesAreNotPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reqresp.toml")
	text := succeed(t, "config", "--network", "mainnet", "--discovery.v5")
	if !strings.Contains(text, "BootstrapNodesV5 = []\n") {
		t.Errorf("no empty BootstrapNodesV5 in\n%s", text)
	}
	writeFile(t, path, []byte(text))
	succeed(t, "config", "--config", path, "--discovery.v5=false")
}
