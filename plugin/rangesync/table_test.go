package rangesync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A syncTest is one run against a scripted peer.
type syncTest struct {
	name   string
	clock  ssz.Slot        // when it begins; zero means clockSlot
	held   []*beacon.Block // stored before
	anchor *store.Anchor   // recorded before
	peer   scriptedPeer
	status func(*beacon.Status) // changes what the peer tells
	opts   rangesync.Options

	err      error // nil for success
	stored   []*beacon.Block
	requests string          // those that the peer got, if not empty
	waits    []time.Duration // between requests, if not nil
	check    func(t *testing.T, s *store.Store, result rangesync.Result, err error)
}

func runAll(t *testing.T, tests []*syncTest) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t)
		})
	}
}

func (tt *syncTest) run(t *testing.T) {
	clock := tt.clock
	if clock == 0 {
		clock = clockSlot
	}
	simulate(t, clock, func(t *testing.T, client, server host.Host) {
		s := newStore(t, tt.held...)
		if tt.anchor != nil {
			must(t, s.SetAnchor(t.Context(), *tt.anchor))
		}
		tt.peer.serve(t, server)
		status := tt.peer.status()
		if tt.status != nil {
			tt.status(&status)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		result, err := rangesync.Run(ctx, source(client, server, status), s, &tt.opts)
		if (err == nil) != (tt.err == nil) || tt.err != errAny && !errors.Is(err, tt.err) {
			t.Errorf("error %v, want %v", err, tt.err)
		}
		checkStored(t, s, tt.stored)
		tt.checkResult(t, s, result)
		tt.checkRequests(t)
		if tt.check != nil {
			tt.check(t, s, result, err)
		}
	})
}

// checkResult checks what a result says of the store, also after an error.
func (tt *syncTest) checkResult(t *testing.T, s *store.Store, result rangesync.Result) {
	t.Helper()
	slot, root, _ := s.Head()
	if result.Last != slot || result.Head != root || result.Earliest != s.Info().Earliest {
		t.Errorf("result %+v, the store has slots %d to %d, head %v", result, s.Info().Earliest, slot, root)
	}
	if tt.err != nil && (result.Trust != "" || result.Trusted != ssz.Root{}) {
		t.Errorf("result %+v of a failed run has a trusted root", result)
	}
}

func (tt *syncTest) checkRequests(t *testing.T) {
	t.Helper()
	requests := tt.peer.got()
	if got := strings.Trim(fmt.Sprint(requests), "[]"); tt.requests != "" && got != tt.requests {
		t.Errorf("requests %s\nwant     %s", got, tt.requests)
	}
	if tt.waits == nil {
		return
	}
	var gaps []time.Duration
	for i := range requests[1:] {
		gaps = append(gaps, requests[i+1].at-requests[i].at)
	}
	gaps = gaps[:min(len(gaps), len(tt.waits)+1)]
	if !slices.EqualFunc(gaps, tt.waits, func(got, want time.Duration) bool { return want <= got && got < want+slack }) {
		t.Errorf("requests %v apart, want %v", gaps, tt.waits)
	}
}

// atMost answers with the first blocks only.
func atMost(n int, chain []*beacon.Block) func(request) *answer {
	return func(r request) *answer {
		all := within(chain, r)
		return &answer{blocks: all[:min(n, len(all))]}
	}
}

// once gives the first answers by a list, the others from the chain.
func once(answers ...*answer) func(request) *answer {
	return func(r request) *answer {
		if r.n < len(answers) {
			return answers[r.n]
		}
		return nil
	}
}

// always gives the same answer.
func always(a *answer) func(request) *answer { return func(request) *answer { return a } }
