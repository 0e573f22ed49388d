package outbound_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
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

// TestBudgetShrinksToWhatIsGranted has a peer asked for blocks for hours, as fast as the pacer lets, whose
// limit is lower than that of any peer by default.
func TestBudgetShrinksToWhatIsGranted(t *testing.T) {
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
