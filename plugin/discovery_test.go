package plugin_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	gcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/node"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// discoverable is a service that is found on loopback, by those who know of the boot nodes.
func discoverable(boot ...string) plugin.Config {
	cfg := devConfig()
	cfg.Discovery = &discovery.Config{Listen: "127.0.0.1:0", BootNodes: boot}
	return cfg
}

func TestFiveNodesFindEachOtherThroughOneBootNode(t *testing.T) {
	boot := startStandalone(t, "", discoverable())
	nodes := []*plugin.Service{boot}
	for range 4 {
		nodes = append(nodes, startStandalone(t, "", discoverable(boot.Record())))
	}
	// One of another network is found by nobody, though all know of it.
	cfg := discoverable(boot.Record())
	cfg.Genesis = devGenesis()
	cfg.Genesis.GenesisValidatorsRoot = ssz.Root{1}
	stranger := startStandalone(t, "", cfg)
	for i, a := range nodes {
		for j, b := range nodes {
			if i != j {
				simtest.WaitFor(t, fmt.Sprintf("node %d to know node %d", i, j), func() bool { return knows(a, b) })
			}
		}
	}
	if got := stranger.Peers().Peers(); len(got) != 0 {
		t.Errorf("the node of another network has peers: %+v", got)
	}
}

// Discovery begins anew with the service, on the same identity.
func TestDiscoveryStartsAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	boot := startStandalone(t, "", discoverable())
	s := standalone(t, dir, discoverable(boot.Record()))
	if s.Record() != "" {
		t.Error("a service that does not run has a record")
	}
	for range 2 {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(s.Record(), "enr:") {
			t.Errorf("record %q", s.Record())
		}
		simtest.WaitFor(t, "the boot node", func() bool { return knows(s, boot) })
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStartIsUndoneIfDiscoveryFails(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg := discoverable()
	cfg.Discovery.Listen = taken.LocalAddr().String()
	s := standalone(t, dir, cfg)
	if err := s.Start(); err == nil || !strings.Contains(err.Error(), cfg.Discovery.Listen) {
		t.Errorf("error %v, want one that names %s", err, cfg.Discovery.Listen)
	}
	if s.Host() != nil || s.Peers() != nil {
		t.Error("a service that failed to start has parts")
	}
	taken.Close()
	if err := s.Start(); err != nil {
		t.Errorf("once the port is free: %v", err)
	}
}

// hostWith makes a host with a key.
func hostWith(t *testing.T, key crypto.PrivKey) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings(loopback...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func TestDiscoveryOfACallersHost(t *testing.T) {
	raw, err := gcrypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.UnmarshalSecp256k1PrivateKey(gcrypto.FromECDSA(raw))
	if err != nil {
		t.Fatal(err)
	}
	boot := startStandalone(t, "", discoverable())
	cfg := discoverable(boot.Record())
	cfg.Listen, cfg.Host = nil, hostWith(t, key)
	s := startStandalone(t, "", cfg)
	simtest.WaitFor(t, "the boot node", func() bool { return knows(s, boot) })

	// Two discoveries on one key would publish competing records.
	discovering := nodeConfig("")
	discovering.P2P.PrivateKey = raw
	discovering.P2P.NoDiscovery, discovering.P2P.DiscoveryV5 = false, true
	if _, err := plugin.New(newNode(t, discovering), nil, cfg); err == nil ||
		!strings.Contains(err.Error(), "NoDiscovery") {
		t.Errorf("a host with the key of a node that discovers: %v", err)
	}
}

func TestNewRefusesConflictsWithDiscovery(t *testing.T) {
	edwards, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := hostWith(t, edwards)
	for _, test := range []struct {
		name  string
		stack *node.Config
		edit  func(*plugin.Config)
		want  string
	}{
		{"the port of QUIC", nodeConfig(""), func(c *plugin.Config) {
			c.Listen, c.Discovery.Listen = []string{"/ip4/127.0.0.1/udp/9000/quic-v1"}, "127.0.0.1:9000"
		}, "/udp/9000/"},
		{"a key that is not secp256k1", nodeConfig(""), func(c *plugin.Config) { c.Listen, c.Host = nil, h }, "secp256k1"},
		{
			"a boot node that is none", nodeConfig(""), func(c *plugin.Config) { c.Discovery.BootNodes = []string{"enr:x"} },
			`"enr:x"`,
		},
		{
			"the default ports", nodeConfig(""), func(c *plugin.Config) { c.Listen, c.Discovery = nil, new(discovery.Config) },
			"",
		},
	} {
		cfg := discoverable()
		test.edit(&cfg)
		_, err := plugin.New(newNode(t, test.stack), nil, cfg)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one that names %q", test.name, err, test.want)
		}
	}
}
