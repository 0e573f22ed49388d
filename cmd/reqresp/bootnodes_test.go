package main

import (
	"path/filepath"
	"slices"
	"strconv"
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
	mainnet, holesky, dev := named(t, "mainnet"), named(t, "holesky"), &store.Network{
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
		{name: "sepolia", told: named(t, "sepolia"), want: bootNodesOf(t, "sepolia")},
		{name: "a network that is built in without any", told: holesky},
		{name: "a network of one's own that is called mainnet", told: dev},
		{name: "the same, remembered", remembered: dev},
		{name: "a network of one's own with given ones", given: given, told: dev, want: given},
		{name: "a new store"},
		{name: "discovery is off", off: true, told: mainnet},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := configured(t, "--discovery.v5="+strconv.FormatBool(!test.off), "--bootnodes="+strings.Join(test.given, ","))
			c.DataDir = t.TempDir()
			if test.remembered != nil {
				remember(t, c.DataDir, *test.remembered)
			}
			if err := c.Resolve(); err != nil {
				t.Fatal(err)
			}
			o, err := discoveryOf(c, test.told)
			if err != nil || (o == nil) != test.off {
				t.Fatalf("options %+v, error %v", o, err)
			}
			if o != nil && !slices.Equal(o.BootNodes, test.want) {
				t.Errorf("boot nodes %q, want %q", o.BootNodes, test.want)
			}
			if d := c.Service.Discovery; d != nil && !slices.Equal(d.BootNodes, test.given) {
				t.Errorf("the settings have become %q", d.BootNodes)
			}
		})
	}
}

func bootNodesOf(t *testing.T, name string) []string {
	t.Helper()
	b, err := ssz.BuiltInNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return discovery.BootNodes(b.Network())
}

// Boot nodes in a file, as clients publish them, are beside those that are given one by one.
func TestBootNodesOfAFile(t *testing.T) {
	t.Parallel()
	builtIn := discovery.BootNodes(ssz.Mainnet())
	path := filepath.Join(t.TempDir(), "boot_enr.yaml")
	writeFile(t, path, []byte("# EF\n- "+builtIn[0]+"\n- "+builtIn[1]+" # 3.17.30.69\n"))
	c := configured(t, "--discovery.v5=true", "--bootnodes="+builtIn[4], "--bootnodes.file="+path)
	if err := c.Resolve(); err != nil {
		t.Fatal(err)
	}
	o, err := discoveryOf(c, named(t, "mainnet"))
	if want := []string{builtIn[4], builtIn[0], builtIn[1]}; err != nil || !slices.Equal(o.BootNodes, want) {
		t.Errorf("boot nodes %+v, error %v, want %q", o, err, want)
	}
	writeFile(t, path, []byte("- enode://1\n"))
	if err := c.Resolve(); err == nil || !strings.Contains(err.Error(), "p2p.bootstrap_nodes_file: "+path) || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a file without records: %v", err)
	}
	c = configured(t, "--discovery.v5=true", "--bootnodes.file="+path+"x")
	if err := c.Resolve(); err == nil || !strings.Contains(err.Error(), "p2p.bootstrap_nodes_file: open") {
		t.Errorf("no file: %v", err)
	}
}

// configured returns the defaults with some flags, as --name=value.
func configured(t *testing.T, flags ...string) *config.Config {
	t.Helper()
	c := config.New(loud)
	for _, flag := range flags {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if err := c.Settings.Flag(name).Set(flag, value); err != nil {
			t.Fatal(err)
		}
	}
	return c
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
	c := configured(t, "--discovery.v5=true")
	c.DataDir = t.TempDir()
	if err := c.Resolve(); err != nil {
		t.Fatal(err)
	}
	stack, err := newNode(nodeConfig(c.DataDir))
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close()
	if _, err := discoveryOf(c, nil); err == nil || !strings.Contains(err.Error(), "is in use by another process") {
		t.Errorf("error %v", err)
	}
}

// The environment is the process's, so that this does not run in parallel.
func TestBuiltInBootNodesAreNotPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reqresp.toml")
	text := succeed(t, "config", "--network", "mainnet", "--discovery.v5")
	if !strings.Contains(text, "# bootstrap_nodes_v5 = []\n") {
		t.Errorf("no empty bootstrap_nodes_v5 in\n%s", text)
	}
	writeFile(t, path, []byte(text))
	succeed(t, "config", "--config", path, "--discovery.v5=false")
}
