package resources_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A town is the network of a host whose peers have one connection each. It opens and resets streams as
// libp2p's swarm does.
type town struct {
	network.Network
	manager *resources.Manager

	mu      sync.Mutex
	streams map[peer.ID]map[*townStream]struct{}
	left    map[peer.ID]int
}

type townConn struct {
	network.Conn
	town *town
	id   peer.ID
}

type townStream struct {
	network.Stream
	town  *town
	id    peer.ID
	scope network.StreamManagementScope
	ended sync.Once
	reset chan struct{}
}

func (n *town) ConnsToPeer(id peer.ID) []network.Conn {
	return []network.Conn{&townConn{town: n, id: id}}
}

func (c *townConn) GetStreams() (all []network.Stream) {
	c.town.mu.Lock()
	defer c.town.mu.Unlock()
	for s := range c.town.streams[c.id] {
		all = append(all, s)
	}
	return all
}

func (s *townStream) Scope() network.StreamScope { return s.scope }

func (s *townStream) ResetWithError(network.StreamErrorCode) error {
	s.end()
	return nil
}

func (s *townStream) end() {
	s.ended.Do(func() {
		s.town.mu.Lock()
		delete(s.town.streams[s.id], s)
		s.town.mu.Unlock()
		s.scope.Done()
		close(s.reset)
	})
}

// open is what the swarm does with a stream that a peer opens.
func (n *town) open(id peer.ID) (*townStream, error) {
	scope, err := n.manager.OpenStream(id, network.DirInbound)
	if err != nil {
		return nil, err
	}
	s := &townStream{town: n, id: id, scope: scope, reset: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.streams[id] == nil {
		n.streams[id] = make(map[*townStream]struct{})
	}
	n.streams[id][s] = struct{}{}
	return s, nil
}

// unnegotiated is told about offenders, who are disconnected and banned at once.
func (n *town) unnegotiated(id peer.ID) {
	n.mu.Lock()
	n.left[id]++
	streams := make([]*townStream, 0, len(n.streams[id]))
	for s := range n.streams[id] {
		streams = append(streams, s)
	}
	n.mu.Unlock()
	for _, s := range streams {
		s.end()
	}
}

func (n *town) hasLeft(id peer.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.left[id] > 0
}

func newTown(t *testing.T, memory int64) *town {
	t.Helper()
	plan := newPlan(t, specs(), resources.Options{Memory: memory})
	n := &town{streams: make(map[peer.ID]map[*townStream]struct{}), left: make(map[peer.ID]int)}
	manager, err := resources.NewManager(plan, &resources.ManagerOptions{Unnegotiated: n.unnegotiated})
	if err != nil {
		t.Fatal(err)
	}
	n.manager = manager
	manager.Start(n)
	t.Cleanup(func() {
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// every calls f again and again until ctx ends.
func every(ctx context.Context, wg *sync.WaitGroup, interval time.Duration, f func()) {
	wg.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f()
			case <-ctx.Done():
				return
			}
		}
	})
}

// roundTrip is how long honest peers take to negotiate.
const roundTrip = 150 * time.Millisecond

// negotiate opens a stream as an honest peer does.
func (n *town) negotiate(ctx context.Context, id peer.ID) error {
	s, err := n.open(id)
	if err != nil {
		return err
	}
	defer s.end()
	select {
	case <-time.After(roundTrip):
	case <-s.reset:
		return network.ErrReset
	case <-ctx.Done():
		return nil
	}
	return s.scope.SetProtocol(methods[0].Spec().Protocols()[0])
}

// An abuse is what an attacker does with the streams that it opens.
type abuse struct {
	name string
	do   func(ctx context.Context, n *town, id peer.ID, i int)
}

