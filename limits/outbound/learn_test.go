package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

var errLimited = errors.New("rate limited")

func isLimited(err error) bool { return errors.Is(err, errLimited) }

// prysmLimit is what a Prysm counts blocks with, whose --block-batch-limit is a setting of the operator's.
// It serves in batches of the limit, each of which has to fit as a whole, and refuses in between.
type prysmLimit struct {
	limit    int
	level    float64
	at       time.Time
	granted  int
	refusals []time.Time
}

// ask asks for some blocks, and returns how many come.
func (p *prysmLimit) ask(now time.Time, n int) (chunks int, err error) {
	p.level = max(p.level-float64(p.limit)*now.Sub(p.at).Seconds()/30, 0)
	p.at = now
	for chunks < n {
		if p.level+float64(p.limit) > float64(2*p.limit)+1e-9 {
			p.refusals = append(p.refusals, now)
			return chunks, errLimited
		}
		batch := min(p.limit, n-chunks)
		chunks += batch
		p.level += float64(batch)
		p.granted += batch
	}
	return chunks, nil
}

// worstHour returns how many refusals there were in an hour at most.
func (p *prysmLimit) worstHour() (worst int) {
	for i, first := range p.refusals {
		n := 0
		for _, at := range p.refusals[i:] {
			if at.Sub(first) < time.Hour {
				n++
			}
		}
		worst = max(worst, n)
	}
	return worst
}

// TestQuotaShrinksToWhatIsGranted has a peer asked for blocks for hours, as fast as the pacer lets, whose
// limit is lower than that of any peer by default.
func TestQuotaShrinksToWhatIsGranted(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"prysm", "", "lighthouse", "reqresp"} {
		for _, limit := range []int{64, 32, 16, 8, 4} {
			for _, atATime := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s with a limit of %d, %d at a time", client, limit, atATime), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						p := newPacer(t, &outbound.Options{
							IsLimited: isLimited, Client: func(peer.ID) string { return client },
						})
						server := &prysmLimit{limit: limit}
						const hours = 6
						start := time.Now()
						var mu sync.Mutex
						var askers sync.WaitGroup
						for range atATime {
							askers.Go(func() {
								for time.Since(start) < hours*time.Hour {
									n := p.Batch(alice, blocks[0], 64)
									if err := p.Wait(t.Context(), alice, blocks[0], n); err != nil {
										t.Error(err)
										return
									}
									mu.Lock()
									chunks, err := server.ask(time.Now(), n)
									mu.Unlock()
									time.Sleep(50 * time.Millisecond)
									p.Done(alice, blocks[0], reqresp.Result{Chunks: chunks, Err: err})
								}
							})
						}
						askers.Wait()
						if n := server.worstHour(); n > 4 {
							t.Errorf("the peer refused %d times in an hour: %v", n, since(start, server.refusals))
						}
						want := .45 * float64(limit) * hours * 120
						if limit == 64 && (client == "" || client == "prysm") {
							want *= 2 // It is a Prysm's default.
						}
						if float64(server.granted) < want {
							t.Errorf("%d blocks came, want %.0f: refusals at %v", server.granted, want, since(start, server.refusals))
						}
						t.Logf("%d blocks of %d, refusals at %v", server.granted, limit*hours*120, since(start, server.refusals))
					})
				})
			}
		}
	}
}

func since(start time.Time, all []time.Time) (ds []time.Duration) {
	for _, at := range all {
		ds = append(ds, at.Sub(start).Round(time.Second))
	}
	return ds
}

// granted asks a peer for blocks, of which some come before it refuses.
func granted(t *testing.T, p *outbound.Pacer, items, chunks int) {
	t.Helper()
	if err := p.Wait(t.Context(), alice, blocks[0], items); err != nil {
		t.Fatal(err)
	}
	p.Done(alice, blocks[0], reqresp.Result{Chunks: chunks, Err: errLimited})
}

