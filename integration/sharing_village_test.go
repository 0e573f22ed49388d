package integration_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A village is a server, with the settings that servers have by default, and those who
// ask it over a simulated network.
type village struct {
	network *simnet.Simnet
	at      host.Host // the server's
	server  *reqresp.Server
	book    *score.Book
	limiter *limits.Limiter
	hosts   atomic.Uint32

	honest, hostile []*villager

	mu       sync.Mutex
	byID     map[peer.ID]*villager
	answered int // exchanges of anybody that got an error
	failed   int // exchanges of honest peers

	lowest  float64 // score of an honest peer
	streams int     // most that were served at a time
	tracked int     // most peers that were
}

// A villager is one who asks, by one host or by one after the other.
type villager struct {
	*village
	index int
	host  host.Host
	bytes atomic.Uint64 // that were sent to it
}

// A counted limiter is the village's limiter, which counts what is sent to whom.
type counted struct{ *village }

func (c counted) Admit(ctx context.Context, from peer.ID, spec *reqresp.Spec) (reqresp.Admission, error) {
	pace, err := c.limiter.Admit(ctx, from, spec)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := errors.AsType[*reqresp.Error](err); ok {
		c.answered++
	}
	if err != nil {
		return nil, err
	}
	return countedAdmission{pace, c.byID[from]}, nil
}

func (c counted) Refused(from peer.ID, spec *reqresp.Spec) { c.limiter.Refused(from, spec) }

type countedAdmission struct {
	reqresp.Admission
	to *villager
}

func (p countedAdmission) Settle(used reqresp.Cost) {
	p.Admission.Settle(used)
	p.to.bytes.Add(used.Bytes)
}

func newVillage(t *testing.T) *village {
	t.Helper()
	v := &village{
		network: &simnet.Simnet{
			LatencyFunc: simnet.StaticLatency(20 * time.Millisecond),
			Logger:      slog.New(slog.DiscardHandler),
		},
		byID: make(map[peer.ID]*villager),
	}
	v.network.Start()
	t.Cleanup(v.network.Close)
	var err error
	if v.at, err = v.newHost("192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.at.Close() })
	v.serve(t)
	return v
}

// newHost returns a host with an address.
func (v *village) newHost(ip string) (host.Host, error) {
	v.mu.Lock() // the network is not made to grow from many sides at once
	defer v.mu.Unlock()
	link := simnet.LinkSettings{BitsPerSecond: 1000 * simlibp2p.OneMbps}
	return libp2p.New(
		libp2p.ListenAddrStrings(fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", ip, 8000+v.hosts.Add(1))),
		simlibp2p.QUICSimnet(v.network, simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.DisableRelay(),
		libp2p.ResourceManager(&network.NullResourceManager{}),
	)
}

// netConfig is what the server is limited to.
func netConfig(capacity uint64) limits.Config {
	c := limits.Config{
		MaxPeers: netMaxPeers,
		Prefix:   limits.Prefix{Peers: netPrefixPeers},
		// The chunks are small, so that there are many.
		Methods: map[string]limits.Method{parcels.Spec().Name(): {
			Peer: limits.Quota{Items: limits.Rate{N: 1000, Burst: 2000}},
		}},
	}
	c.Node.Bytes = limits.Rate{N: capacity, Burst: netCapacity}
	return c
}

func (v *village) serve(t *testing.T) {
	t.Helper()
	var err error
	if v.book, err = score.New(nil); err != nil {
		t.Fatal(err)
	}
	v.limiter, err = limits.New(&limits.Options{
		Config: netConfig(netCapacity), Scores: v.book, Addr: limits.HostAddr(v.at),
	})
	if err != nil {
		t.Fatal(err)
	}
	v.server = reqresp.NewServer(v.at, &reqresp.ServerOptions{
		Limiter: counted{v}, Trace: v.book.Trace(), Middleware: []reqresp.Middleware{v.book.Middleware()},
	})
	v.server.Register(parcels.Serve(func(_ context.Context, _ peer.ID, req *parcel, send func(*parcel) error) error {
		for i := range *req {
			if err := send(&i); err != nil {
				return err
			}
		}
		return nil
	}))
	if err := v.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = v.server.Stop(ctx)
	})
}

// join connects a host of the villager's to the server.
func (p *villager) join(ctx context.Context, ip string) (host.Host, error) {
	h, err := p.newHost(ip)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.byID[h.ID()] = p
	p.mu.Unlock()
	if err := h.Connect(ctx, peer.AddrInfo{ID: p.at.ID(), Addrs: p.at.Addrs()}); err != nil {
		_ = h.Close()
		return nil, err
	}
	return h, nil
}

// settle adds villagers, whose hosts have a prefix each.
func (v *village) settle(t *testing.T, n int) []*villager {
	t.Helper()
	all := make([]*villager, n)
	for i := range all {
		p := &villager{village: v, index: i}
		var err error
		if p.host, err = p.join(t.Context(), fmt.Sprintf("198.18.%d.1", v.hosts.Load())); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.host.Close() })
		all[i] = p
	}
	return all
}

// call asks for n parcels and reads them.
func (v *village) call(ctx context.Context, c *reqresp.Client, n parcel) error {
	for _, err := range parcels.Call(ctx, c, v.at.ID(), &n) {
		if _, ok := errors.AsType[*reqresp.Error](err); ok {
			v.mu.Lock()
			v.answered++
			v.mu.Unlock()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// behave has an honest peer ask, two exchanges at a time, until ctx ends.
func (p *villager) behave(ctx context.Context, wg *sync.WaitGroup) {
	client := reqresp.NewClient(p.host, nil)
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := p.call(ctx, client, netChunks); err != nil && ctx.Err() == nil {
					p.mu.Lock()
					p.failed++
					p.mu.Unlock()
					pause(ctx, time.Second)
				}
			}
		})
	}
}

// open opens a stream, writes some bytes as a request, and reads nothing for a
// while.
func (p *villager) open(ctx context.Context, request []byte, d time.Duration) error {
	stream, err := p.host.NewStream(ctx, p.at.ID(), parcels.Spec().Protocols()[0])
	if err != nil {
		return err
	}
	defer func() { _ = stream.Reset() }()
	if _, err := stream.Write(request); err != nil {
		return err
	}
	if len(request) == 4 {
		_ = stream.CloseWrite()
	}
	pause(ctx, d)
	return nil
}