var abuses = []abuse{
	{"never negotiate", func(_ context.Context, n *town, id peer.ID, _ int) {
		_, _ = n.open(id)
	}},
	{"reset just in time", func(_ context.Context, n *town, id peer.ID, _ int) {
		if s, err := n.open(id); err == nil {
			time.AfterFunc(1900*time.Millisecond, s.end)
		}
	}},
	{"reset before it counts", func(_ context.Context, n *town, id peer.ID, _ int) {
		if s, err := n.open(id); err == nil {
			time.AfterFunc(900*time.Millisecond, s.end)
		}
	}},
	{"reset at once", func(_ context.Context, n *town, id peer.ID, _ int) {
		if s, err := n.open(id); err == nil {
			s.end()
		}
	}},
	{"negotiate some", func(ctx context.Context, n *town, id peer.ID, i int) {
		if i%4 == 0 {
			_ = n.negotiate(ctx, id)
		} else {
			_, _ = n.open(id)
		}
	}},
}

func TestHalfNegotiatedStreamsLeaveSlotsForHonestPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute")
	}
	for _, memory := range []int64{256 * mib, 2048 * mib} {
		for _, flood := range []struct{ attackers, perSecond int }{{8, 5}, {8, 50}, {30, 9}, {30, 50}, {200, 5}, {200, 50}} {
			for _, a := range abuses {
				t.Run(fmt.Sprintf("%d MiB/%d at %d/s/%s", memory/mib, flood.attackers, flood.perSecond, a.name),
					func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							testFlood(t, memory, flood.attackers, flood.perSecond, a)
						})
					})
			}
		}
	}
}

func testFlood(t *testing.T, memory int64, attackers, perSecond int, a abuse) {
	const honest, asked = 10, time.Minute
	n := newTown(t, memory)
	ctx, cancel := context.WithTimeout(t.Context(), asked)
	defer cancel()
	var wg sync.WaitGroup
	for i := range attackers {
		id, round := peer.ID(fmt.Sprint("attacker ", i)), 0
		every(ctx, &wg, time.Second/time.Duration(perSecond), func() {
			if round++; !n.hasLeft(id) {
				a.do(ctx, n, id, round)
			}
		})
	}
	var mu sync.Mutex
	var tried, failed int
	for i := range honest {
		id := peer.ID(fmt.Sprint("honest ", i))
		every(ctx, &wg, 500*time.Millisecond, func() {
			err := n.negotiate(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if tried++; err != nil {
				failed++
			}
		})
	}
	wg.Wait()
	t.Logf("%d of %d honest streams failed, %d attackers reported: %+v", failed, tried, len(n.left),
		n.manager.Negotiations())
	if tried < honest*int(asked/time.Second) || failed*100 > tried {
		t.Errorf("%d of %d honest streams failed, want at most 1 in 100", failed, tried)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range honest {
		if n.left[peer.ID(fmt.Sprint("honest ", i))] > 0 {
			t.Errorf("honest peer %d was reported", i)
		}
	}
	if len(n.left) != attackers {
		t.Errorf("%d of %d attackers were reported within %v", len(n.left), attackers, asked)
	}
	for id, times := range n.left {
		if times != 1 {
			t.Errorf("%s was reported %d times", id, times)
		}
	}
}

func TestStreamsWithoutAProtocolAreReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 256*mib)
		s, err := n.open("peer")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		select {
		case <-s.reset:
			t.Fatal("stream was reset after 4 s, though slots are free")
		default:
		}
		time.Sleep(2 * time.Second)
		select {
		case <-s.reset:
		default:
			t.Fatal("stream was not reset after 6 s")
		}
		if err := s.scope.SetProtocol("/late"); !errors.Is(err, resources.ErrEvicted) ||
			!errors.Is(err, network.ErrResourceLimitExceeded) {
			t.Errorf("late protocol: %v", err)
		}
		if got := n.manager.Negotiations(); got != (resources.NegotiationStats{Evicted: 1}) {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestPeersShareTheSlotsForNegotiation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 256*mib)
		var held []*townStream
		for range 17 {
			if s, err := n.open("greedy"); err == nil {
				held = append(held, s)
			} else if !errors.Is(err, resources.ErrNegotiating) {
				t.Fatal(err)
			}
		}
		if len(held) == 0 || len(held) > 16 {
			t.Errorf("one peer negotiates %d streams at once, want 1 to 16", len(held))
		}
		if err := held[0].scope.SetProtocol("/known"); err != nil {
			t.Fatal(err)
		}
		if _, err := n.open("greedy"); err != nil {
			t.Errorf("a slot was not free again: %v", err)
		}
		if got, want := n.manager.Negotiations(), uint64(17-len(held)); got.Refused != want || got.Negotiated != 1 {
			t.Errorf("stats %+v, want %d refused", got, want)
		}
	})
}

