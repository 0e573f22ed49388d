package requestresponse_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// A rig has two parties exchange requests in both directions while much goes wrong.
type rig struct {
	t        *testing.T
	seed     uint64
	unit     time.Duration // of all delays and timeouts
	graceful bool          // parties wait for what is under way when they stop
	offer    requestresponse.Protocol[Text, Text]
	down     func(bool) // takes the network down and up again; may be nil

	parties [2]*party
	seq     uint64 // of generators of random numbers
	mu      sync.Mutex
}

func newRig(t *testing.T, seed uint64, unit time.Duration, a, b host.Host) *rig {
	limits := reqresp.Limits{Timeouts: reqresp.Timeouts{
		Dial: 5 * unit, Negotiate: 5 * unit, Write: 5 * unit, FirstByte: 6 * unit, Progress: 6 * unit, Total: 8 * unit,
	}}
	g := &rig{t: t, seed: seed, unit: unit, graceful: seed%2 == 0}
	g.offer = requestresponse.Unary(reqresp.NewUnary[Text, Text](family, "fault", 1).WithLimits(limits),
		requestresponse.SupportFull)
	for i, h := range []host.Host{a, b} {
		g.parties[i] = &party{rig: g, host: h, to: []host.Host{b, a}[i].ID()}
	}
	return g
}

// random returns a generator for the use of one goroutine.
func (g *rig) random() *rand.Rand {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seq++
	return rand.New(rand.NewPCG(g.seed, g.seq))
}

// upTo returns a random time of up to so many units.
func (g *rig) upTo(r *rand.Rand, units int) time.Duration {
	return time.Duration(r.Int64N(int64(units) * int64(g.unit)))
}

// run sends requests of both parties, and checks what became of them.
func (g *rig) run(senders, requests, faults int) {
	for _, p := range g.parties {
		p.start()
	}
	var sending, failing sync.WaitGroup
	for _, p := range g.parties {
		for range senders {
			sending.Go(func() { p.send(requests) })
		}
	}
	failing.Go(func() {
		r := g.random()
		for range faults {
			time.Sleep(g.upTo(r, 4))
			g.fault(r)
		}
	})
	sending.Wait()
	failing.Wait()
	for _, p := range g.parties {
		p.stop(true)
	}
	time.Sleep(5 * g.unit) // streams that were refused are nobody's to wait for
	for _, p := range g.parties {
		p.check()
	}
}

// fault has something go wrong.
func (g *rig) fault(r *rand.Rand) {
	p := g.parties[r.IntN(2)]
	switch kind := r.IntN(8); {
	case kind == 0:
		_ = p.host.Network().ClosePeer(p.to)
	case kind == 1:
		p.stop(g.graceful)
		time.Sleep(g.upTo(r, 1))
		p.start()
	case kind == 2 && g.down != nil:
		g.down(true)
		time.Sleep(g.upTo(r, 3))
		g.down(false)
	default:
		for _, conn := range p.host.Network().ConnsToPeer(p.to) {
			for _, stream := range conn.GetStreams() {
				if r.IntN(2) == 0 {
					_ = stream.ResetWithError(network.StreamErrorCode(r.IntN(0x2000)))
				}
			}
		}
	}
}

// A party is one side. What it saw is kept for each of its event faces, as it is restarted.
type party struct {
	rig  *rig
	host host.Host
	to   peer.ID

	mu      sync.Mutex
	face    *textFace
	tally   *tally
	tallies []*tally
	events  sync.WaitGroup // who receives and answers
}

func (p *party) start() {
	own := newTally()
	opts := &requestresponse.Options{
		MaxEvents: 1 << 16, // what a Stop that does not wait finds no room for is lost
		Server:    &reqresp.ServerOptions{MaxStreamsPerPeer: 12, Trace: own.trace()},
		Client:    &reqresp.ClientOptions{MaxCallsPerPeer: 14, MaxQueued: 10, Trace: own.trace()},
	}
	if p.rig.graceful {
		opts.MaxEvents = 2
	}
	face := requestresponse.New(p.host, opts, p.rig.offer)
	if err := face.Start(); err != nil {
		p.rig.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.face, p.tally, p.tallies = face, own, append(p.tallies, own)
	p.events.Go(func() { p.receive(face, own) })
}

func (p *party) stop(graceful bool) {
	face, _ := p.current()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if !graceful {
		time.AfterFunc(p.rig.unit, cancel)
	}
	if err := face.Stop(ctx); err != nil && graceful {
		p.rig.t.Error(err)
	}
	p.events.Wait()
}

func (p *party) current() (*textFace, *tally) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.face, p.tally
}

