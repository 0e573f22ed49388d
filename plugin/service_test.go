package plugin_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	gcrypto "github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// loopback listens on both transports, on ports that are free.
var loopback = []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"}

func devGenesis() *store.Network {
	return &store.Network{
		Config:                devchain.Config(),
		GenesisTime:           devchain.GenesisTime,
		GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
	}
}

// devConfig is a service on the embedded store, shortly after the development
// chain's head.
func devConfig() plugin.Config {
	return plugin.Config{
		Genesis: devGenesis(),
		Listen:  loopback,
		Now:     func() time.Time { return devchain.Network().TimeAt(devchain.HeadSlot + 1) },
	}
}

// nodeConfig has everything of go-ethereum's own network off.
func nodeConfig(dir string) *node.Config {
	return &node.Config{Name: "test", DataDir: dir, P2P: p2p.Config{NoDiscovery: true, NoDial: true}}
}

func newNode(t *testing.T, cfg *node.Config) *node.Node {
	t.Helper()
	stack, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stack.Close() })
	return stack
}

// start runs a service on a node of its own, which ends with the test.
func start(t *testing.T, dir string, cfg plugin.Config) (*node.Node, *plugin.Service) {
	t.Helper()
	stack := newNode(t, nodeConfig(dir))
	service, err := plugin.New(stack, nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	return stack, service
}

func fill(t *testing.T, s *store.Store) {
	t.Helper()
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), blocks...); err != nil {
		t.Fatal(err)
	}
	err = s.SetSource(t.Context(), ssz.StatusV2{
		FinalizedEpoch: devchain.FinalizedEpoch, FinalizedRoot: devchain.FinalizedRoot(),
		HeadSlot: devchain.HeadSlot, HeadRoot: devchain.HeadRoot(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addrOf returns where to dial a service on one of its transports.
func addrOf(t *testing.T, h host.Host, transport string) peer.AddrInfo {
	t.Helper()
	for _, addr := range h.Addrs() {
		if strings.Contains(addr.String(), "/"+transport) {
			info := peer.AddrInfo{ID: h.ID()}
			info.Addrs = append(info.Addrs, addr)
			return info
		}
	}
	t.Fatalf("no %s among %v", transport, h.Addrs())
	return peer.AddrInfo{}
}

func TestSyncBetweenServices(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			_, server := start(t, t.TempDir(), devConfig())
			fill(t, server.Store())
			_, client := start(t, t.TempDir(), devConfig())
			to := addrOf(t, server.Host(), transport)
			if err := client.Host().Connect(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			status, err := client.Server().Handshake(t.Context(), to.ID)
			if err != nil {
				t.Fatal(err)
			}
			if status.HeadRoot != devchain.HeadRoot() || status.FinalizedRoot != devchain.FinalizedRoot() {
				t.Fatalf("status %+v", status)
			}
			source := rangesync.Source{Client: client.Server().Client(), Peer: to.ID, Status: status}
			result, err := rangesync.Run(t.Context(), source, client.Store(),
				&rangesync.Options{TrustedRoot: devchain.FinalizedRoot()})
			if err != nil {
				t.Fatal(err)
			}
			if result.Blocks != 142 || result.Head != devchain.HeadRoot() || result.TrustedSlot != devchain.FinalizedSlot {
				t.Fatalf("result %+v", result)
			}
		})
	}
}

func TestRestartKeepsIdentityAndBlocks(t *testing.T) {
	dir := t.TempDir()
	stack, service := start(t, dir, devConfig())
	fill(t, service.Store())
	id := service.Host().ID()
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	if service.Host() != nil || service.Store() != nil || service.Server() != nil {
		t.Fatal("a stopped service still has parts")
	}
	cfg := devConfig()
	cfg.Genesis = nil // remembered
	_, service = start(t, dir, cfg)
	if got := service.Host().ID(); got != id {
		t.Errorf("peer id %v after restart, was %v", got, id)
	}
	if slot, root, ok := service.Store().Head(); !ok || slot != devchain.HeadSlot || root != devchain.HeadRoot() {
		t.Errorf("head %d %v %v after restart", slot, root, ok)
	}
}

func TestStopSaysGoodbyeAndLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	serverStack, server := start(t, t.TempDir(), discoverable())
	clientStack, client := start(t, t.TempDir(), discoverable(server.Record()))
	to := addrOf(t, server.Host(), "tcp")
	if err := client.Host().Connect(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Server().Handshake(t.Context(), to.ID); err != nil {
		t.Fatal(err)
	}
	if err := clientStack.Close(); err != nil {
		t.Fatal(err)
	}
	simtest.WaitFor(t, "the goodbye to be counted",
		func() bool { return totals(t, server, "goodbye", "inbound").Outcomes["success"] == 1 })
	simtest.WaitFor(t, "the server to forget the client", func() bool { return len(server.Server().PeerStatuses()) == 0 })
	if err := serverStack.Close(); err != nil {
		t.Fatal(err)
	}
	simtest.WaitFor(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func TestFailedStartIsUndone(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := devConfig()
	cfg.Listen = []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", taken.Addr().(*net.TCPAddr).Port)}
	stack := newNode(t, nodeConfig(dir))
	service, err := plugin.New(stack, nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err == nil {
		t.Fatal("started on a port that is taken")
	} else if !strings.Contains(err.Error(), cfg.Listen[0]) {
		t.Errorf("error does not name the address: %v", err)
	}
	if service.Host() != nil || service.Store() != nil {
		t.Error("a service that failed to start has parts")
	}
	if err := stack.Close(); err != nil && !errors.Is(err, node.ErrNodeStopped) {
		t.Fatal(err)
	}
	// The database is closed: it can be opened again.
	start(t, dir, devConfig())
}

func TestNewRefusesConflicts(t *testing.T) {
	h, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	chain := emptyChain{}
	listening := nodeConfig("")
	listening.P2P.ListenAddr = "127.0.0.1:0"
	discovering := nodeConfig("")
	discovering.P2P.NoDiscovery, discovering.P2P.DiscoveryV5 = false, true
	for _, test := range []struct {
		name  string
		stack *node.Config
		own   bool
		edit  func(*plugin.Config)
		want  string
	}{
		{"chain without network", nodeConfig(""), true, func(c *plugin.Config) { c.Genesis = nil }, "Config.Network"},
		{"chain with genesis", nodeConfig(""), true, func(c *plugin.Config) { c.Network = ssz.Mainnet() }, "Config.Genesis"},
		{"store with network", nodeConfig(""), false, func(c *plugin.Config) { c.Network = ssz.Mainnet() }, "Config.Network"},
		{"host and listen", nodeConfig(""), false, func(c *plugin.Config) { c.Host = h }, "Config.Listen"},
		{
			"host and node key", nodeConfig(""), false,
			func(c *plugin.Config) { c.Host, c.Listen, c.ShareNodeKey = h, nil, true }, "Config.ShareNodeKey",
		},
		{
			"no multiaddr", nodeConfig(""), false, func(c *plugin.Config) { c.Listen = []string{"0.0.0.0:9000"} },
			`"0.0.0.0:9000"`,
		},
		{
			"no transport", nodeConfig(""), false, func(c *plugin.Config) { c.Listen = []string{"/ip4/0.0.0.0/udp/9000"} },
			`"/ip4/0.0.0.0/udp/9000" is of no transport`,
		},
		{
			"too little memory", nodeConfig(""), false, func(c *plugin.Config) { c.Memory = 1 },
			"Config.Memory is 1 bytes, want 67108864",
		},
		{"negative drain", nodeConfig(""), false, func(c *plugin.Config) { c.Drain = -time.Second }, "-1s"},
		{"node key of a listening node", listening, false, func(c *plugin.Config) { c.ShareNodeKey = true }, `"127.0.0.1:0"`},
		{
			"node key of a discovering node", discovering, false, func(c *plugin.Config) { c.ShareNodeKey = true },
			"NoDiscovery",
		},
		{"no such preset", nodeConfig(""), false, func(c *plugin.Config) { c.Preset = "huge" }, `no preset "huge"`},
		{
			"scores and a book", nodeConfig(""), false,
			func(c *plugin.Config) { c.Scores.BanFor, c.Book = time.Hour, new(score.Book) }, "Config.Scores",
		},
		{"a namespace of the node", nodeConfig(""), false, func(c *plugin.Config) { c.Name = "admin" }, `"admin"`},
		{
			"more outbound peers than peers", nodeConfig(""), false,
			func(c *plugin.Config) { c.Peers.Target, c.Peers.MinOutbound = 4, 5 }, "MinOutbound is 5",
		},
		{
			"a static peer without address", nodeConfig(""), false,
			func(c *plugin.Config) { c.Peers.Static = []peer.AddrInfo{{ID: h.ID()}} }, "Config.Peers",
		},
		{"bad scores", nodeConfig(""), false, func(c *plugin.Config) { c.Scores.Window = 1 }, "Config.Scores"},
		{
			"more custody than there is", nodeConfig(""), false, func(c *plugin.Config) { c.Custody = 129 },
			"Config.Custody is 129, want at most 128",
		},
		{
			"custody and metadata", nodeConfig(""), false,
			func(c *plugin.Config) { c.Custody, c.MetaData = 4, func() (md ssz.MetaDataV3) { return md } }, "Config.MetaData",
		},
		{"bad limits", nodeConfig(""), false, func(c *plugin.Config) { c.Limits.MaxQueue = -3 }, "-3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := devConfig()
			test.edit(&cfg)
			stack := newNode(t, test.stack)
			if test.own {
				_, err = plugin.New(stack, chain, cfg)
			} else {
				_, err = plugin.New(stack, nil, cfg)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one that names %s", err, test.want)
			}
		})
	}
}

func TestNodeKeyCanBeShared(t *testing.T) {
	cfg := devConfig()
	cfg.ShareNodeKey = true
	stack, service := start(t, t.TempDir(), cfg)
	key, err := peer.IDFromPublicKey(service.Host().Peerstore().PubKey(service.Host().ID()))
	if err != nil {
		t.Fatal(err)
	}
	want := stack.Server().Self().Pubkey()
	raw, err := service.Host().Peerstore().PubKey(key).Raw()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, gcrypto.CompressPubkey(want)) {
		t.Error("peer id is not of the node's key")
	}
}

// Two services on the node's key would be one peer, and publish competing records.
func TestTheNodeKeyIsSharedOnce(t *testing.T) {
	stack := newNode(t, nodeConfig(""))
	cfg := devConfig()
	cfg.ShareNodeKey = true
	if _, err := plugin.New(stack, nil, cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Name = "other"
	if _, err := plugin.New(stack, nil, cfg); err == nil || !strings.Contains(err.Error(), "Config.ShareNodeKey") {
		t.Errorf("a second service on the node's key: %v", err)
	}
	// What was refused has taken nothing.
	cfg.ShareNodeKey = false
	if _, err := plugin.New(stack, nil, cfg); err != nil {
		t.Errorf("a second service on a key of its own: %v", err)
	}
}

// Where there was a key there is no new one without a word: peers know the node by it.
func TestUnusableIdentityIsNotReplaced(t *testing.T) {
	key := strings.Repeat("1f", 32)
	for name, content := range map[string]string{
		"empty": "", "no key": "no key", "half": key[:32],
		"zero": strings.Repeat("00", 32),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "reqresp-nodekey")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			err := standalone(t, dir, devConfig()).Start()
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "restore it, or remove it") {
				t.Errorf("error %v, want one that names %s and says what to do", err, path)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != content {
				t.Errorf("the file has %q, error %v", got, err)
			}
		})
	}
}

