package resources_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/chunked"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse/json"
)

var transports = []struct {
	name    string
	options []libp2p.Option
}{
	{"yamux", []libp2p.Option{
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
	}},
	{"mplex", []libp2p.Option{
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New), libp2p.Muxer(mplex.ID, mplex.DefaultTransport),
	}},
	{"quic", []libp2p.Option{
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/udp/0/quic-v1"),
		libp2p.Transport(quic.NewTransport),
	}},
}

func newHost(t *testing.T, options []libp2p.Option, manager network.ResourceManager) host.Host {
	t.Helper()
	return simtest.NewHost(t, append(slices.Clip(options), libp2p.ResourceManager(manager))...)
}

// The methods of the tests answer an honest request with what it says, and others with more than
// any muxer takes in unread.
var (
	family  = reqresp.Family{Prefix: "/attacked", Codec: chunked.Codec{Inner: json.Codec{}}}
	methods = func() (all []reqresp.Stream[string, string]) {
		for i := range 8 {
			all = append(all, reqresp.NewStream[string, string](family,
				fmt.Sprint("method", i), 1).WithLimits(reqresp.Limits{MaxRequest: 1 << 16, MaxResponse: 1 << 20}))
		}
		return all
	}()
	answer = string(make([]byte, 1<<15))
)

func specs() (all []*reqresp.Spec) {
	for _, m := range methods {
		all = append(all, m.Spec())
	}
	return all
}

func answers(_ context.Context, _ peer.ID, req *string, send func(*string) error) error {
	if *req == "honest" {
		return send(req)
	}
	for range 16 {
		if err := send(&answer); err != nil {
			return err
		}
	}
	return nil
}

// An attack is what is written to a stream that is then neither read nor ended.
type attack struct {
	name    string
	methods int
	wire    func(id string) string
	ends    bool // the write side is closed
}

func line(s string) string { return string(rune(len(s)+1)) + s + "\n" }

const request = `"hello"`

var attacks = []attack{
	{"nothing negotiated", 1, func(string) string { return "\x13" }, false},
	{
		"half a request to one method", 1,
		func(id string) string { return line("/multistream/1.0.0") + line(id) + request[:3] }, false,
	},
	{
		"half a request to many methods", 8,
		func(id string) string { return line("/multistream/1.0.0") + line(id) + request[:3] }, false,
	},
	{
		"unread answers of one method", 1, func(id string) string { return line("/multistream/1.0.0") + line(id) + request },
		true,
	},
	{
		"unread answers of many methods", 8,
		func(id string) string { return line("/multistream/1.0.0") + line(id) + request }, true,
	},
}

const flood = 5000

// An attacker opens streams as fast as it can, and connects again if it is hung up on.
type attacker struct {
	host   host.Host
	target peer.AddrInfo
	attack attack

	opened  atomic.Int64
	dialing sync.Mutex // is held while the attacker connects again
	mu      sync.Mutex
	held    []network.Stream
}

// reconnect does nothing once the attack is over, and ends with the dial: a host that is closed while
// it dials, be it for a caller who has given up, may leave the connection open.
func (a *attacker) reconnect(ctx context.Context) {
	a.dialing.Lock()
	defer a.dialing.Unlock()
	if ctx.Err() == nil {
		_ = a.host.Connect(context.WithoutCancel(ctx), a.target)
	}
}

// leave closes the host of an attacker whose context has ended.
func (a *attacker) leave() {
	a.dialing.Lock()
	defer a.dialing.Unlock()
	_ = a.host.Close()
}

func (a *attacker) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for a.opened.Load() < flood && ctx.Err() == nil {
				if err := a.open(ctx); err != nil {
					a.reconnect(ctx)
				}
			}
		})
	}
	wg.Wait()
}

func (a *attacker) open(ctx context.Context) error {
	conns := a.host.Network().ConnsToPeer(a.target.ID)
	if len(conns) == 0 {
		return network.ErrNoConn
	}
	stream, err := conns[0].NewStream(ctx)
	if err != nil {
		return err
	}
	n := a.opened.Add(1)
	_ = stream.SetWriteDeadline(time.Now().Add(time.Minute))
	id := methods[int(n)%a.attack.methods].Spec().Protocols()[0]
	if _, err := io.WriteString(stream, a.attack.wire(string(id))); err == nil && a.attack.ends {
		_ = stream.CloseWrite()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = append(a.held, stream)
	return nil
}

// A peak is the most that was seen of what an attacker costs.
type peak struct {
	streams, transient, served, goroutines int
	memory                                 int64
	messages                               int
}

func (p *peak) look(manager network.ResourceManager, srv *reqresp.Server, attacker peer.ID) {
	stat := statOf(manager)
	p.streams = max(p.streams, stat.Peers[attacker].NumStreamsInbound)
	p.memory = max(p.memory, stat.Peers[attacker].Memory)
	p.transient = max(p.transient, stat.Transient.NumStreamsInbound)
	p.served = max(p.served, srv.Streams()[attacker])
	p.messages = max(p.messages, srv.Memory())
	p.goroutines = max(p.goroutines, runtime.NumGoroutine())
}

// statOf is zero if there is no resource manager.
func statOf(manager network.ResourceManager) (stat rcmgr.ResourceManagerStat) {
	if m, ok := manager.(rcmgr.ResourceManagerState); ok {
		stat = m.Stat()
	}
	return stat
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still waiting for %s", what)
		}
	}
}

