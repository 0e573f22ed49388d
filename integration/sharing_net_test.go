package integration_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const (
	netHonest   = 10
	netHostile  = 100
	netChunk    = 32 << 10
	netChunks   = 32
	netCapacity = 4 << 20 // bytes each second
)

// A parcel is a response; as a request it is how many of them are wanted.
type parcel uint32

// MaxChunks implements reqresp.BoundedRequest.
func (p *parcel) MaxChunks() int { return int(*p) }

// parcelCodec lays out a request as four bytes and a response as netChunk of
// them, of which the first is zero. An error is one byte.
type parcelCodec struct{}

func (parcelCodec) Name() string { return "" }

func (parcelCodec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(*req.(*parcel))), nil
}

func (parcelCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, _ int, req any) error {
	b, err := io.ReadAll(io.LimitReader(r, 5))
	if err == nil && len(b) != 4 {
		err = fmt.Errorf("request of %d bytes", len(b))
	}
	if err != nil {
		return err
	}
	*req.(*parcel) = parcel(binary.BigEndian.Uint32(b))
	return nil
}

func (parcelCodec) AppendResponse(dst []byte, _ protocol.ID, _ any) ([]byte, error) {
	return append(dst, make([]byte, netChunk)...), nil
}

func (parcelCodec) AppendError(dst []byte, _ protocol.ID, e *reqresp.Error) ([]byte, error) {
	return append(dst, byte(e.Code)), nil
}

func (parcelCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, _ int, _ any) error {
	code, err := r.ReadByte()
	if err != nil {
		return err
	}
	if code != 0 {
		return &reqresp.Error{Code: reqresp.Code(code), Remote: true}
	}
	var b [netChunk - 1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	return nil
}

var parcels = reqresp.NewStream[parcel, parcel](
	reqresp.Family{Prefix: "/test", Codec: parcelCodec{}}, "parcels", reqresp.Limits{}, 1)

// A village is hosts on a simulated network, of which the first is a server.
type village struct {
	server  host.Host
	peers   []host.Host // the honest ones first
	book    *score.Book
	limiter *limits.Limiter

	mu       sync.Mutex
	sent     map[peer.ID]uint64
	answered int // exchanges of anybody that got an error chunk for being limited
	refused  int // exchanges of honest peers that failed
	lowest   float64
}

// Observe implements limits.Observer.
func (v *village) Observe(e limits.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.Kind == limits.EventSent {
		v.sent[e.Peer] += e.Cost.Bytes
	}
	if _, ok := errors.AsType[*reqresp.Error](e.Err); ok {
		v.answered++
	}
}

func newVillage(t *testing.T) *village {
	t.Helper()
	v := &village{sent: make(map[peer.ID]uint64)}
	link := simnet.LinkSettings{BitsPerSecond: 1000 * simlibp2p.OneMbps}
	nw, meta, err := simlibp2p.SimpleLibp2pNetwork([]simlibp2p.NodeLinkSettingsAndCount{{
		LinkSettings: simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}, Count: 1 + netHonest + netHostile,
	}}, simnet.StaticLatency(20*time.Millisecond), simlibp2p.NetworkSettings{})
	if err != nil {
		t.Fatal(err)
	}
	nw.Logger = slog.New(slog.DiscardHandler)
	nw.Start()
	t.Cleanup(nw.Close)
	for _, h := range meta.Nodes {
		t.Cleanup(func() { _ = h.Close() })
	}
	v.server, v.peers = meta.Nodes[0], meta.Nodes[1:]
	v.serve(t)
	for _, h := range v.peers {
		if err := h.Connect(t.Context(), peer.AddrInfo{ID: v.server.ID(), Addrs: v.server.Addrs()}); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

func (v *village) serve(t *testing.T) {
	t.Helper()
	var err error
	if v.book, err = score.New(nil); err != nil {
		t.Fatal(err)
	}
	// The chunks are small, so that there are many.
	c := limits.Config{Methods: map[string]limits.Method{parcels.Spec().Name: {
		Peer: limits.Quota{Items: limits.Rate{N: 1000, Burst: 2000}},
	}}}
	c.Node.Bytes = limits.Rate{N: netCapacity, Burst: netCapacity}
	if v.limiter, err = limits.New(&limits.Options{Config: c, Scores: v.book, Observer: v}); err != nil {
		t.Fatal(err)
	}
	srv := reqresp.NewServer(v.server, &reqresp.ServerOptions{
		Pacer: v.limiter, Middleware: []reqresp.Middleware{v.book.Middleware()},
		// So many that a hundred peers who take all they can overrun their queues
		// before the server has no more streams for them, which nobody is blamed for.
		MaxStreams: 4096,
	})
	srv.Register(parcels.Serve(func(_ context.Context, _ peer.ID, req *parcel, send func(*parcel) error) error {
		for i := range *req {
			if err := send(&i); err != nil {
				return err
			}
		}
		return nil
	}))
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Stop(ctx)
	})
}