func wantBatch(t *testing.T, p *outbound.Pacer, method string, want int) {
	t.Helper()
	if got := p.Batch(alice, method, 1000); got != want {
		t.Errorf("%d of %s are to be asked for at once, want %d", got, method, want)
	}
}

func TestQuotaRecoversSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, &outbound.Options{IsLimited: isLimited})
		wantBatch(t, p, blocks[0], 120)
		granted(t, p, 64, 32)
		for _, method := range blocks { // which share a quota
			wantBatch(t, p, method, 15) // half of 30
		}
		wantBatch(t, p, blobs[0], 720)
		if got := p.Batch(alice, blocks[0], 7); got != 7 {
			t.Errorf("%d of 7 blocks are to be asked for", got)
		}
		at(t, p, alice, blocks[0], 15, 30*sec) // at 15 in 30 s, from nothing
		p.Done(alice, blocks[0], reqresp.Result{Chunks: 15})
		time.Sleep(2*time.Hour - 31*sec)
		wantBatch(t, p, blocks[0], 15)
		for _, want := range []int{18, 23, 29, 36, 45, 57, 120, 120} {
			time.Sleep(2 * time.Hour)
			wantBatch(t, p, blocks[0], want)
		}
		at(t, p, alice, blocks[0], 120, 0)
		at(t, p, alice, blocks[0], 60, 30*sec)
	})
}

func TestLateAnswersShrinkTheQuota(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		phase  reqresp.Phase
		err    error
		chunks int
		batch  int
	}{
		"no first byte":   {reqresp.PhaseFirstByte, reqresp.ErrTimeout, 0, 30},
		"some blocks":     {reqresp.PhaseResponse, reqresp.ErrTimeout, 40, 18},
		"a block":         {reqresp.PhaseResponse, reqresp.ErrTimeout, 1, 15},
		"no connection":   {reqresp.PhaseDial, reqresp.ErrTimeout, 0, 120},
		"reset":           {reqresp.PhaseResponse, errors.New("reset"), 3, 120},
		"nobody waits on": {reqresp.PhaseResponse, reqresp.ErrClosed, 3, 120},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPacer(t, &outbound.Options{IsLimited: isLimited})
				late := reqresp.Result{Chunks: tc.chunks, Err: &reqresp.Failure{Phase: tc.phase, Err: fmt.Errorf("reading: %w", tc.err)}}
				at(t, p, alice, blocks[0], 64, 0)
				p.Done(alice, blocks[0], late)
				wantBatch(t, p, blocks[0], tc.batch)
				if tc.batch == 120 {
					return
				}
				for range 10 { // A peer that is not there is not asked for less and less.
					p.Done(alice, blocks[0], late)
				}
				wantBatch(t, p, blocks[0], 15)
				time.Sleep(10 * time.Minute)
				wantBatch(t, p, blocks[0], 18)
				if d := p.Delay(alice, blocks[0], 18); d > 0 {
					t.Errorf("the peer is left alone for %v, though it has not refused", d)
				}
			})
		})
	}
}

// TestWhatIsLearnedHoldsWhoeverThePeerTurnsOutToBe has a peer refuse before it is known who it is.
func TestWhatIsLearnedHoldsWhoeverThePeerTurnsOutToBe(t *testing.T) {
	t.Parallel()
	for _, method := range blocks {
		for _, next := range []string{"prysm", "lighthouse", "reqresp", "nimbus"} {
			synctest.Test(t, func(t *testing.T) {
				client := ""
				p := newPacer(t, &outbound.Options{IsLimited: isLimited, Client: func(peer.ID) string { return client }})
				at(t, p, alice, method, 64, 0)
				p.Done(alice, method, reqresp.Result{Chunks: 32, Err: errLimited})
				client = next
				wantBatch(t, p, method, 15)
				time.Sleep(time.Minute)
				at(t, p, alice, method, 15, 0)
			})
		}
	}
}

