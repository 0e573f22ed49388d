package rangesync_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// slowly writes blocks, one after each wait.
func slowly(blocks []*beacon.Block, wait time.Duration) *answer {
	return &answer{end: func(s network.Stream) {
		for _, b := range blocks {
			time.Sleep(wait)
			if _, err := s.Write(chunk(b)); err != nil {
				return
			}
		}
	}}
}

// afterSidecars returns a time at which sidecars need not be served any more.
func afterSidecars() time.Time { return time.Now().AddDate(5, 0, 0) }

func TestWhatAnInterruptedAnswerHasDeliveredIsStored(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		peer := &scriptedPeer{chain: dev(1, 142), script: always(slowly(dev(1, 64), 9*time.Second))}
		peer.serve(t, server)
		s := newStore(t)
		ctx, cancel := context.WithTimeout(t.Context(), 170*time.Second)
		defer cancel()
		result, err := rangesync.Run(ctx, source(client, server, peer.status()), s, &rangesync.Options{Now: afterSidecars})
		if !errors.Is(err, context.DeadlineExceeded) || result.Blocks != 18 || result.Last != 18 {
			t.Errorf("result %+v, error %v", result, err)
		}
		checkStored(t, s, dev(1, 18))
	})
}

// A client that asks slowly, as most peers demand, does not wait for hours for one that gives nothing.
func TestAnEmptyPeerCostsMinutes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		held []*beacon.Block
		err  error
	}{
		"empty store":     {nil, rangesync.ErrGap},
		"after blocks":    {dev(1, 142), rangesync.ErrGap},
		"while comparing": {fork(nil, 1, slots(1, 1500)...), rangesync.ErrDiverged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
				peer := &scriptedPeer{script: func(r request) *answer {
					if tt.err == rangesync.ErrDiverged && r.n == 0 {
						return &answer{blocks: []*beacon.Block{forge(r.start, ssz.Root{1}, 2)}}
					}
					return new(answer)
				}}
				peer.serve(t, server)
				pacer, err := outbound.New(&outbound.Options{Quotas: map[string][]outbound.Quota{"": {{
					Methods: []string{"beacon_blocks_by_range"}, Items: limits.Rate{N: 64, Per: 12 * time.Second, Burst: 64},
				}}}})
				must(t, err)
				from := rangesync.Source{
					Client: beacon.NewClient(client, beacon.NewFamily(devchain.Network()), &beacon.ClientOptions{Limiter: pacer}),
					Peer:   server.ID(), Status: beacon.Status{HeadSlot: clockSlot, HeadRoot: ssz.Root{1}},
				}
				began := time.Now()
				_, err = rangesync.Run(t.Context(), from, newStore(t, tt.held...), &rangesync.Options{Batch: 32})
				if took := time.Since(began); !errors.Is(err, tt.err) || took > 6*time.Minute {
					t.Errorf("error %v after %v and %d requests, want %v", err, took, len(peer.got()), tt.err)
				}
			})
		})
	}
}

func TestRateFloor(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	// It shows that it has all that is held, so that it seems to leave blocks out, and could go on.
	unlinked := func(r request) *answer {
		if r.start <= 40 {
			return nil
		}
		return slowly([]*beacon.Block{forge(r.start+63, ssz.Root{1}, 1)}, 9*time.Second)
	}
	for name, tt := range map[string]struct {
		peer   *scriptedPeer
		rate   float64
		held   []*beacon.Block
		slow   bool
		stored []*beacon.Block
	}{
		"fast enough":               {peer: &scriptedPeer{chain: whole}, rate: 2, stored: whole},
		"one block in nine seconds": {peer: &scriptedPeer{chain: whole, script: always(slowly(whole[:64], 9*time.Second))}, rate: 1, slow: true, stored: dev(1, 6)},
		"as fast as that":           {peer: &scriptedPeer{chain: dev(1, 20), script: once(slowly(whole[:20], 9*time.Second))}, rate: 0.1, stored: dev(1, 20)},
		"unlinked blocks":           {peer: &scriptedPeer{chain: whole, script: unlinked}, held: dev(1, 40), rate: 1, slow: true, stored: dev(1, 40)},
		"refusals":                  {peer: &scriptedPeer{chain: whole, script: always(&limited)}, rate: 1, slow: true},
		"empty slots":               {peer: &scriptedPeer{chain: fork(dev(1, 2), 1, 1900)}, rate: 10, stored: fork(dev(1, 2), 1, 1900)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
				tt.peer.serve(t, server)
				s := newStore(t, tt.held...)
				began := time.Now()
				_, err := rangesync.Run(t.Context(), source(client, server, tt.peer.status()), s, &rangesync.Options{MinRate: tt.rate, Now: afterSidecars})
				slow, ok := errors.AsType[*rangesync.SlowError](err)
				switch took := time.Since(began); {
				case !tt.slow:
					must(t, err)
				case !ok || slow.Peer != server.ID() || slow.MinRate != tt.rate || took != time.Minute:
					t.Errorf("error %v after %v, want that the peer is slow", err, took)
				case !strings.Contains(err.Error(), server.ID().String()):
					t.Errorf("error %v does not name the peer", err)
				}
				checkStored(t, s, tt.stored)
			})
		})
	}
}

func TestARateThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	simulate(t, clockSlot, func(t *testing.T, client, server host.Host) {
		for _, rate := range []float64{-1, math.NaN(), math.Inf(1)} {
			_, err := rangesync.Run(t.Context(), source(client, server, beacon.Status{}), newStore(t), &rangesync.Options{MinRate: rate})
			if err == nil || !strings.Contains(err.Error(), fmt.Sprint(rate)) {
				t.Errorf("rate %v: error %v", rate, err)
			}
		}
	})
}