// send sends requests, and cancels some of them.
func (p *party) send(requests int) {
	r := p.rig.random()
	var cancels []context.CancelFunc
	for range requests {
		time.Sleep(p.rig.upTo(r, 1))
		ctx, cancel := context.WithCancel(context.Background())
		var o reqresp.CallOptions
		switch r.IntN(6) {
		case 0:
			cancel()
		case 1:
			time.AfterFunc(p.rig.upTo(r, 5), cancel)
		case 2:
			o.Timeouts.FirstByte = p.rig.upTo(r, 3)
		}
		cancels = append(cancels, cancel)
		face, own := p.current()
		if id, err := face.SendRequestWith(ctx, p.to, Text(make([]byte, r.IntN(30_000))), o); err == nil {
			own.sent(id)
		}
	}
	time.Sleep(10 * p.rig.unit)
	for _, cancel := range cancels {
		cancel()
	}
}

// receive takes events to their end, and answers requests in all the ways there are.
func (p *party) receive(face *textFace, own *tally) {
	var answers sync.WaitGroup
	defer answers.Wait()
	r := p.rig.random()
	for event := range face.Events() {
		own.received(event)
		if msg, ok := event.(textMsg); ok && msg.Request != nil {
			how, wait := r.IntN(10), p.rig.upTo(r, 10)
			answers.Go(func() { answerSomehow(face, msg.Request, how, wait) })
		}
		if r.IntN(20) == 0 {
			time.Sleep(p.rig.upTo(r, 1))
		}
	}
}

func answerSomehow(face *textFace, req *requestresponse.RequestMessage[Text, Text], how int, wait time.Duration) {
	switch how {
	case 0:
		req.Channel.Close()
	case 1:
		// Never.
	case 2:
		_ = face.SendError(req.Channel, reqresp.Errorf(reqresp.CodeResourceUnavailable, "gone"))
	case 3:
		go req.Channel.Close()
		_, _ = face.SendResponse(req.Channel, "")
	case 4, 5:
		time.Sleep(wait)
		_, _ = face.SendResponse(req.Channel, Text(make([]byte, 100_000)))
	default:
		_, _ = face.SendResponse(req.Channel, req.Request)
	}
}

func (p *party) check() {
	t := p.rig.t
	for _, own := range p.tallies {
		own.check(t)
	}
	if p.host.ConnManager().IsProtected(p.to, "") {
		t.Error("the connection is protected after all is over")
	}
}

func TestScenario28EveryExchangeEndsOnce(t *testing.T) {
	for seed := range uint64(4) {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				s.Server.Peerstore().AddAddrs(s.Client.ID(), s.Client.Addrs(), peerstore.PermanentAddrTTL)
				g := newRig(t, seed, time.Second, s.Client, s.Server)
				g.down = s.Down.Store
				g.run(5, 40, 40)
				g.wantVariety()
				time.Sleep(time.Minute) // identify's own streams end
				if n := streams(s.Client) + streams(s.Server); n != 0 {
					t.Errorf("%d streams are left", n)
				}
			})
		})
	}
}

func TestScenario28EveryExchangeEndsOnceOnEveryTransport(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		server.Peerstore().AddAddrs(client.ID(), client.Addrs(), peerstore.PermanentAddrTTL)
		g := newRig(t, rand.Uint64(), 25*time.Millisecond, client, server)
		g.run(5, 30, 20)
		for _, h := range []host.Host{client, server} {
			for _, conn := range h.Network().Conns() {
				_ = conn.Close()
			}
		}
		for _, pair := range [][2]host.Host{{client, server}, {server, client}} {
			simtest.WaitFor(t, "the resource manager to be at zero",
				func() bool { return held(pair[0], pair[1].ID()) == network.ScopeStat{} })
			if pair[0].ConnManager().IsProtected(pair[1].ID(), "") {
				t.Error("a connection is protected after all is over")
			}
		}
	})
}

