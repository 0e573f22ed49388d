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
)

// A scene is some honest peers among ten times as many attackers.
type scene struct {
	*model
	honest, attackers []*modelPeer
	weights           []float64 // of attackers, mean at each look
	lowest            float64   // score of an honest peer
}

// sceneConfig returns limits for as many peers: the capacity is so many times what
// the floor comes to for two streams of each.
func sceneConfig(peers int, size, times uint64) limits.Config {
	capacity := times * uint64(peers) * 2 * size / 8
	c := limits.Config{MaxPeers: 2*peers + 1024, Prefix: limits.Prefix{Peers: 4}}
	c.Node.Bytes = limits.Rate{N: max(capacity/1000, 1), Per: time.Millisecond, Burst: capacity}
	plenty := limits.Rate{N: 1 << 20, Per: time.Millisecond, Burst: 1 << 40}
	c.Node.Requests, c.Node.Items = plenty, plenty
	c.Methods = map[string]limits.Method{"beacon_blocks_by_range": {Peer: limits.Quota{
		Items: plenty, Bytes: limits.Rate{N: 1 << 30, Per: time.Second, Burst: 1 << 30},
	}}}
	return c
}

func newScene(
	t *testing.T, a attack, honest, attackers int, times uint64,
) (*scene, context.CancelFunc, *sync.WaitGroup) {
	t.Helper()
	const size = 64 << 10
	s := &scene{model: newModel(t, sceneConfig(honest+attackers, size, times), size)}
	ctx, cancel := context.WithCancel(t.Context())
	wg := new(sync.WaitGroup)
	for i := range honest {
		p := s.newPeer(ownAddr(i))
		s.honest = append(s.honest, p)
		p.keepAsking(ctx, wg, 2, rangeChunks, reads)
	}
	for i := range attackers {
		p := s.newPeer(ownAddr(honest + i))
		s.attackers = append(s.attackers, p)
		a.run(ctx, wg, p)
	}
	return s, cancel, wg
}

// watch lets time pass and looks at the scores meanwhile.
func (s *scene) watch(d time.Duration) {
	for range d / time.Second {
		time.Sleep(time.Second)
		var sum float64
		for _, p := range s.attackers {
			sum += max(s.book.Weight(p.id), limits.MinWeight)
		}
		s.weights = append(s.weights, sum/float64(len(s.attackers)))
		for _, p := range s.honest {
			s.lowest = min(s.lowest, s.book.Score(p.id))
		}
	}
}

func got(peers []*modelPeer) []float64 {
	bytes := make([]float64, len(peers))
	for i, p := range peers {
		bytes[i] = float64(p.bytes.Load())
	}
	return bytes
}

func sum(all []float64) (total float64) {
	for _, v := range all {
		total += v
	}
	return total
}

func since(now, before []float64) []float64 {
	diff := make([]float64, len(now))
	for i := range now {
		diff[i] = now[i] - before[i]
	}
	return diff
}

// jain returns Jain's index of fairness: one if all got the same, one part in
// their number if one got all.
func jain(all []float64) float64 {
	var squares float64
	for _, v := range all {
		squares += v * v
	}
	return sum(all) * sum(all) / (float64(len(all)) * squares)
}

func mean(all []float64) float64 { return sum(all) / float64(len(all)) }

// A result is what came of a scene, in the time that was measured.
type result struct {
	name            string
	honest, hostile int
	jain            float64
	kept            float64 // of what honest peers are entitled to
	ratio           float64 // what an honest peer got to what an attacker got
	weight          float64 // of attackers, mean
	lowest          float64 // score of an honest peer
	failed          uint64  // exchanges of honest peers that were not admitted
	answered        uint64  // with an error
	tracked, bound  int
}

const header = "attack             honest hostile   jain  kept  honest:hostile  weight  lowest score  failed  errors  tracked/bound"