// TestPeerIsNotDrivenToItsFifthRefusal has a peer refuse whatever it is asked for.
func TestPeerIsNotDrivenToItsFifthRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t, &outbound.Options{IsLimited: isLimited})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		var mu sync.Mutex
		granted(t, p, 64, 0)
		server := &prysmLimit{refusals: []time.Time{time.Now()}}
		var askers sync.WaitGroup
		// Each has a quota of its own, so that all could be in flight at once.
		for _, method := range []string{blocks[0], blobs[0], columns[0], envelopes[1], light[0]} {
			askers.Go(func() {
				for p.Wait(ctx, alice, method, p.Batch(alice, method, 64)) == nil {
					time.Sleep(10 * sec)
					mu.Lock()
					server.refusals = append(server.refusals, time.Now())
					mu.Unlock()
					p.Done(alice, method, reqresp.Result{Err: errLimited})
				}
			})
		}
		time.Sleep(time.Hour / 2)
		for method, want := range map[string]bool{"status": false, "ping": false, blocks[1]: true, blobs[1]: true} {
			if d := p.Delay(alice, method, 1); d > time.Minute != want {
				t.Errorf("%s is held back for %v", method, d)
			}
		}
		askers.Wait()
		if n := server.worstHour(); n != 4 {
			t.Errorf("the peer refused %d times in an hour, want 4", n)
		}
		if n := len(server.refusals); n < 10*3 {
			t.Errorf("the peer was asked %d times in ten hours, want it to be tried on", n)
		}
	})
}

// TestPeerWithoutQuotasIsLearnedFromTheDefaults has a peer refuse that is granted whatever is asked for, as far as the
// quotas go.
func TestPeerWithoutQuotasIsLearnedFromTheDefaults(t *testing.T) {
	t.Parallel()
	own := outbound.Quota{Methods: blocks, Items: limits.Rate{N: 500, Per: sec, Burst: 1000}}
	for name, quotas := range map[string]map[string][]outbound.Quota{
		"no quotas": {}, "none for any client": every(), "one of its own": every(own),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPacer(t, &outbound.Options{Quotas: quotas, Defaults: quota.Granted()[""], IsLimited: isLimited})
				wantBatch(t, p, blocks[0], 1000)
				wantBatch(t, p, blobs[0], 1000)
				at(t, p, alice, blobs[0], 64, 0)
				p.Done(alice, blobs[0], reqresp.Result{Chunks: 32, Err: errLimited})
				wantBatch(t, p, blobs[0], 15) // half of 30
				for range 3 {
					granted(t, p, 64, 0)
				}
				for method, want := range map[string]bool{
					"status": false, "ping": false, "metadata": false, "goodbye": false, blocks[1]: true, columns[0]: true,
				} {
					if d := p.Delay(alice, method, 1); d > time.Minute != want {
						t.Errorf("%s is held back for %v", method, d)
					}
				}
			})
		})
	}
}

// TestSmallMethodsOfAnyQuotaGoOn has a peer refuse whose own quotas, or the defaults, name a method with small answers.
func TestSmallMethodsOfAnyQuotaGoOn(t *testing.T) {
	t.Parallel()
	small := []outbound.Quota{{Methods: []string{"ping"}, Items: limits.Rate{N: 1, Per: sec, Burst: 1}, Small: true}}
	for name, opts := range map[string]outbound.Options{
		"its own":      {Quotas: every(small...), Defaults: []outbound.Quota{}},
		"the defaults": {Quotas: every(), Defaults: small},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				opts.IsLimited = isLimited
				p := newPacer(t, &opts)
				for range 4 {
					granted(t, p, 1, 0)
				}
				if d := p.Delay(alice, "ping", 1); d != 0 {
					t.Errorf("ping is held back for %v", d)
				}
				if d := p.Delay(alice, "status", 1); d < time.Minute {
					t.Errorf("status is held back for %v, want the rest of the hour", d)
				}
			})
		})
	}
}