// A peer that offers protocols which the host does not support ends its streams a round trip later.
func TestUnsupportedProtocolsAreNoOffense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 256*mib)
		for range 200 {
			s, err := n.open("peer")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(900 * time.Millisecond)
			s.end()
		}
		if n.hasLeft("peer") {
			t.Error("peer was reported")
		}
	})
}

// However many streams a peer opens, those that it negotiates are not held against it.
func TestBusyPeersAreNoOffenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 256*mib)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		every(ctx, &wg, 20*time.Millisecond, func() {
			wg.Go(func() { _ = n.negotiate(ctx, "peer") })
		})
		wg.Wait()
		if n.hasLeft("peer") {
			t.Error("peer was reported")
		}
		if got := n.manager.Negotiations(); got.Negotiated < 2900 {
			t.Errorf("stats %+v", got)
		}
	})
}

// A few streams that hold their slots to the end are an offense too.
func TestStreamASecondThatIsNeverNegotiatedIsAnOffense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 256*mib)
		for range 20 {
			_, _ = n.open("peer")
			time.Sleep(time.Second)
		}
		if !n.hasLeft("peer") {
			t.Error("peer was not reported")
		}
	})
}

func TestOffenderIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 256*mib)
		open := func(times int) {
			for range times {
				s, err := n.open("peer")
				if err != nil {
					t.Fatal(err)
				}
				s.end()
			}
		}
		open(130)
		time.Sleep(2 * time.Second) // some are forgotten
		open(20)
		time.Sleep(time.Second)
		if got := n.left["peer"]; got != 1 {
			t.Errorf("peer was reported %d times", got)
		}
	})
}

// A peer that finds all slots taken is not to blame, however often it tries.
func TestPeersWithoutASlotAreNoOffenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 256*mib)
		for i := 0; ; i++ {
			if _, err := n.open(peer.ID(fmt.Sprint("holder ", i))); err != nil {
				break
			}
		}
		for range 500 {
			if _, err := n.open("peer"); !errors.Is(err, resources.ErrNegotiating) {
				t.Fatalf("a stream beyond all slots: %v", err)
			}
		}
		time.Sleep(time.Second)
		if n.hasLeft("peer") {
			t.Error("peer was reported")
		}
	})
}

func TestOutboundStreamsHaveNoNegotiationSlots(t *testing.T) {
	n := newTown(t, 64*mib)
	s, err := n.manager.OpenStream("peer", network.DirOutbound)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Done()
	if got := n.manager.Negotiations(); got.Negotiating != 0 {
		t.Errorf("stats %+v", got)
	}
	if stat := statOf(n.manager.ResourceManager); stat.Transient.NumStreamsOutbound != 1 {
		t.Errorf("libp2p's state is hidden: %+v", stat)
	}
}

// The manager counts streams as libp2p's does, whatever becomes of them.
func TestNothingIsLeftOfNegotiations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTown(t, 64*mib)
		var held []*townStream
		for i := range 60 {
			for range 3 {
				if s, err := n.open(peer.ID(fmt.Sprint(i))); err == nil {
					held = append(held, s)
				}
			}
		}
		for i, s := range slices.Backward(held) {
			if i%2 == 0 {
				_ = s.scope.SetProtocol(protocol.ID(fmt.Sprint("/", i)))
			}
			s.end()
		}
		if got := n.manager.Negotiations().Negotiating; got != 0 {
			t.Errorf("%d slots are taken", got)
		}
		if stat := statOf(n.manager.ResourceManager); stat.System.NumStreamsInbound != 0 ||
			stat.Transient.NumStreamsInbound != 0 {
			t.Errorf("libp2p counts %+v", stat)
		}
	})
}