func (r result) String() string {
	return fmt.Sprintf("%-18s %6d %7d %6.4f %5.2f %15.1f %7.3f %13.1f %7d %7d  %d/%d",
		r.name, r.honest, r.hostile, r.jain, r.kept, r.ratio, r.weight, r.lowest, r.failed, r.answered, r.tracked, r.bound)
}

// play lets the attack work for a while and then measures.
func play(t *testing.T, a attack, honest, attackers int, times uint64, warm, measured time.Duration) result {
	s, cancel, wg := newScene(t, a, honest, attackers, times)
	s.watch(warm)
	h0, a0 := got(s.honest), got(s.attackers)
	s.weights = nil
	s.watch(measured)
	h, at := since(got(s.honest), h0), since(got(s.attackers), a0)
	c := s.limiter.Config()
	r := result{
		name: a.name, honest: honest, hostile: attackers,
		jain: jain(h), ratio: mean(h) / mean(at), weight: mean(s.weights), lowest: s.lowest,
		answered: s.answered.Load(), tracked: s.limiter.Peers(), bound: c.MaxPeers,
	}
	for _, p := range s.honest {
		r.failed += p.failed.Load()
	}
	weights := r.weight * float64(attackers)
	if a.name == "identity churn" {
		weights = float64(c.Prefix.Peers)
	}
	capacity := float64(c.Node.Bytes.N) / c.Node.Bytes.Per.Seconds() * measured.Seconds()
	r.kept = sum(h) / (capacity * float64(honest) / (float64(honest) + weights))
	cancel()
	wg.Wait()
	return r
}

func (r result) check(t *testing.T, scored bool) {
	t.Helper()
	if r.jain < .99 {
		t.Errorf("%s: equal honest peers share with a Jain index of %.4f", r.name, r.jain)
	}
	if r.kept < .95 {
		t.Errorf("%s: honest peers keep %.2f of what they are entitled to", r.name, r.kept)
	}
	if !(r.ratio >= 2) {
		t.Errorf("%s: an honest peer gets %.1f times what an attacker gets", r.name, r.ratio)
	}
	if scored && r.weight > .75 {
		t.Errorf("%s: attackers still weigh %.2f", r.name, r.weight)
	}
	if r.lowest < 0 {
		t.Errorf("%s: an honest peer had a score of %.1f", r.name, r.lowest)
	}
	if r.failed > 0 {
		t.Errorf("%s: %d exchanges of honest peers were refused", r.name, r.failed)
	}
	if r.answered > 0 {
		t.Errorf("%s: %d exchanges were answered with an error", r.name, r.answered)
	}
	if r.tracked > r.bound {
		t.Errorf("%s: %d peers are tracked, of at most %d", r.name, r.tracked, r.bound)
	}
}

// TestHonestPeersKeepTheirShare is the model of a server that is attacked by ten
// peers for every honest one.
func TestHonestPeersKeepTheirShare(t *testing.T) {
	var table strings.Builder
	for _, a := range attacks {
		synctest.Test(t, func(t *testing.T) {
			r := play(t, a, 10, 100, 8, 2*time.Minute, time.Minute)
			r.check(t, a.scored)
			fmt.Fprintln(&table, r)
		})
	}
	t.Logf("\n%s\n%s", header, table.String())
}

// TestHonestPeersKeepTheirShareAmongAHundredThousand has as many peers with a
// single stream each, of whom ten of eleven read nothing.
func TestHonestPeersKeepTheirShareAmongAHundredThousand(t *testing.T) {
	if race.Enabled {
		t.Skip("a hundred thousand peers take too long under the race detector, which smaller models run with")
	}
	synctest.Test(t, func(t *testing.T) {
		a := attack{"stalled, one stream", true, func(ctx context.Context, wg *sync.WaitGroup, p *modelPeer) {
			p.keepAsking(ctx, wg, 1, rangeChunks, stall(ctx, 10*time.Second))
		}}
		r := play(t, a, 9_090, 90_910, 1, 20*time.Second, 10*time.Second)
		r.check(t, a.scored)
		t.Logf("\n%s\n%v", header, r)
	})
}