func TestBorrowedHostStaysOpen(t *testing.T) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	cfg := devConfig()
	cfg.Listen, cfg.Host = nil, h
	stack, service := start(t, t.TempDir(), cfg)
	if service.Host() != h {
		t.Fatal("another host is used")
	}
	served := func() bool { return slices.Contains(h.Mux().Protocols(), "/eth2/beacon_chain/req/ping/1/ssz_snappy") }
	if !served() {
		t.Error("nothing is served on the host")
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	if served() {
		t.Error("handlers stay behind")
	}
	if len(h.Network().ListenAddresses()) == 0 {
		t.Error("host was closed")
	}
}

func TestNewStoreNeedsItsNetwork(t *testing.T) {
	cfg := devConfig()
	cfg.Genesis = nil
	stack := newNode(t, nodeConfig(t.TempDir()))
	if _, err := plugin.New(stack, nil, cfg); err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err == nil || !strings.Contains(err.Error(), "Config.Genesis") {
		t.Errorf("error %v, want one that says what to set", err)
	}
}

func TestStoresAreOpenedByTheNameOfTheService(t *testing.T) {
	dir := t.TempDir()
	stack := newNode(t, nodeConfig(dir))
	s, db, err := plugin.OpenStore(stack, "other")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetNetwork(t.Context(), *devGenesis()); err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := plugin.OpenStore(stack, "../other"); err == nil || !strings.Contains(err.Error(), `"../other"`) {
		t.Errorf("error %v, want one that names the name", err)
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := devConfig()
	for name, want := range map[string]bool{"": false, "other": true} {
		cfg.Name = name
		stack, service := start(t, dir, cfg)
		if _, root, ok := service.Store().Head(); ok != want || ok && root != devchain.HeadRoot() {
			t.Errorf("%q: head %v, %v", name, root, ok)
		}
		if err := stack.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