// Over real transports, peers that never negotiate are noticed and others are served meanwhile.
func TestFloodOfHalfNegotiatedStreamsIsNoticed(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			const attackers = 8
			plan := newPlan(t, specs(), resources.Options{Memory: 256 * mib})
			reported := make(chan peer.ID, 2*attackers)
			manager, err := resources.NewManager(plan, &resources.ManagerOptions{
				Unnegotiated: func(id peer.ID) { reported <- id },
			})
			if err != nil {
				t.Fatal(err)
			}
			server := newHost(t, tr.options, manager)
			manager.Start(server.Network())
			serve(t, server, plan)
			target := peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}
			honest := reqresp.NewClient(newHost(t, tr.options, &network.NullResourceManager{}), nil)
			honest = honest.With(reqresp.CallOptions{Addrs: target.Addrs})

			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			left := make(map[peer.ID]bool)
			for range attackers {
				bad := &attacker{host: newHost(t, tr.options, &network.NullResourceManager{}), target: target, attack: attacks[0]}
				if err := bad.host.Connect(ctx, target); err != nil {
					t.Fatal(err)
				}
				left[bad.host.ID()] = true
				every(ctx, &wg, 20*time.Millisecond, func() {
					if err := bad.open(ctx); err != nil {
						bad.reconnect(ctx)
					}
				})
			}
			deadline := time.After(time.Minute)
			for tried, failed := 0, 0; len(left) > 0; tried++ {
				for _, err := range methods[0].Call(ctx, honest, server.ID(), new("honest")) {
					if err != nil {
						failed++
						t.Logf("honest request %d: %v", tried, err)
					}
				}
				if failed*100 > tried+100 {
					t.Fatalf("%d of %d honest requests failed", failed, tried)
				}
				select {
				case id := <-reported:
					if !left[id] {
						t.Fatalf("%v was reported, which is honest or was before", id)
					}
					delete(left, id)
					_ = server.Network().ClosePeer(id)
				case <-deadline:
					t.Fatalf("%d attackers were not reported within a minute", len(left))
				default:
				}
			}
		})
	}
}

// Many peers may connect at the same moment.
func TestConnectionsInTheirHandshakes(t *testing.T) {
	const wanted = 64
	plan := newPlan(t, specs(), resources.Options{Memory: 256 * mib, Peers: wanted})
	manager, err := resources.NewManager(plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	for i := range 2 * wanted {
		addr := multiaddr.StringCast(fmt.Sprint("/ip4/127.0.0.1/tcp/", 1000+i))
		if _, err := manager.OpenConnection(network.DirInbound, true, addr); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
}

func TestConnectionsOfOneAddress(t *testing.T) {
	for _, test := range []struct {
		addr  string
		peers int
		want  int
	}{
		{"/ip4/8.8.8.8/tcp/", 64, 24},
		{"/ip4/8.8.8.8/tcp/", 8, 8},
		{"/ip6/2001:4860::1/tcp/", 64, 24},
		{"/ip4/10.1.2.3/tcp/", 64, 192},    // a proxy or NAT before the node
		{"/ip4/192.168.0.1/tcp/", 64, 192}, // a home router
		{"/ip6/fd00::1/tcp/", 64, 192},
		{"/ip4/127.0.0.1/tcp/", 64, 192},
	} {
		t.Run(fmt.Sprint(test.addr, test.peers), func(t *testing.T) {
			plan := newPlan(t, specs(), resources.Options{Memory: 2048 * mib, Peers: test.peers})
			manager, err := resources.NewManager(plan, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			var open int
			for i := range test.want + 1 {
				addr := multiaddr.StringCast(fmt.Sprint(test.addr, 1000+i))
				conn, err := manager.OpenConnection(network.DirInbound, false, addr)
				if err != nil {
					break
				}
				// Connections do not count for long to those without a peer.
				if err := conn.SetPeer(peer.ID(fmt.Sprint(i))); err != nil {
					break
				}
				open++
			}
			if limited := test.want < 3*test.peers; open < test.want || limited && open > test.want {
				t.Errorf("%d connections of one address, want %d", open, test.want)
			}
		})
	}
}
