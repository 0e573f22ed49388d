package plugin_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// join connects a service to another and exchanges statuses.
func join(t *testing.T, from, to *plugin.Service) (peer.ID, beacon.Status) {
	t.Helper()
	info := addrOf(t, to.Host(), "tcp")
	if err := from.Host().Connect(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	status, err := from.Server().Handshake(t.Context(), info.ID)
	if err != nil {
		t.Fatal(err)
	}
	return info.ID, status
}

// totals returns what a service has counted for a method in one direction.
func totals(t *testing.T, s *plugin.Service, method, direction string) metrics.Totals {
	t.Helper()
	for _, totals := range s.Metrics().Totals() {
		if totals.Method == method && totals.Direction == direction {
			return totals
		}
	}
	t.Fatalf("no totals of %s %s", direction, method)
	return metrics.Totals{}
}

func TestMetricsOfASync(t *testing.T) {
	var mu sync.Mutex
	told := make(map[string]int)
	cfg := devConfig()
	cfg.Trace = &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if !x.Inbound {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		told[x.Spec.Name()]++
	}}
	_, server := start(t, t.TempDir(), cfg)
	fill(t, server.Store())
	_, client := start(t, t.TempDir(), devConfig())
	from, status := join(t, client, server)
	during := false
	_, err := client.Sync(t.Context(), from, status, &rangesync.Options{Progress: func(p rangesync.Progress) {
		if testutil.CollectAndCount(client.Metrics(), "reqresp_sync_slot") == 1 {
			during = true
		}
		if _, err := client.Sync(t.Context(), from, status, nil); !errors.Is(err, plugin.ErrSyncing) {
			t.Errorf("a second sync: %v", err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !during || testutil.CollectAndCount(client.Metrics(), "reqresp_sync_slot") != 0 {
		t.Error("the sync was not seen while it was under way, or is still seen")
	}
	const method = "beacon_blocks_by_range"
	simtest.WaitFor(t, "the last exchange to end",
		func() bool { return totals(t, server, method, metrics.Inbound).Active == 0 })
	in, out := totals(t, server, method, metrics.Inbound), totals(t, client, method, metrics.Outbound)
	for _, got := range []metrics.Totals{in, out} {
		if got.Chunks != 142 || got.Outcomes["success"] < 3 || got.SSZBytes < 342653 || got.WireBytes < 10000 ||
			got.FirstByte <= 0 {
			t.Errorf("totals %+v", got)
		}
	}
	if in.WireBytes != out.WireBytes || in.SSZBytes != out.SSZBytes {
		t.Errorf("sent %d and %d bytes, received %d and %d", in.WireBytes, in.SSZBytes, out.WireBytes, out.SSZBytes)
	}
	mu.Lock()
	defer mu.Unlock()
	if told[method] != int(in.Outcomes["success"]) {
		t.Errorf("the trace of the configuration was told of %d exchanges", told[method])
	}
	err = testutil.CollectAndCompare(server.Metrics(), strings.NewReader(`
# HELP reqresp_chain_slot Slots of the chain that is served.
# TYPE reqresp_chain_slot gauge
reqresp_chain_slot{at="earliest"} 0
reqresp_chain_slot{at="finalized"} 64
reqresp_chain_slot{at="head"} 142
# HELP reqresp_peers Peers that are connected, by the client they run and by who dialed.
# TYPE reqresp_peers gauge
reqresp_peers{client="reqresp",direction="inbound"} 1
`), "reqresp_chain_slot", "reqresp_peers")
	if err != nil {
		t.Error(err)
	}
}

func TestLimitsAreShownAndOutliveAStop(t *testing.T) {
	stack, service := start(t, t.TempDir(), devConfig())
	c := service.Limiter().Config()
	c.Methods["ping"] = limits.Method{Peer: limits.Quota{Items: limits.Rate{N: 7, Per: 10 * time.Second}}}
	if err := service.Limiter().Apply(c); err != nil {
		t.Fatal(err)
	}
	want := limits.Rate{N: 7, Per: 10 * time.Second, Burst: 7}
	shown := func() bool {
		families, err := testutil.CollectAndFormat(service.Metrics(), expfmt.TypeTextPlain, "reqresp_quota_rate")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(families), `reqresp_quota_rate{currency="items",method="ping"} 0.7`)
	}
	if itemsOf(service, "ping") != want || !shown() {
		t.Errorf("items %v, shown %v", itemsOf(service, "ping"), shown())
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	if itemsOf(service, "ping") != want || !shown() {
		t.Error("forgotten by a stop")
	}
}

func TestSyncNeedsARunningServiceWithAStore(t *testing.T) {
	stack := newNode(t, nodeConfig(""))
	cfg := devConfig()
	cfg.Genesis, cfg.Network = nil, devchain.Network()
	service, err := plugin.New(stack, emptyChain{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.Sync(t.Context(), "", beacon.Status{}, nil); !errors.Is(err, plugin.ErrNotRunning) {
		t.Errorf("error %v", err)
	}
	if err := stack.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Sync(t.Context(), "", beacon.Status{}, nil); err == nil {
		t.Error("synced without a store")
	}
}

// The caller's hooks are told what peers say, and so is the manager of the peers.
func TestPeerTraceOfTheConfiguration(t *testing.T) {
	var told sync.Map
	note := func(what string, of any) { told.Store(fmt.Sprint(what, " ", of), true) }
	cfg := devConfig()
	cfg.PeerTrace = &beacon.PeerTrace{
		Status:        func(_ peer.ID, _, theirs beacon.Status) { note("status", theirs.HeadSlot) },
		Ping:          func(_ peer.ID, seq uint64) { note("ping", seq) },
		Goodbye:       func(_ peer.ID, reason beacon.GoodbyeReason) { note("goodbye", reason) },
		Disconnecting: func(_ peer.ID, reason beacon.GoodbyeReason) { note("left", reason) },
	}
	_, server := start(t, t.TempDir(), cfg)
	_, client := start(t, t.TempDir(), devConfig())
	to, _ := join(t, client, server)
	id, c := client.Host().ID(), client.Server().Client()
	if _, err := c.Ping(t.Context(), to, 7); err != nil {
		t.Error(err)
	}
	if info, ok := server.Peers().Peer(id); !ok || info.Status == nil {
		t.Errorf("the manager knows %+v, %v", info, ok)
	}
	if err := c.Goodbye(t.Context(), to, beacon.GoodbyeFault); err != nil {
		t.Error(err)
	}
	server.Server().Disconnect(t.Context(), id, beacon.GoodbyeBadScore)
	for _, want := range []string{"status 0", "ping 7", "goodbye fault or error", "left bad score"} {
		simtest.WaitFor(t, "the trace to be told: "+want, func() bool { _, ok := told.Load(want); return ok })
	}
}
