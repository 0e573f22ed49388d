package integration_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/race"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const (
	netHonest      = 10
	netHostile     = 100
	netChunk       = 16 << 10
	netChunks      = 32
	netCapacity    = 2 << 20 // bytes each second
	netPrefixPeers = 4       // whose part those of one prefix get together
	netMaxPeers    = 128
)

// A netAttack is what an attacker does.
type netAttack struct {
	name string
	// scored is whether it breaks a rule, and so costs a score.
	scored bool
	// churns is whether attackers have no host of their own, but new ones again and
	// again, all of one prefix.
	churns bool
	// warm is how long it takes until attackers do what they are named for and, if
	// that is a fault, have a score which stays as it is for a while. Penalties are
	// capped for a minute each, and a weight counts from the next chunk of an exchange.
	warm time.Duration
	run  func(ctx context.Context, wg *sync.WaitGroup, p *villager)
}

var netAttacks = []netAttack{
	{"over quota", true, false, 15 * time.Second, func(ctx context.Context, wg *sync.WaitGroup, p *villager) {
		client := reqresp.NewClient(p.host, nil)
		repeat(ctx, wg, 24, func() error { return p.call(ctx, client, netChunks) })
	}},
	// Buffers, of which the second stream gets those of the first, take long to fill.
	{"stalled reader", true, false, 2 * time.Minute, func(ctx context.Context, wg *sync.WaitGroup, p *villager) {
		repeat(ctx, wg, 2, func() error { return p.open(ctx, []byte{0, 0, 2, 0}, time.Minute) })
	}},
	{"stream opener", true, false, 15 * time.Second, func(ctx context.Context, wg *sync.WaitGroup, p *villager) {
		repeat(ctx, wg, 40, func() error { return p.open(ctx, []byte{0}, 16*time.Second) })
	}},
	{"empty-range asker", true, false, 15 * time.Second, func(ctx context.Context, wg *sync.WaitGroup, p *villager) {
		client := reqresp.NewClient(p.host, nil)
		repeat(ctx, wg, 24, func() error { return p.call(ctx, client, 0) })
	}},
	{"identity churn", false, true, 15 * time.Second, func(ctx context.Context, wg *sync.WaitGroup, p *villager) {
		wg.Go(func() {
			for ctx.Err() == nil {
				p.live(ctx, 10*time.Second)
			}
		})
	}},
}

// repeat runs f some times at once, again and again until ctx ends. It tries what
// failed again after a while.
func repeat(ctx context.Context, wg *sync.WaitGroup, n int, f func() error) {
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				if f() != nil {
					pause(ctx, 2*time.Second)
				}
			}
		})
	}
}

// live asks as an honest peer does, by a new host, for a while.
func (p *villager) live(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	h, err := p.join(ctx, fmt.Sprintf("203.0.113.%d", 1+p.index))
	if err != nil {
		pause(ctx, time.Second)
		return
	}
	defer func() { _ = h.Close() }()
	var streams sync.WaitGroup
	client := reqresp.NewClient(h, nil)
	repeat(ctx, &streams, 2, func() error { return p.call(ctx, client, netChunks) })
	streams.Wait()
}

func sentTo(all []*villager) []float64 {
	bytes := make([]float64, len(all))
	for i, p := range all {
		bytes[i] = float64(p.bytes.Load())
	}
	return bytes
}

// weight returns the mean weight of attackers.
func (v *village) weight() (weight float64) {
	for _, p := range v.hostile {
		if p.host == nil {
			return 1 // whoever is new
		}
		weight += max(v.book.Weight(p.host.ID()), limits.MinWeight) / netHostile
	}
	return weight
}

// watch lets time pass and looks at scores and bounds meanwhile. It returns the mean
// weight of attackers, and what part of everything honest peers are entitled to.
func (v *village) watch(d time.Duration) (weight, entitled float64) {
	seconds := float64(d / time.Second)
	for range d / time.Second {
		time.Sleep(time.Second)
		for _, p := range v.honest {
			v.lowest = min(v.lowest, v.book.Score(p.host.ID()))
		}
		streams := 0
		for _, n := range v.server.Streams() {
			streams += n
		}
		v.streams, v.tracked = max(v.streams, streams), max(v.tracked, v.limiter.Peers())
		w := v.weight()
		weight += w / seconds
		w *= netHostile
		if v.hostile[0].host == nil {
			w = netPrefixPeers
		}
		entitled += netHonest / (netHonest + w) / seconds
	}
	return weight, entitled
}

// begin has everybody do what they do, until the function returned is called.
func (v *village) begin(t *testing.T, a netAttack) (end func()) {
	v.honest = v.settle(t, netHonest)
	if a.churns {
		for i := range netHostile {
			v.hostile = append(v.hostile, &villager{village: v, index: i})
		}
	} else {
		v.hostile = v.settle(t, netHostile)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, p := range v.honest {
		p.behave(ctx, &wg)
	}
	for _, p := range v.hostile {
		a.run(ctx, &wg, p)
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// playNet lets the attack work for a while and then measures, at last with half of
// what there was to share.
func playNet(t *testing.T, a netAttack) result {
	v := newVillage(t)
	end := v.begin(t, a)
	defer end()
	v.watch(a.warm)
	const measured = 20 * time.Second
	h0, a0 := sentTo(v.honest), sentTo(v.hostile)
	weight, entitled := v.watch(measured)
	h1, a1 := sentTo(v.honest), sentTo(v.hostile)
	if err := v.limiter.Apply(netConfig(netCapacity / 2)); err != nil {
		t.Fatal(err)
	}
	const halved = 8 * time.Second
	v.watch(halved)
	h2, a2 := sentTo(v.honest), sentTo(v.hostile)

	h, at := since(h1, h0), since(a1, a0)
	if part := (sum(since(h2, h1)) + sum(since(a2, a1))) / (netCapacity * halved.Seconds()); part < .48 || part > .52 {
		t.Errorf("%s: %.2f of the capacity is used after half of it was taken away", a.name, part)
	}
	if v.streams > reqresp.DefaultMaxStreams {
		t.Errorf("%s: %d streams are served, of at most %d", a.name, v.streams, reqresp.DefaultMaxStreams)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return result{
		name: a.name, honest: netHonest, hostile: netHostile,
		jain: jain(h), kept: sum(h) / (entitled * netCapacity * measured.Seconds()),
		ratio: mean(h) / mean(at), weight: weight, lowest: v.lowest,
		failed: uint64(v.failed), answered: uint64(v.answered), tracked: v.tracked, bound: netMaxPeers,
	}
}

// TestHonestPeersKeepTheirShareOverANetwork attacks a server over simulated
// connections, with ten attackers for every honest peer.
func TestHonestPeersKeepTheirShareOverANetwork(t *testing.T) {
	if race.Enabled {
		t.Skip("a hundred hosts take too long under the race detector, which the limiter's own tests run with")
	}
	if testing.Short() {
		t.Skip("takes a minute")
	}
	var table strings.Builder
	for _, a := range netAttacks {
		t.Run(a.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := playNet(t, a)
				fmt.Fprintln(&table, r)
				r.check(t, a.scored)
			})
		})
	}
	t.Logf("\n%s\n%s", header, table.String())
}
