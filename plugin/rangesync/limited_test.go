package rangesync_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

var limited = answer{raw: verdict(beacon.CodeRateLimited, "Wait 3s")}

// wantLimited checks that a peer was given up because it refused for as long as is bearable.
func wantLimited(t *testing.T, err error, want rangesync.LimitedError) {
	t.Helper()
	e, ok := errors.AsType[*rangesync.LimitedError](err)
	if !ok || !beacon.IsRateLimited(err) {
		t.Fatalf("error %v, want that the peer is limited", err)
	}
	if e.Peer != want.Peer || e.After != want.After || e.Refusals != want.Refusals || e.For < want.For || e.For > want.For+time.Second {
		t.Errorf("error %+v\nwant  %+v", e, want)
	}
	if !strings.Contains(err.Error(), want.Peer.String()) || !strings.Contains(err.Error(), "Wait 3s") {
		t.Errorf("error %q, want one with the peer and its refusal", err)
	}
}

func TestPeerThatIsLimitedForGoodIsGivenUp(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	givenUp := func(tt *syncTest, after ssz.Slot) *syncTest {
		tt.err = errAny
		tt.check = func(t *testing.T, _ *store.Store, _ rangesync.Result, err error) {
			e, ok := errors.AsType[*rangesync.LimitedError](err)
			if !ok {
				t.Fatalf("error %v, want that the peer is limited", err)
			}
			wantLimited(t, err, rangesync.LimitedError{Peer: e.Peer, After: after, Refusals: len(patience) + 1, For: 5 * time.Minute})
		}
		return tt
	}
	// first answers so many requests, and refuses all others.
	first := func(n int, a *answer) func(request) *answer {
		return func(r request) *answer {
			if r.n < n {
				return a
			}
			return &limited
		}
	}
	held := fork(dev(1, 60), 1, slots(61, 70)...)
	runAll(t, []*syncTest{
		givenUp(&syncTest{name: "from the first request", peer: scriptedPeer{chain: whole, script: always(&limited)}, waits: patience}, 0),
		givenUp(&syncTest{name: "after blocks", peer: scriptedPeer{chain: whole, script: first(1, nil)}, stored: dev(1, 64)}, 64),
		givenUp(&syncTest{
			name: "after blocks in the same answer", stored: dev(1, 2),
			peer: scriptedPeer{chain: whole, script: first(1, &answer{blocks: dev(1, 2), raw: limited.raw})},
		}, 2),
		givenUp(&syncTest{name: "after empty slots", peer: scriptedPeer{chain: whole, script: first(1, new(answer))}}, 64),
		givenUp(&syncTest{name: "while comparing", held: held, peer: scriptedPeer{chain: whole, script: first(1, nil)}, stored: held}, 70),
	})
}

// However long it takes: what gets further is not given up.
func TestPeerThatIsLimitedMostOfTheTimeIsBorneWith(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	// mostly refuses all requests but every nth, which it answers with a block.
	mostly := func(n int) func(request) *answer {
		return func(r request) *answer {
			if r.n%n != n-1 {
				return &limited
			}
			all := within(whole, r)
			return &answer{blocks: all[:min(1, len(all))]}
		}
	}
	tests := []*syncTest{
		{name: "block now and then", peer: scriptedPeer{chain: dev(1, 10), script: mostly(len(patience))}, stored: dev(1, 10)},
		// What was stored before, and given up since, is no news, but blocks all the same.
		{
			name: "comparing and going back", opts: rangesync.Options{Batch: 3}, held: fork(dev(1, 40), 1, slots(41, 60)...),
			peer: scriptedPeer{chain: whole, script: mostly(2)}, stored: whole,
		},
	}
	for _, tt := range tests {
		tt.check = func(t *testing.T, _ *store.Store, _ rangesync.Result, _ error) {
			requests := tt.peer.got()
			if took := requests[len(requests)-1].at; took < 10*time.Minute {
				t.Errorf("it took %v, which shows nothing", took)
			}
		}
	}
	runAll(t, tests)
}

// paced returns a source whose client paces itself as that of a node does.
func paced(t *testing.T, client host.Host) rangesync.Source {
	t.Helper()
	pacer, err := outbound.New(&outbound.Options{Quotas: quota.Granted(), IsLimited: beacon.IsRateLimited})
	must(t, err)
	return rangesync.Source{
		Client: beacon.NewClient(client, beacon.NewFamily(devchain.Network()), &beacon.ClientOptions{Limiter: pacer}),
		Pacer:  pacer,
	}
}

// of returns the source with the peer on a host.
func of(from rangesync.Source, server host.Host, p *scriptedPeer) rangesync.Source {
	from.Peer, from.Status = server.ID(), p.status()
	return from
}

// The peer that refuses costs the others nothing, and is as good as they are once it has stopped.
func TestPeerThatIsLimitedHoldsUpNobody(t *testing.T) {
	t.Parallel()
	simulateServers(t, clockSlot, 2, func(t *testing.T, client host.Host, servers []host.Host) {
		var answers atomic.Bool
		refusing := &scriptedPeer{chain: dev(1, 142), script: func(request) *answer {
			if answers.Load() {
				return nil
			}
			return &limited
		}}
		other := &scriptedPeer{chain: dev(1, 100)}
		refusing.serve(t, servers[0])
		other.serve(t, servers[1])
		from, s := paced(t, client), newStore(t)
		run := func(i int, p *scriptedPeer) error {
			_, err := rangesync.Run(t.Context(), of(from, servers[i], p), s, nil)
			return err
		}
		began := time.Now()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			// It is asked for less each time, and not for a fifth time in an hour.
			wantLimited(t, run(0, refusing), rangesync.LimitedError{Peer: servers[0].ID(), Refusals: 4, For: 94 * time.Second})
			for i, r := range refusing.got() {
				if want := []uint64{64, 30, 14, 6}[i]; r.count != want {
					t.Errorf("request %d was for %d slots, want %d", i, r.count, want)
				}
			}
		})
		must(t, run(1, other))
		if took := time.Since(began); took > slack {
			t.Errorf("the other peer took %v", took)
		}
		checkStored(t, s, dev(1, 100))
		waiting.Wait()

		answers.Store(true)
		began = time.Now()
		must(t, run(0, refusing))
		// The hour has to pass in which it has refused four times, and the rate is low for some time.
		if took := time.Since(began); took < 58*time.Minute || took > 75*time.Minute {
			t.Errorf("the peer has answered after %v", took)
		}
		checkStored(t, s, dev(1, 142))
	})
}

// A pacer tells at once that a deadline is too soon. There is nothing to wait for then.
func TestDeadlineBeforeTheNextRequestEndsTheRun(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		peer := &scriptedPeer{chain: dev(1, 142), script: always(&limited)}
		peer.serve(t, server)
		from := of(paced(t, client), server, peer)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := rangesync.Run(ctx, from, newStore(t), nil)
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			t.Errorf("error %v, context %v, want the deadline's before it has passed", err, ctx.Err())
		}
		if n := len(peer.got()); n != 2 {
			t.Errorf("the peer was asked %d times, want 2", n)
		}
	})
}
