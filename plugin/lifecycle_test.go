package plugin_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/node"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// standalone makes a service without a node, which ends with the test. It is not started.
func standalone(t *testing.T, dir string, cfg plugin.Config) *plugin.Service {
	t.Helper()
	s, err := plugin.NewStandalone(dir, nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func startStandalone(t *testing.T, dir string, cfg plugin.Config) *plugin.Service {
	t.Helper()
	s := standalone(t, dir, cfg)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestServicesOfOneNode(t *testing.T) {
	dir := t.TempDir()
	stack := newNode(t, nodeConfig(dir))
	first, err := plugin.New(stack, nil, devConfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plugin.New(stack, nil, devConfig()); err == nil || !strings.Contains(err.Error(), "Config.Name") {
		t.Errorf("a second service of the same name: %v", err)
	}
	cfg := devConfig()
	cfg.Name = "other"
	second, err := plugin.New(stack, nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	if first.Host().ID() == second.Host().ID() || first.Store() == second.Store() {
		t.Error("the services are not apart")
	}
	rpc := stack.Attach()
	defer rpc.Close()
	for namespace, want := range map[string]*plugin.Service{"reqresp": first, "other": second} {
		var info api.NodeInfo
		if err := rpc.CallContext(t.Context(), &info, namespace+"_nodeInfo"); err != nil || info.PeerID != want.Host().ID() {
			t.Errorf("%s: %+v, %v", namespace, info, err)
		}
	}
	cfg.Name = "late"
	if _, err := plugin.New(stack, nil, cfg); err == nil || !strings.Contains(err.Error(), "before the node is started") {
		t.Errorf("a service of a node that runs: %v", err)
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"beaconchain", "other-beaconchain", "reqresp-nodekey", "other-nodekey",
		"reqresp-peers.json",
	} {
		if _, err := os.Stat(filepath.Join(dir, "test", name)); err != nil {
			t.Error(err)
		}
	}
}

// failing is a lifecycle that cannot start.
type failing struct{}

func (*failing) Start() error { return errors.New("cannot start") }
func (*failing) Stop() error  { return nil }

func TestAnotherServiceThatFailsStopsThisOne(t *testing.T) {
	for _, first := range []bool{false, true} {
		dir := t.TempDir()
		stack := newNode(t, nodeConfig(dir))
		if first {
			stack.RegisterLifecycle(new(failing))
		}
		service, err := plugin.New(stack, nil, devConfig())
		if err != nil {
			t.Fatal(err)
		}
		if !first {
			stack.RegisterLifecycle(new(failing))
		}
		if err := stack.Start(); err == nil {
			t.Fatal("the node started")
		}
		if service.Host() != nil || service.Peers() != nil {
			t.Errorf("registered first %v: the service runs", !first)
		}
		start(t, dir, devConfig()) // Nothing keeps the files.
	}
}

func TestANodeThatNeverStarts(t *testing.T) {
	stack := newNode(t, nodeConfig(t.TempDir()))
	service, err := plugin.New(stack, nil, devConfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	if service.Host() != nil {
		t.Error("something was opened")
	}
	if err := service.Start(); !errors.Is(err, node.ErrNodeStopped) {
		t.Errorf("started on a closed node: %v", err)
	}
}

func TestStandaloneServiceStartsAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "down")
	cfg := devConfig()
	s := startStandalone(t, dir, cfg)
	id := s.Host().ID()
	fill(t, s.Store())
	if err := s.Start(); err == nil {
		t.Error("started twice at a time")
	}
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if s.Host() != nil || s.Peers() != nil || s.Server() != nil || s.Store() != nil {
			t.Error("a stopped service has parts")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if s.Host().ID() != id {
			t.Error("the peer identity changed")
		}
		if _, root, ok := s.Store().Head(); !ok || root != devchain.HeadRoot() {
			t.Errorf("the store's head is %v, %v", root, ok)
		}
	}
	// Another in the same directory needs a name of its own.
	other := standalone(t, dir, cfg)
	if err := other.Start(); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("two services share their files: %v", err)
	}
	cfg.Name = "other"
	if other := startStandalone(t, dir, cfg); other.Host().ID() == id {
		t.Error("two services share an identity")
	}
}

func TestStandaloneServiceInMemory(t *testing.T) {
	s := startStandalone(t, "", devConfig())
	fill(t, s.Store())
	if got := s.APIs(); len(got) != 2 || got[0].Namespace != "reqresp" || got[1].Namespace != "reqrespadmin" {
		t.Errorf("APIs %+v", got)
	}
	cfg := devConfig()
	cfg.ShareNodeKey = true
	if _, err := plugin.NewStandalone("", nil, cfg); err == nil || !strings.Contains(err.Error(), "Config.ShareNodeKey") {
		t.Errorf("shares the key of no node: %v", err)
	}
}

func TestAHostHasRoomForOneService(t *testing.T) {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	cfg := devConfig()
	cfg.Listen, cfg.Host = nil, h
	first := startStandalone(t, "", cfg)
	second := standalone(t, "", cfg)
	if err := second.Start(); err == nil || !strings.Contains(err.Error(), "Config.Host") {
		t.Errorf("a second service: %v", err)
	}
	if !slices.Contains(h.Mux().Protocols(), "/eth2/beacon_chain/req/ping/1/ssz_snappy") {
		t.Error("the first no longer serves")
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err != nil {
		t.Errorf("after the first: %v", err)
	}
}

func TestRestartRemembersPeers(t *testing.T) {
	b := startStandalone(t, "", devConfig())
	dir := t.TempDir()
	a := startStandalone(t, dir, devConfig())
	if _, err := a.Peers().Connect(t.Context(), *host.InfoFromHost(b.Host())); err != nil {
		t.Fatal(err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	simtest.WaitFor(t, "the peer to be gone", func() bool { return len(b.Peers().Peers()) == 0 })
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	simtest.WaitFor(t, "the peer to be dialed again", func() bool { return knows(a, b) })
}

// Whatever peers ask for, and whether they answer the goodbye or not, stopping is bounded.
func TestStopIsBounded(t *testing.T) {
	simulate(t, 1000, func(t *testing.T, a, b host.Host) {
		slow := func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
			return func(ctx context.Context, in *reqresp.Inbound) error {
				if in.Spec().Name() == "beacon_blocks_by_range" {
					<-ctx.Done()
				}
				return next(ctx, in)
			}
		}
		cfg := plugin.Config{Genesis: devGenesis(), Host: a, Drain: 3 * time.Second, Middleware: []reqresp.Middleware{slow}}
		s := startStandalone(t, "", cfg)
		b.SetStreamHandler("/eth2/beacon_chain/req/goodbye/1/ssz_snappy", func(stream network.Stream) {
			time.Sleep(time.Hour)
			_ = stream.Reset()
		})
		family := beacon.NewFamily(devchain.Network())
		client := beacon.NewClient(b, family, nil)
		if err := b.Connect(t.Context(), *host.InfoFromHost(a)); err != nil {
			t.Fatal(err)
		}
		ours, err := s.Server().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Status(t.Context(), a.ID(), ours); err != nil {
			t.Fatal(err)
		}
		var asked sync.WaitGroup
		asked.Go(func() {
			for _, err := range client.BlocksByRange(t.Context(), a.ID(), 1, 10) {
				if err == nil {
					t.Error("got a block")
				}
			}
		})
		time.Sleep(time.Second)
		began := time.Now()
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		// Draining takes as long as it may, and the goodbye two seconds.
		if took := time.Since(began); took < 3*time.Second || took > 5500*time.Millisecond {
			t.Errorf("stopped after %v", took)
		}
		asked.Wait()
		time.Sleep(time.Hour)
	})
}

// knows reports whether a service has b's status.
func knows(a, b *plugin.Service) bool {
	info, ok := a.Peers().Peer(b.Host().ID())
	return ok && info.Status != nil
}

// A peer that listens on both is dialed by QUIC, with a head start of 30 ms. On a machine that is busy a handshake may
// take longer than that once, but not most of the time.
func TestQUICIsFirst(t *testing.T) {
	cfg := devConfig()
	cfg.Peers.NoDial = true
	a, b := startStandalone(t, "", cfg), startStandalone(t, "", cfg)
	to := host.InfoFromHost(b.Host())
	if len(to.Addrs) != 2 {
		t.Fatalf("addresses %v", to.Addrs)
	}
	const times = 5
	quic := 0
	for range times {
		if err := a.Host().Connect(t.Context(), *to); err != nil {
			t.Fatal(err)
		}
		for _, conn := range a.Host().Network().ConnsToPeer(to.ID) {
			if strings.Contains(conn.RemoteMultiaddr().String(), "/quic-v1") {
				quic++
				break
			}
		}
		if err := a.Host().Network().ClosePeer(to.ID); err != nil {
			t.Fatal(err)
		}
		simtest.WaitFor(t, "the connection to end", func() bool { return len(b.Host().Network().Peers()) == 0 })
	}
	if quic <= times/2 {
		t.Errorf("connected by QUIC %d times of %d", quic, times)
	}
}

// A peer whose QUIC is out of reach is dialed by TCP.
func TestTCPIsSecond(t *testing.T) {
	b := startStandalone(t, "", devConfig())
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dead, err := multiaddr.NewMultiaddr("/ip4/127.0.0.1/udp/" + portOf(silent.LocalAddr()) + "/quic-v1")
	if err != nil {
		t.Fatal(err)
	}
	to := addrOf(t, b.Host(), "tcp")
	to.Addrs = append(to.Addrs, dead)
	cfg := devConfig()
	cfg.Peers = peers.Config{Static: []peer.AddrInfo{to}}
	a := startStandalone(t, "", cfg)
	simtest.WaitFor(t, "the static peer", func() bool { return knows(a, b) })
	if info, _ := a.Peers().Peer(b.Host().ID()); !strings.Contains(info.Addrs[0].String(), "/tcp/") || !info.Static {
		t.Errorf("connected by %v, static %v", info.Addrs, info.Static)
	}
}

func portOf(addr net.Addr) string {
	_, port, _ := net.SplitHostPort(addr.String())
	return port
}

func TestNewRefusesWhatIsTheServicesToSet(t *testing.T) {
	for _, test := range []struct {
		edit func(*plugin.Config)
		want string
	}{
		{func(c *plugin.Config) { c.Name = "Upper" }, `"Upper"`},
		{func(c *plugin.Config) { c.Name = "with_underscore" }, "Config.Name"},
		{func(c *plugin.Config) { c.Name = strings.Repeat("a", 33) }, "Config.Name"},
		{func(c *plugin.Config) { c.Peers.Target = -1 }, "Config.Peers"},
	} {
		cfg := devConfig()
		test.edit(&cfg)
		if _, err := plugin.NewStandalone("", nil, cfg); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one that names %s", err, test.want)
		}
	}
}