// wantVariety checks that enough went wrong, and well.
func (g *rig) wantVariety() {
	all := make(map[reqresp.Reason]int)
	for _, p := range g.parties {
		for _, own := range p.tallies {
			for reason, n := range own.reasons {
				all[reason] += n
			}
		}
	}
	for _, reason := range []reqresp.Reason{
		reqresp.ReasonSuccess, reqresp.ReasonErrorResponse, reqresp.ReasonViolation, reqresp.ReasonTimeout,
		reqresp.ReasonCancelled, reqresp.ReasonReset,
	} {
		if all[reason] == 0 {
			g.t.Errorf("no exchange ended for reason %v: %v", reason, all)
		}
	}
	g.t.Logf("ends: %v", all)
}

// A tally counts what is told of the exchanges of one event face, by their IDs.
type tally struct {
	mu sync.Mutex

	requests   map[requestresponse.OutboundRequestID]int // that SendRequest took
	outEnds    map[requestresponse.OutboundRequestID]int // last events
	outStarted map[requestresponse.OutboundRequestID]int // by the trace
	outDone    map[requestresponse.OutboundRequestID]int

	delivered map[requestresponse.InboundRequestID]int
	inEnds    map[requestresponse.InboundRequestID]int
	inStarted map[requestresponse.InboundRequestID]int
	inDone    map[requestresponse.InboundRequestID]int

	reasons map[reqresp.Reason]int
}

func newTally() *tally {
	out := func() map[requestresponse.OutboundRequestID]int {
		return make(map[requestresponse.OutboundRequestID]int)
	}
	in := func() map[requestresponse.InboundRequestID]int { return make(map[requestresponse.InboundRequestID]int) }
	return &tally{
		requests: out(), outEnds: out(), outStarted: out(), outDone: out(),
		delivered: in(), inEnds: in(), inStarted: in(), inDone: in(),
		reasons: make(map[reqresp.Reason]int),
	}
}

func count[ID comparable](c *tally, m map[ID]int, id ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m[id]++
}

func (c *tally) sent(id requestresponse.OutboundRequestID) { count(c, c.requests, id) }

func (c *tally) received(event requestresponse.Event) {
	switch e := event.(type) {
	case textMsg:
		if e.Request != nil {
			count(c, c.delivered, e.Request.ID)
			return
		}
		count(c, c.outEnds, e.Response.ID)
		count(c, c.reasons, reqresp.ReasonSuccess)
	case requestresponse.OutboundFailure:
		count(c, c.outEnds, e.ID)
		count(c, c.reasons, e.Reason)
	case requestresponse.ResponseSent:
		count(c, c.inEnds, e.ID)
	case requestresponse.InboundFailure:
		count(c, c.inEnds, e.ID)
	}
}

func (c *tally) trace() *reqresp.Trace {
	return &reqresp.Trace{
		Start: func(x *reqresp.Exchange) {
			if x.Inbound {
				count(c, c.inStarted, requestresponse.InboundRequestID(x.ID))
			} else {
				count(c, c.outStarted, requestresponse.OutboundRequestID(x.ID))
			}
		},
		Done: func(x *reqresp.Exchange) {
			if x.Inbound {
				count(c, c.inDone, requestresponse.InboundRequestID(x.ID))
			} else {
				count(c, c.outDone, requestresponse.OutboundRequestID(x.ID))
			}
		},
	}
}

// check wants exactly one last event for each request, and one Done for each Start.
func (c *tally) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	onceEach(t, "last events of requests sent", c.requests, c.outEnds)
	onceEach(t, "calls started", c.requests, c.outStarted)
	onceEach(t, "calls done", c.outStarted, c.outDone)
	onceEach(t, "last events of requests delivered", c.delivered, c.inEnds)
	onceEach(t, "streams done", c.inStarted, c.inDone)
}

func onceEach[ID comparable](t *testing.T, what string, of, ends map[ID]int) {
	t.Helper()
	for id, n := range of {
		if n != 1 || ends[id] != 1 {
			t.Errorf("%s: %v begins %d times and ends %d times", what, id, n, ends[id])
		}
	}
	for id, n := range ends {
		if of[id] == 0 {
			t.Errorf("%s: %v, which is unknown, %d times", what, id, n)
		}
	}
}