// call asks for n parcels and reads them.
func (v *village) call(ctx context.Context, c *reqresp.Client, n parcel) error {
	for _, err := range parcels.Call(ctx, c, v.server.ID(), &n) {
		if err != nil {
			return err
		}
	}
	return nil
}

// behave has an honest peer ask, two exchanges at a time, until ctx ends.
func (v *village) behave(ctx context.Context, wg *sync.WaitGroup, h host.Host) {
	client := reqresp.NewClient(h, nil)
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := v.call(ctx, client, netChunks); err != nil && ctx.Err() == nil {
					v.mu.Lock()
					v.refused++
					v.mu.Unlock()
					pause(ctx, time.Second)
				}
			}
		})
	}
}

// repeat runs f some times at once, again and again until ctx ends.
func repeat(ctx context.Context, wg *sync.WaitGroup, n int, f func()) {
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				f()
				pause(ctx, time.Second)
			}
		})
	}
}

// open opens a stream, writes some bytes as a request, and reads nothing for a
// while.
func (v *village) open(ctx context.Context, h host.Host, request []byte, d time.Duration) {
	stream, err := h.NewStream(ctx, v.server.ID(), parcels.Spec().Protocols[0])
	if err != nil {
		return
	}
	defer func() { _ = stream.Reset() }()
	if _, err := stream.Write(request); err != nil {
		return
	}
	if len(request) == 4 {
		_ = stream.CloseWrite()
	}
	pause(ctx, d)
}

// A netAttack is what an attacker does with his host.
type netAttack struct {
	name string
	run  func(ctx context.Context, wg *sync.WaitGroup, v *village, h host.Host)
}

var netAttacks = []netAttack{
	{"stalled reader", func(ctx context.Context, wg *sync.WaitGroup, v *village, h host.Host) {
		repeat(ctx, wg, 2, func() { v.open(ctx, h, []byte{0, 0, 2, 0}, time.Minute) })
	}},
	{"stream opener", func(ctx context.Context, wg *sync.WaitGroup, v *village, h host.Host) {
		repeat(ctx, wg, 40, func() { v.open(ctx, h, []byte{0}, 16*time.Second) })
	}},
	{"empty-range asker", func(ctx context.Context, wg *sync.WaitGroup, v *village, h host.Host) {
		client := reqresp.NewClient(h, &reqresp.ClientOptions{MaxConcurrent: 30})
		repeat(ctx, wg, 30, func() { _ = v.call(ctx, client, 0) })
	}},
}

// gotten returns what each peer was sent so far.
func (v *village) gotten() (honest, hostile []float64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, h := range v.peers {
		if i < netHonest {
			honest = append(honest, float64(v.sent[h.ID()]))
		} else {
			hostile = append(hostile, float64(v.sent[h.ID()]))
		}
	}
	return honest, hostile
}

// watch lets time pass, looks at the scores meanwhile, and returns the mean weight
// of attackers.
func (v *village) watch(d time.Duration) float64 {
	var weights []float64
	for range d / time.Second {
		time.Sleep(time.Second)
		for i, h := range v.peers {
			if i < netHonest {
				v.lowest = min(v.lowest, v.book.Score(h.ID()))
			} else {
				weights = append(weights, max(v.book.Weight(h.ID()), limits.MinWeight))
			}
		}
	}
	return mean(weights)
}

// playNet lets the attack work for a while and then measures.
func playNet(t *testing.T, a netAttack) result {
	v := newVillage(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, h := range v.peers {
		if i < netHonest {
			v.behave(ctx, &wg, h)
		} else {
			a.run(ctx, &wg, v, h)
		}
	}
	v.watch(time.Minute)
	h0, a0 := v.gotten()
	const measured = 10 * time.Second
	weight := v.watch(measured)
	h1, a1 := v.gotten()
	cancel()
	wg.Wait()

	h, at := since(h1, h0), since(a1, a0)
	entitled := netCapacity * measured.Seconds() * netHonest / (netHonest + weight*netHostile)
	return result{
		name: a.name, honest: netHonest, hostile: netHostile,
		jain: jain(h), kept: sum(h) / entitled, ratio: mean(h) / mean(at), weight: weight, lowest: v.lowest,
		failed: uint64(v.refused), answered: uint64(v.answered),
		tracked: v.limiter.Peers(), bound: limits.DefaultMaxPeers,
	}
}

// TestHonestPeersKeepTheirShareOverANetwork attacks a server over simulated
// connections, with ten attackers for every honest peer.
func TestHonestPeersKeepTheirShareOverANetwork(t *testing.T) {
	if raceEnabled {
		t.Skip("a hundred hosts take too long under the race detector, which the limiter's own tests run with")
	}
	var table strings.Builder
	for _, a := range netAttacks {
		t.Run(a.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := playNet(t, a)
				fmt.Fprintln(&table, r)
				r.check(t, attack{a.name, true, nil})
			})
		})
	}
	t.Logf("\n%s\n%s", header, table.String())
}