// A peer that opens thousands of streams costs what the package's documentation says, others are
// served, and nothing remains when it leaves.
func TestPeerThatOpensThousandsOfStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for _, tr := range transports {
		for _, a := range attacks {
			t.Run(tr.name+"/"+a.name, func(t *testing.T) {
				plan := newPlan(t, specs(), resources.Options{Memory: 256 * mib})
				manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(plan.HostLimits()), rcmgr.WithMetricsDisabled())
				if err != nil {
					t.Fatal(err)
				}
				p := underAttack(t, tr.options, a, plan, manager)
				if p.streams == 0 {
					t.Error("the attack came to nothing")
				}
				if most := 3*plan.PeerStreams + 64; p.goroutines > most {
					t.Errorf("more than %d goroutines", most)
				}
			})
		}
	}
}

// Without a resource manager a server keeps to its own bounds.
func TestThousandsOfStreamsWithoutAResourceManager(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seven seconds")
	}
	for _, tr := range transports {
		for _, a := range attacks {
			if a.methods > 1 {
				t.Run(tr.name+"/"+a.name, func(t *testing.T) {
					plan := newPlan(t, specs(), resources.Options{Memory: 256 * mib})
					if p := underAttack(t, tr.options, a, plan, &network.NullResourceManager{}); p.served == 0 {
						t.Error("the attack came to nothing")
					}
				})
			}
		}
	}
}

// serve has a host serve all methods as planned.
func serve(t *testing.T, server host.Host, plan *resources.Plan) *reqresp.Server {
	t.Helper()
	srv := reqresp.NewServer(server, &reqresp.ServerOptions{
		MaxStreams: plan.MaxStreams, MaxStreamsPerPeer: plan.MaxStreamsPerPeer, MaxMemory: plan.MaxMemory,
	})
	for _, m := range methods {
		srv.Register(m.Serve(answers))
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop(t.Context()) })
	return srv
}

// underAttack returns the most that an attack has cost, which it checks against the plan.
func underAttack(
	t *testing.T, options []libp2p.Option, a attack, plan *resources.Plan, manager network.ResourceManager,
) peak {
	t.Helper()
	server := newHost(t, options, manager)
	srv := serve(t, server, plan)
	target := peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}

	honest := reqresp.NewClient(newHost(t, options, &network.NullResourceManager{}), nil)
	honest = honest.With(reqresp.CallOptions{Addrs: target.Addrs})
	ask := func() {
		n := 0
		for got, err := range methods[0].Call(t.Context(), honest, server.ID(), new("honest")) {
			if err != nil || *got != "honest" {
				t.Fatalf("honest peer: %v", err)
			}
			n++
		}
		if n != 1 {
			t.Fatalf("honest peer got %d chunks", n)
		}
	}
	ask()

	bad := &attacker{host: newHost(t, options, &network.NullResourceManager{}), target: target, attack: a}
	if err := bad.host.Connect(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	ask()
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { bad.run(ctx) })

	var p peak
	defer func() {
		if t.Failed() {
			t.Logf("%d streams opened, at most %+v, now %+v", bad.opened.Load(), p, statOf(manager))
		}
	}()
	until(t, "the attacker to have opened its streams", func() bool {
		ask()
		p.look(manager, srv, bad.host.ID())
		return bad.opened.Load() >= flood
	})
	t.Logf("%d streams opened, of which at most %d at a time (%d served, %d in negotiation), %d KiB reserved, %d KiB of messages, %d goroutines more",
		bad.opened.Load(), p.streams, p.served, p.transient, p.memory>>10, p.messages>>10, p.goroutines-before)
	if p.streams > plan.PeerStreams || p.served > plan.MaxStreamsPerPeer || p.memory > plan.PeerMemory ||
		p.messages > plan.MaxMemory {
		t.Errorf("more than %d streams, %d served, %d KiB reserved, %d KiB of messages",
			plan.PeerStreams, plan.MaxStreamsPerPeer, plan.PeerMemory>>10, plan.MaxMemory>>10)
	}
	p.goroutines -= before

	cancel()
	bad.leave()
	wg.Wait()
	until(t, "nothing to be left of the attack", func() bool {
		stat := statOf(manager)
		of := stat.Peers[bad.host.ID()]
		// Connections are those of the host: see the package's documentation of what libp2p counts.
		return len(srv.Streams()) == 0 && srv.Memory() == 0 && len(server.Network().ConnsToPeer(bad.host.ID())) == 0 &&
			of.NumStreamsInbound == 0 && of.Memory == 0 && stat.System.NumStreamsInbound == 0 &&
			stat.Transient == network.ScopeStat{} && stat.Services[reqresp.ServiceName] == network.ScopeStat{}
	})
	ask()
	return p
}
