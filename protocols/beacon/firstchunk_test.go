package beacon_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// TestSmallAnswersComeWithinFourSeconds has a peer ask again and again, more often than its limit
// grants. Every request is answered within 4 s of its end, or reset with the resource-limit code.
func TestSmallAnswersComeWithinFourSeconds(t *testing.T) {
	const within = 4*time.Second + 50*time.Millisecond // and what the network takes
	once := limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: time.Minute, Burst: 1}}}
	for name, tc := range map[string]struct {
		config      limits.Config
		atATime     int
		inARow      int
		least, most int // answers
	}{
		"ten statuses by default":            {limits.Config{Methods: quota.Served()}, 1, 10, 10, 10},
		"a hundred statuses by default":      {limits.Config{Methods: quota.Served()}, 1, 100, 100, 100},
		"eighteen statuses at once":          {limits.Config{Methods: quota.Served()}, 18, 1, 18, 18},
		"sixteen at once, again and again":   {limits.Config{Methods: quota.Served()}, 16, 10, 30, 60},
		"more than the configuration grants": {limits.Config{Methods: map[string]limits.Method{"status": once}}, 1, 10, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, client, server host.Host) {
				limiter, err := limits.New(&limits.Options{Config: tc.config})
				if err != nil {
					t.Fatal(err)
				}
				var overdrawn atomic.Int64
				srv := serve(t, server, devChain(), beacon.ServerOptions{
					Limiter: limiter, Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) {
						if errors.Is(x.Err, limits.ErrOverdrawn) {
							overdrawn.Add(1)
						}
					}},
				})
				connect(t, client, server)
				spec := row(beacon.NewFamily(devNetwork()), "status", 1).Spec()
				// It has more requests in flight than the consensus specs allow.
				c := reqresp.NewClient(client, nil)
				mine := statusOf(t, srv)
				var mu sync.Mutex
				var askers sync.WaitGroup
				answers := 0
				for range tc.atATime {
					askers.Go(func() {
						for range tc.inARow {
							start := time.Now()
							err := callStatus(t.Context(), c, server.ID(), spec, &mine)
							switch took := time.Since(start); {
							case took > within:
								t.Errorf("a request ended after %v: %v", took, err)
							case err == nil:
								mu.Lock()
								answers++
								mu.Unlock()
							case !errors.Is(err, reqresp.ErrRefused):
								t.Errorf("a request failed with %v", err)
							}
						}
					})
				}
				askers.Wait()
				if answers < tc.least || answers > tc.most {
					t.Errorf("%d requests were answered, want %d to %d", answers, tc.least, tc.most)
				}
				if n := overdrawn.Load(); int(n) != tc.atATime*tc.inARow-answers {
					t.Errorf("%d requests were overdrawn", n)
				}
			})
		})
	}
}

// statusOf returns what a server tells, as version 1 has it.
func statusOf(t *testing.T, srv *beacon.Server) ssz.StatusV1 {
	t.Helper()
	s, err := srv.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ssz.StatusV1{
		ForkDigest: s.ForkDigest, FinalizedRoot: s.FinalizedRoot, FinalizedEpoch: s.FinalizedEpoch,
		HeadRoot: s.HeadRoot, HeadSlot: s.HeadSlot,
	}
}

// TestBlocksComeUntilTheOverdraftIsUsedUp asks for more blocks than the limit grants.
func TestBlocksComeUntilTheOverdraftIsUsedUp(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		limiter, err := limits.New(&limits.Options{Config: limits.Config{Methods: map[string]limits.Method{
			"beacon_blocks_by_range": {Peer: limits.Quota{Items: limits.Rate{N: 1, Per: time.Minute, Burst: 1}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		serve(t, server, devChain(), beacon.ServerOptions{Limiter: limiter})
		connect(t, client, server)
		c := newClient(client)
		for i, want := range []int{4, 0} {
			start := time.Now()
			blocks, err := collect(c.BlocksByRange(t.Context(), server.ID(), firstSlot, 20))
			if len(blocks) != want || !errors.Is(err, reqresp.ErrRefused) || !beacon.IsRateLimited(err) {
				t.Errorf("request %d: %d blocks and %v, want %d and %v", i, len(blocks), err, want, reqresp.ErrRefused)
			}
			within := time.Duration(want)*8*time.Second + 50*time.Millisecond
			if want == 0 {
				within = 4*time.Second + 50*time.Millisecond
			}
			if took := time.Since(start); took > within {
				t.Errorf("request %d ended after %v", i, took)
			}
		}
	})
}

// callStatus makes a unary call that nothing keeps to the maximum of concurrent requests.
func callStatus(ctx context.Context, c *reqresp.Client, to peer.ID, spec *reqresp.Spec, status *ssz.StatusV1) error {
	out, err := c.Open(ctx, to, spec)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Send(status); err != nil {
		return err
	}
	return out.Receive(new(ssz.StatusV1))
}
