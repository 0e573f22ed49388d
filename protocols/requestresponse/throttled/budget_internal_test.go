package throttled

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

func TestScenario40SendBudgetSaturates(t *testing.T) {
	for _, tt := range []struct{ have, credit, want uint16 }{
		{0, 0, 0}, {0, 1, 1}, {1, 65534, 65535}, {1, 65535, 65535}, {65535, 65535, 65535},
	} {
		s := &sendBudget{remaining: tt.have}
		if resumed := s.accept(0, tt.credit); s.remaining != tt.want || resumed != (tt.have == 0 && tt.credit > 0) {
			t.Errorf("%d and a credit of %d make %d, resumed %t", tt.have, tt.credit, s.remaining, resumed)
		}
	}
}

// A pair is what both sides know of the requests that one may send.
type pair struct {
	send  *sendBudget
	recv  *recvBudget
	limit uint16
	grant uint64
	exact bool // there was never more in doubt than is accounted for
}

// settle replenishes and delivers what is due.
func (p *pair) settle(t *testing.T) {
	t.Helper()
	p.exact = p.exact && p.recv.doubt <= p.limit
	p.recv.replenish(p.limit)
	p.deliver(t)
}

func (p *pair) deliver(t *testing.T) {
	t.Helper()
	for g := p.recv.next(p.grant); g != nil; g = p.recv.next(p.grant) {
		p.grant++
		if p.exact && p.send.remaining > math.MaxUint16-g.credit {
			t.Fatalf("a grant of %d to a peer that has %d overflows", g.credit, p.send.remaining)
		}
		p.send.accept(g.id, g.credit)
		p.recv.grant = nil // acknowledged
	}
}

// step lets something happen.
func (p *pair) step(t *testing.T, n int) {
	t.Helper()
	switch n {
	case 0: // a request gets lost
		if p.send.spend() {
			p.recv.lose()
		}
	case 1: // something else gets lost
		p.recv.lose()
	case 2: // one of two connections ends, perhaps with a request
		p.send.spend()
		p.send.remaining = max(1, p.send.remaining)
		p.recv.suspect()
	case 3: // all connections end
		p.send, p.recv, p.exact = newSendBudget(), p.recv.disconnected(), true
		p.recv.connected()
		p.deliver(t)
	default:
		if !p.send.spend() {
			t.Fatalf("the peer stalls: %+v", p.recv)
		}
		if !p.recv.receive() && p.exact {
			t.Fatalf("the peer is refused, which has %d left: %+v", p.send.remaining, p.recv)
		}
	}
	p.settle(t)
}

// TestBudgetsOfBothSidesAgree has a peer, which counts for itself, send as much as it may while
// requests and connections get lost. It never stalls, and is not refused.
func TestBudgetsOfBothSidesAgree(t *testing.T) {
	for _, limit := range []uint16{1, 2, 5, 1000, math.MaxUint16} {
		for seed := range uint64(30) {
			rng := rand.New(rand.NewPCG(seed, uint64(limit)))
			p := &pair{send: newSendBudget(), recv: newRecvBudget(), limit: limit, exact: true}
			for range 3000 {
				p.step(t, rng.IntN(40))
				if low := p.recv.remaining - p.recv.doubt; low > p.send.remaining || p.exact &&
					p.recv.remaining < p.send.remaining {
					t.Fatalf("limit %d, seed %d: the peer has %d left, want between %d and %d", limit, seed, p.send.remaining, low,
						p.recv.remaining)
				}
			}
		}
	}
}

// TestCreditThatIsSpentIsNotGranted has a peer send requests with credit that it is yet to be
// granted.
func TestCreditThatIsSpentIsNotGranted(t *testing.T) {
	r := newRecvBudget()
	r.receive()
	r.replenish(5)
	for range 3 {
		r.receive()
	}
	if g := r.next(1); g == nil || g.credit != 2 || g.free != 0 {
		t.Errorf("got grant %+v, want the credit for 2 requests that is left", g)
	}
	for range 2 {
		r.receive()
	}
	r.owe(5)
	if g := r.next(2); g != nil {
		t.Errorf("got grant %+v, want none", g)
	}
}

func TestDoubtEndsWithTheConnections(t *testing.T) {
	r := &recvBudget{remaining: 9, doubt: 3}
	if r = r.disconnected(); r.remaining != 6 || r.doubt != 0 {
		t.Errorf("got %+v, want 6 remaining", r)
	}
	r = &recvBudget{remaining: 3, doubt: 3}
	if r = r.disconnected(); r.remaining != 1 || r.doubt != 0 {
		t.Errorf("got %+v, want 1 remaining", r)
	}
}

// TestWhatComesLateChangesNothing has requests end that belong to connections which are gone.
func TestWhatComesLateChangesNothing(t *testing.T) {
	bs := newBudgets(nil, nil)
	b := bs.newBudgetLocked("peer")
	bs.online[b.peer] = b
	late := newSendBudget()
	b.recv.receive()
	b.send.spend()
	late.spend()
	bs.done(b.peer, newRecvBudget())
	bs.refund(b.peer, late)
	if b.recv.remaining != 0 || b.send.remaining != 0 || len(bs.resumed) != 0 {
		t.Errorf("late ends make budgets of %+v and %+v, resumed %v", b.recv, b.send, bs.resumed)
	}
	bs.done(b.peer, b.recv)
	bs.refund(b.peer, b.send)
	if b.recv.remaining != 1 || b.send.remaining != 1 || len(bs.resumed) != 1 {
		t.Errorf("timely ends make budgets of %+v and %+v, resumed %v", b.recv, b.send, bs.resumed)
	}
}

func TestOfflinePeersAreForgottenInOrder(t *testing.T) {
	id := func(i int) peer.ID { return peer.ID(fmt.Sprint("peer ", i)) }
	o := newOffline(3)
	for i := range 3 {
		o.put(&budget{peer: id(i)})
	}
	if o.get(id(0)) == nil { // which makes it the latest
		t.Error("peer 0 is not known")
	}
	o.put(&budget{peer: id(3)})
	for i, want := range []bool{true, false, true, true} {
		if got := o.get(id(i)); (got != nil) != want || want && got.peer != id(i) {
			t.Errorf("peer %d is known as %+v, want %t", i, got, want)
		}
	}
	if b := o.take(id(2)); b == nil || o.take(id(2)) != nil || o.get(id(2)) != nil || o.recent.Len() != 2 ||
		len(o.peers) != 2 {
		t.Errorf("peer 2 is taken as %+v, and not forgotten", b)
	}
}
