package outbound_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A peer that gives itself out as another client again and again is asked as before: what it was asked for
// is neither forgotten nor counted over and over.
func TestPeerThatChangesItsClientIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := ""
		p := newPacer(t, &outbound.Options{Client: func(peer.ID) string { return client }})
		for _, method := range blocks {
			at(t, p, alice, method, 60, 0)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 100 {
			for _, client = range []string{"lighthouse", ""} {
				if err := p.Wait(ctx, alice, blocks[0], 120); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("Wait returned %v, want %v", err, context.DeadlineExceeded)
				}
			}
		}
		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		if err := p.Wait(ctx, alice, blocks[0], 120); err != nil {
			t.Error(err)
		}
	})
}

// What a peer said before it was known who it is holds all the same.
func TestPeerIsLeftAloneWhoeverItTurnsOutToBe(t *testing.T) {
	t.Parallel()
	limited := errors.New("rate limited")
	for _, method := range blocks {
		for _, clients := range [][2]string{{"", "lighthouse"}, {"lighthouse", ""}, {"", "reqresp"}, {"lodestar", "lighthouse"}} {
			synctest.Test(t, func(t *testing.T) {
				client := clients[0]
				p := newPacer(t, &outbound.Options{
					Client:    func(peer.ID) string { return client },
					IsLimited: func(err error) bool { return errors.Is(err, limited) },
				})
				at(t, p, alice, method, 1, 0)
				p.Done(alice, method, reqresp.Result{Err: limited})
				client = clients[1]
				at(t, p, alice, method, 1, 5*sec)
				p.Done(alice, method, reqresp.Result{Err: limited})
				at(t, p, alice, method, 1, 10*sec)
			})
		}
	}
}

// A request that waits as the peer is found to be another client is not overtaken for good by those that
// come later, nor holds up what has a quota of its own from then on.
func TestNobodyIsOvertakenForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPacer(t, &outbound.Options{Client: func(peer.ID) string {
			if time.Since(start) < 7*sec {
				return ""
			}
			return "lighthouse"
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		at(t, p, alice, blocks[0], 120, 0)
		first := make(chan time.Duration, 2)
		for _, method := range []string{blocks[1], blocks[0]} {
			go func() {
				if err := p.Wait(ctx, alice, method, 64); err != nil {
					t.Error(err)
				}
				first <- time.Since(start)
			}()
			synctest.Wait()
		}
		time.Sleep(8 * sec)
		go func() {
			for p.Wait(ctx, alice, blocks[1], 7) == nil {
				time.Sleep(sec / 10)
			}
		}()
		for range 2 {
			if d := <-first; d > time.Minute {
				t.Errorf("a request waited %v", d)
			}
		}
		cancel()
		synctest.Wait()
	})
}
