package plugin_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/node"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
)

// somebody is a peer that is never connected.
const somebody = "16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"

// shortDir is a directory whose path leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rr") //nolint:usetesting // A test's own directory has too long a name.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// exposed starts a service whose RPC is exposed over IPC, and over HTTP as far as modules say.
func exposed(t *testing.T, modules ...string) (stack *node.Node, service *plugin.Service) {
	t.Helper()
	cfg := nodeConfig(shortDir(t))
	cfg.IPCPath = "x.ipc"
	cfg.HTTPHost, cfg.HTTPModules = "127.0.0.1", modules
	stack = newNode(t, cfg)
	service, err := plugin.New(stack, nil, devConfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	return stack, service
}

func dial(t *testing.T, endpoint string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// itemsOf returns at what rate each peer may have chunks of a method.
func itemsOf(s *plugin.Service, method string) limits.Rate {
	c := s.Limiter().Config()
	return c.Method(method).Peer.Items
}

func TestReadingCalls(t *testing.T) {
	stack, server := exposed(t, api.Namespace)
	fill(t, server.Store())
	_, other := start(t, t.TempDir(), devConfig())
	from, status := join(t, other, server)
	if _, err := other.Sync(t.Context(), from, status, nil); err != nil {
		t.Fatal(err)
	}
	for transport, endpoint := range map[string]string{"IPC": stack.IPCEndpoint(), "HTTP": stack.HTTPEndpoint()} {
		t.Run(transport, func(t *testing.T) {
			c := dial(t, endpoint)
			info, err := c.NodeInfo(t.Context())
			if err != nil || info.PeerID != server.Host().ID() || info.Status.HeadRoot != devchain.HeadRoot() ||
				len(info.Addrs) != 2 {
				t.Errorf("node %+v, error %v", info, err)
			}
			peers, err := c.Peers(t.Context())
			if err != nil || len(peers) != 1 {
				t.Fatalf("peers %+v, error %v", peers, err)
			}
			p := peers[0]
			if p.PeerID != other.Host().ID() || p.Direction != "inbound" || p.Client != "reqresp" || p.Status == nil ||
				p.Score != 0 || time.Since(p.Connected) > time.Minute || !strings.HasPrefix(p.Addr, "/ip4/127.0.0.1/tcp/") {
				t.Errorf("peer %+v", p)
			}
			details, err := c.Peer(t.Context(), p.PeerID)
			if err != nil || len(details.Conns) != 1 || len(details.Budgets) < 2 ||
				!slices.Contains(details.Protocols, "/eth2/beacon_chain/req/ping/1/ssz_snappy") {
				t.Errorf("details %+v, error %v", details, err)
			}
			budgets, err := c.Budgets(t.Context())
			if err != nil ||
				!slices.EqualFunc(budgets, details.Budgets, func(a, b api.Budget) bool { return a.Method == b.Method }) {
				t.Errorf("budgets %+v, error %v", budgets, err)
			}
			if none, err := c.PeerBudgets(t.Context(), "unknown"); err == nil {
				t.Errorf("budgets of no peer id: %v", none)
			}
			methods, err := c.Methods(t.Context())
			if err != nil || len(methods) != 36 {
				t.Fatalf("%d methods, error %v", len(methods), err)
			}
			for _, m := range methods {
				if m.Method == "beacon_blocks_by_range" && m.Direction == "inbound" && (m.Chunks != 142 || m.Ended() < 3 ||
					len(m.Protocols) != 2) {
					t.Errorf("method %+v", m)
				}
			}
			all, err := c.Limits(t.Context())
			if err != nil || len(all) != 18 || all[1].Method != "beacon_blocks_by_range" ||
				all[1].Items.String() != "512/10s+1024" {
				t.Errorf("limits %v, error %v", all, err)
			}
			if s, err := c.Syncing(t.Context()); s != nil || err != nil {
				t.Errorf("syncing %v, error %v", s, err)
			}
		})
	}
}

func TestAdminIsNotExposedOverHTTPUnlessAskedFor(t *testing.T) {
	change := api.LimitChange{Items: &limits.Rate{N: 9, Per: time.Second, Burst: 9}}
	for _, test := range []struct {
		modules []string
		open    bool
	}{
		{[]string{api.Namespace}, false},
		{[]string{api.Namespace, api.AdminNamespace}, true},
	} {
		stack, service := exposed(t, test.modules...)
		_, err := dial(t, stack.HTTPEndpoint()).SetLimit(t.Context(), "ping", change)
		if (err == nil) != test.open || !test.open && !strings.Contains(err.Error(), "reqrespadmin_setLimit does not exist") {
			t.Errorf("%v: error %v", test.modules, err)
		}
		if changed := itemsOf(service, "ping").N == 9; changed != test.open {
			t.Errorf("%v: changed %v", test.modules, changed)
		}
		if _, err := dial(t, stack.IPCEndpoint()).SetLimit(t.Context(), "ping", change); err != nil {
			t.Errorf("over IPC: %v", err)
		}
	}
}

func TestSyncCanBeWatched(t *testing.T) {
	_, server := start(t, t.TempDir(), devConfig())
	fill(t, server.Store())
	stack, syncer := exposed(t)
	c := client.New(stack.Attach())
	defer c.Close()
	from, status := join(t, syncer, server)
	var seen []api.Syncing
	_, err := syncer.Sync(t.Context(), from, status, &rangesync.Options{Progress: func(rangesync.Progress) {
		s, err := c.Syncing(t.Context())
		if err != nil || s == nil {
			t.Errorf("syncing %v, error %v", s, err)
			return
		}
		seen = append(seen, *s)
	}})
	if err != nil || len(seen) < 3 {
		t.Fatalf("seen %d times, error %v", len(seen), err)
	}
	last := seen[len(seen)-1]
	if last.Slot != 142 || last.Target != 142 || last.Blocks != 142 || last.PeerID != from {
		t.Errorf("at last %+v", last)
	}
}

func TestConnectAndDisconnect(t *testing.T) {
	stack, service := exposed(t)
	_, other := start(t, t.TempDir(), devConfig())
	fill(t, other.Store())
	c := dial(t, stack.IPCEndpoint())
	addrs, err := other.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	status, err := c.Connect(t.Context(), addrs[0])
	if err != nil || status.HeadRoot != devchain.HeadRoot() {
		t.Fatalf("status %+v, error %v", status, err)
	}
	peers, err := c.Peers(t.Context())
	if err != nil || len(peers) != 1 || peers[0].Direction != "outbound" {
		t.Errorf("peers %v, error %v", peers, err)
	}
	if err := c.Disconnect(t.Context(), other.Host().ID()); err != nil {
		t.Fatal(err)
	}
	simtest.WaitFor(t, "the peer to go", func() bool { return len(service.Host().Network().Peers()) == 0 })
	simtest.WaitFor(t, "the goodbye to be counted",
		func() bool { return totals(t, other, "goodbye", "inbound").Outcomes["success"] == 1 })
}

func TestErrorsNameWhatIsAllowed(t *testing.T) {
	stack, service := exposed(t)
	itself := service.Host().ID().String()
	rpc := stack.Attach()
	defer rpc.Close()
	for _, test := range []struct {
		method string
		args   []any
		want   string
	}{
		{"reqresp_peer", []any{"me"}, `"me": want a peer id like 16Uiu2HA`},
		{"reqresp_peer", []any{somebody}, "peer is not connected"},
		{"reqresp_budgets", []any{""}, `"": want a peer id like 16Uiu2HA`},
		{
			"reqrespadmin_setLimit",
			[]any{"pong", api.LimitChange{}},
			`method "pong": want one of beacon_blocks_by_head, beacon_blocks_by_range, `,
		},
		{
			"reqrespadmin_setLimit",
			[]any{"ping", map[string]string{"items": "many"}},
			`"many" is not a rate like "128/10s+256"`,
		},
		{"reqrespadmin_setLimit", []any{"ping", map[string]string{"items": "0/s"}}, "rate and burst must be positive"},
		{"reqrespadmin_setLimit", []any{"ping", map[string]string{"items": "1/2h"}}, "not between 1ms and 1h0m0s"},
		{"reqrespadmin_connect", []any{"127.0.0.1:9000"}, "want a multiaddr with the peer's id, like /ip4/"},
		{"reqrespadmin_connect", []any{"/ip4/127.0.0.1/tcp/1/p2p/" + somebody}, "no connection"},
		{"reqrespadmin_disconnect", []any{somebody}, "is not connected"},
		{"reqrespadmin_ban", []any{"me", "1h", "why"}, `"me": want a peer id like`},
		{"reqrespadmin_ban", []any{somebody, "1", "why"}, `duration "1": want more than none, like 30m`},
		{"reqrespadmin_ban", []any{somebody, "9000h", "why"}, "not between 1s and 8760h0m0s"},
		{"reqrespadmin_ban", []any{itself, "1h", "why"}, itself + " is this node itself"},
		{"reqrespadmin_unban", []any{"me"}, `"me": want a peer id like`},
		{"reqrespadmin_trust", []any{"me"}, `"me": want a peer id like`},
	} {
		var result any
		err := rpc.CallContext(t.Context(), &result, test.method, test.args...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s%v: error %v, want %q", test.method, test.args, err, test.want)
		}
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBansAndTrustOverRPC(t *testing.T) {
	stack, service := exposed(t)
	_, other := start(t, t.TempDir(), devConfig())
	join(t, other, service)
	id := other.Host().ID()
	c := dial(t, stack.IPCEndpoint())

	if err := c.Trust(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	peers, err := c.Peers(t.Context())
	if err != nil || len(peers) != 1 || !peers[0].Trusted {
		t.Errorf("peers %+v, error %v", peers, err)
	}
	if trusted, err := c.Trusted(t.Context()); err != nil ||
		!slices.Equal(trusted, []api.Trusted{{PeerID: id, Changed: true}}) {
		t.Errorf("trusted %v, error %v", trusted, err)
	}
	if err := c.Ban(t.Context(), id, time.Hour, "test"); err == nil || !strings.Contains(err.Error(), "peer is trusted") {
		t.Errorf("banning a trusted peer: %v", err)
	}
	if err := c.Untrust(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := c.Ban(t.Context(), id, -time.Hour, "test"); err == nil ||
		!strings.Contains(err.Error(), `duration "-1h0m0s": want more than none`) {
		t.Errorf("banning for less than no time: %v", err)
	}
	if err := c.Ban(t.Context(), id, 48*time.Hour, "test"); err != nil {
		t.Fatal(err)
	}
	simtest.WaitFor(t, "the banned peer to go", func() bool { return len(service.Host().Network().Peers()) == 0 })
	bans, err := c.Bans(t.Context())
	if err != nil || len(bans) != 1 || bans[0].PeerID != id || bans[0].Reason != "test" ||
		time.Until(bans[0].Until) < 47*time.Hour {
		t.Errorf("bans %+v, error %v", bans, err)
	}
	if err := other.Host().Connect(t.Context(), addrOf(t, service.Host(), "tcp")); err == nil {
		simtest.WaitFor(t, "the connection of the banned peer to end",
			func() bool { return len(other.Host().Network().Peers()) == 0 })
	}
	for _, want := range []bool{true, false} {
		if was, err := c.Unban(t.Context(), id); was != want || err != nil {
			t.Errorf("unban %v, error %v", was, err)
		}
	}
	if _, err := c.Connect(t.Context(), addrOf(t, other.Host(), "tcp").Addrs[0].String()+"/p2p/"+id.String()); err != nil {
		t.Errorf("a peer that is no longer banned: %v", err)
	}
}

// What operators change ends with the process, and they are told.
func TestWhatIsNotKeptIsToldApart(t *testing.T) {
	stack := newNode(t, nodeConfig(""))
	always, now := somebodyID(t), peer.ID("\x00\x01x")
	cfg := devConfig()
	cfg.Peers.Trusted = []peer.ID{always}
	service, err := plugin.New(stack, nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	c := client.New(stack.Attach())
	defer c.Close()
	changed := func() (methods []string) {
		all, err := c.Limits(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if l.Changed {
				methods = append(methods, l.Method)
			}
		}
		return methods
	}
	if got := changed(); len(got) != 0 {
		t.Errorf("changed at first: %v", got)
	}
	old := itemsOf(service, "ping")
	limit, err := c.SetLimit(t.Context(), "ping", api.LimitChange{Items: &limits.Rate{N: 9}})
	if err != nil || !limit.Changed {
		t.Errorf("limit %+v, error %v", limit, err)
	}
	if got := changed(); !slices.Equal(got, []string{"ping"}) {
		t.Errorf("changed: %v", got)
	}
	// One that is as it was is not changed.
	if limit, err := c.SetLimit(t.Context(), "ping", api.LimitChange{Items: &old}); err != nil || limit.Changed {
		t.Errorf("limit %+v, error %v", limit, err)
	}
	if err := c.Trust(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	want := []api.Trusted{{PeerID: now, Changed: true}, {PeerID: always}}
	if got, err := c.Trusted(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("trusted %v, error %v, want %v", got, err, want)
	}
}

func TestScoresOverRPC(t *testing.T) {
	stack, service := exposed(t)
	c := dial(t, stack.IPCEndpoint())
	id := somebodyID(t)
	service.Scores().Penalize(id, score.Fatal, "malformed")
	scores, err := c.Scores(t.Context())
	if err != nil || !slices.Equal(scores, []api.Score{{PeerID: id, Score: -100}}) {
		t.Errorf("scores %+v, error %v", scores, err)
	}
	if bans, err := c.Bans(t.Context()); err != nil || len(bans) != 1 || bans[0].Reason != "malformed" {
		t.Errorf("bans %+v, error %v", bans, err)
	}
}

// Each service of a node has namespaces of its own.
func TestServicesAreToldApartOverRPC(t *testing.T) {
	stack := newNode(t, nodeConfig(""))
	first, err := plugin.New(stack, nil, devConfig())
	if err != nil {
		t.Fatal(err)
	}
	cfg := devConfig()
	cfg.Name = "second"
	second, err := plugin.New(stack, nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Name += "admin"
	if _, err := plugin.New(stack, nil, cfg); err == nil || !strings.Contains(err.Error(), "Config.Name") {
		t.Errorf("a service whose namespace is another's: %v", err)
	}
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	c := client.New(stack.Attach())
	defer c.Close()
	if _, err := c.Service("second").SetLimit(t.Context(), "ping",
		api.LimitChange{Items: &limits.Rate{N: 9}}); err != nil {
		t.Fatal(err)
	}
	for service, want := range map[*plugin.Service]bool{first: false, second: true} {
		if changed := itemsOf(service, "ping").N == 9; changed != want {
			t.Errorf("changed %v, want %v", changed, want)
		}
	}
}

// A caller is a lifecycle that calls when it is started.
type caller struct{ start func() }

func (c *caller) Start() error { c.start(); return nil }
func (c *caller) Stop() error  { return nil }

// A node opens its RPC before it starts what is registered with it.
func TestCallsBeforeTheServiceIsStarted(t *testing.T) {
	stack := newNode(t, nodeConfig(""))
	called := false
	stack.RegisterLifecycle(&caller{func() {
		called = true
		c := client.New(stack.Attach())
		defer c.Close()
		for name, call := range map[string]func() error{
			"nodeInfo":   func() error { _, err := c.NodeInfo(t.Context()); return err },
			"peers":      func() error { _, err := c.Peers(t.Context()); return err },
			"peer":       func() error { _, err := c.Peer(t.Context(), somebodyID(t)); return err },
			"budgets":    func() error { _, err := c.Budgets(t.Context()); return err },
			"connect":    func() error { _, err := c.Connect(t.Context(), ""); return err },
			"disconnect": func() error { return c.Disconnect(t.Context(), somebodyID(t)) },
			"ban":        func() error { return c.Ban(t.Context(), somebodyID(t), time.Hour, "") },
			"trust":      func() error { return c.Trust(t.Context(), somebodyID(t)) },
		} {
			if err := call(); err == nil || err.Error() != plugin.ErrNotRunning.Error() {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if all, err := c.Limits(t.Context()); err != nil || len(all) != 18 {
			t.Errorf("limits %v, error %v", all, err)
		}
	}})
	if _, err := plugin.New(stack, nil, devConfig()); err != nil {
		t.Fatal(err)
	}
	if err := stack.Start(); err != nil || !called {
		t.Fatalf("called %v, error %v", called, err)
	}
}

func somebodyID(t *testing.T) peer.ID {
	t.Helper()
	id, err := peer.Decode(somebody)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
