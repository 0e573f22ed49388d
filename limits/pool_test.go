package limits_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestNodeAndMethodQuotasBoundAllPeers(t *testing.T) {
	t.Parallel()
	rate := limits.Rate{N: 2, Burst: 4}
	only := func(q limits.Quota) limits.Config {
		return onlyBlocks(limits.Quota{}, limits.Config{Node: limits.Quota{
			Requests: orAmple(q.Requests), Items: orAmple(q.Items), Bytes: orAmple(q.Bytes),
		}})
	}
	ofMethod := func(q limits.Quota) limits.Config {
		c := only(limits.Quota{})
		c.Methods[blocks.Name()] = limits.Method{Node: q}
		return c
	}
	for name, tc := range map[string]struct {
		config limits.Config
		cost   reqresp.Cost
		other  time.Duration // when a peer can use another method, after all was used
	}{
		"node's requests":   {only(limits.Quota{Requests: rate}), reqresp.Cost{Items: 1}, s / 2},
		"node's items":      {only(limits.Quota{Items: rate}), reqresp.Cost{Items: 1}, s / 2},
		"node's bytes":      {only(limits.Quota{Bytes: rate}), reqresp.Cost{Items: 1, Bytes: 1}, s / 2},
		"method's requests": {ofMethod(limits.Quota{Requests: rate}), reqresp.Cost{Items: 1}, 0},
		"method's items":    {ofMethod(limits.Quota{Items: rate}), reqresp.Cost{Items: 1}, 0},
		"method's bytes":    {ofMethod(limits.Quota{Bytes: rate}), reqresp.Cost{Items: 1, Bytes: 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, err := limits.New(&limits.Options{Config: tc.config})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				for i := range 8 {
					spend(t, l, peerID(i), tc.cost)
				}
				wantAt(t, "use of 8, of which 4 were there", start, 2*s)
				start = time.Now()
				pace := admit(t, l, alice, status)
				send(t, pace, tc.cost)
				pace.Release()
				wantAt(t, "use of another method", start, tc.other)
			})
		})
	}
}

func orAmple(r limits.Rate) limits.Rate {
	if r == (limits.Rate{}) {
		return ample
	}
	return r
}

func TestNodeIsOwedWhatChunksTakeBeyond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, limits.Quota{}, nodeBytes(limits.Rate{N: 100}))
		pace := admit(t, l, alice, blocks)
		reserve(t, pace, reqresp.Cost{Items: 1, Bytes: 50})
		pace.Settle(reqresp.Cost{Items: 1, Bytes: 250})
		pace.Release()
		start := time.Now()
		spend(t, l, bob, reqresp.Cost{Items: 1, Bytes: 100})
		wantAt(t, "the chunk of another peer", start, 2500*time.Millisecond)
	})
}

// TestWaitersSeeWhatChanges has an exchange wait for what the node has, and more of it come.
func TestWaitersSeeWhatChanges(t *testing.T) {
	t.Parallel()
	hourly := limits.Rate{N: 400, Per: time.Hour, Burst: 400}
	raise := func(c *limits.Config) { c.Node = limits.Quota{Requests: ample, Items: ample, Bytes: ample} }
	for name, tc := range map[string]struct {
		node   limits.Quota
		change func(l *limits.Limiter, pace reqresp.Admission) error
	}{
		"a new rate of bytes": {limits.Quota{Bytes: hourly}, func(l *limits.Limiter, _ reqresp.Admission) error {
			c := l.Config()
			raise(&c)
			return l.Apply(c)
		}},
		"a new rate of requests": {limits.Quota{Requests: limits.Rate{N: 1, Per: time.Hour}}, func(l *limits.Limiter, _ reqresp.Admission) error {
			c := l.Config()
			raise(&c)
			return l.Apply(c)
		}},
		"bytes that are not used": {limits.Quota{Bytes: hourly}, func(_ *limits.Limiter, pace reqresp.Admission) error {
			pace.Settle(reqresp.Cost{Items: 1, Bytes: 1})
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := limits.Quota{Requests: orAmple(tc.node.Requests), Items: ample, Bytes: orAmple(tc.node.Bytes)}
				l := newLimiter(t, limits.Quota{}, limits.Config{Node: q})
				pace := admit(t, l, alice, blocks)
				defer pace.Release()
				reserve(t, pace, reqresp.Cost{Items: 1, Bytes: 400})
				start := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() { spend(t, l, bob, reqresp.Cost{Items: 1, Bytes: 100}) })
				time.Sleep(s)
				if err := tc.change(l, pace); err != nil {
					t.Fatal(err)
				}
				wg.Wait()
				wantAt(t, "the chunk of one who waits", start, s)
			})
		})
	}
}

// TestThoseThatWaitGoOneAfterTheOther has exchanges wait for a budget while nothing else happens.
func TestThoseThatWaitGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	each := limits.Rate{N: 100, Burst: 100}
	for name, tc := range map[string]struct {
		own, node limits.Quota
		peers     []peer.ID
	}{
		"the node's":     {limits.Quota{}, limits.Quota{Requests: ample, Items: ample, Bytes: each}, []peer.ID{"a", "b", "c", "d"}},
		"the peer's own": {limits.Quota{Bytes: each}, limits.Quota{}, []peer.ID{"a", "a", "a", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimiter(t, tc.own, limits.Config{Node: tc.node, MaxConcurrent: 4})
				pace := admit(t, l, "teacher", blocks)
				send(t, pace, reqresp.Cost{Items: 1, Bytes: 1}) // what is promised is small then
				pace.Release()
				time.Sleep(s)
				var paces []reqresp.Admission
				for _, id := range tc.peers {
					paces = append(paces, admit(t, l, id, blocks))
				}
				start := time.Now()
				var wg sync.WaitGroup
				for i, p := range paces {
					wg.Go(func() {
						reserve(t, p, reqresp.Cost{Items: 1, Bytes: 100})
						wantAt(t, "chunk", start, time.Duration(i)*s)
					})
					synctest.Wait()
				}
				wg.Wait()
				for _, p := range paces {
					p.Release()
				}
			})
		})
	}
}

// TestWhoWaitsForTheNodeTakesNothingOfItsMethod has a chunk wait for bytes of the node while its method has just the
// item that it needs.
func TestWhoWaitsForTheNodeTakesNothingOfItsMethod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := onlyBlocks(limits.Quota{}, nodeBytes(limits.Rate{N: 100, Burst: 100}))
		c.Methods[blocks.Name()] = limits.Method{Node: limits.Quota{Items: limits.Rate{N: 2, Per: time.Hour}}}
		l, err := limits.New(&limits.Options{Config: c})
		if err != nil {
			t.Fatal(err)
		}
		spend(t, l, alice, reqresp.Cost{Items: 1, Bytes: 100})
		start := time.Now()
		spend(t, l, bob, reqresp.Cost{Items: 1, Bytes: 100})
		wantAt(t, "the chunk", start, s)
	})
}
