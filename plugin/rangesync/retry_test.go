package rangesync_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// errAny stands for any error in a syncTest.
var errAny = errors.New("any error")

// seconds converts a list of seconds to durations.
func seconds(list ...int) (all []time.Duration) {
	for _, s := range list {
		all = append(all, time.Duration(s)*time.Second)
	}
	return all
}

// backoffs are the waits of a peer that fails at once until the run gives up, and patience
// those of one that is limited.
var (
	backoffs = seconds(2, 4, 8, 16, 30, 30)
	patience = append(seconds(2, 4, 8, 16), repeat(30, 9)...)
)

func TestRateLimitedPeerIsAskedAgain(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	encodings := map[string]*answer{
		"code 139":          {raw: verdict(139, "Wait 3.2s")},
		"code 139, no text": {raw: verdict(139, "")},
		"code 1":            {raw: verdict(1, "rate limited")},
		"code 1, long":      {raw: verdict(1, "Peer has been rate limited")},
		"code 2":            {raw: verdict(2, "REQUEST_ERROR_RATE_LIMITED")},
		"wait":              {raw: verdict(3, "Wait 400ms")},
		"reset":             {end: resetWith(network.StreamRateLimited)},
		"refused":           {end: resetWith(network.StreamResourceLimitExceeded)},
		"after blocks":      {blocks: dev(1, 2), raw: verdict(139, "")},
	}
	var tests []*syncTest
	for name, limited := range encodings {
		requests := "1+64 1+64 65+64 129+14"
		if len(limited.blocks) > 0 {
			requests = "1+64 3+64 67+64 131+12"
		}
		tests = append(tests, &syncTest{
			name: name, peer: scriptedPeer{chain: whole, script: once(limited)},
			stored: whole, requests: requests, waits: seconds(2, 0, 0),
		})
	}
	tests = append(tests, &syncTest{
		name: "for almost five minutes", peer: scriptedPeer{chain: whole, script: func(r request) *answer {
			if r.n < len(patience) {
				return encodings["code 139"]
			}
			return nil
		}},
		stored: whole, waits: append(slices.Clone(patience), 0, 0),
	}, &syncTest{
		// Progress begins the count anew.
		name: "between blocks", peer: scriptedPeer{chain: whole, script: func(r request) *answer {
			if r.n%3 != 2 {
				return encodings["code 1"]
			}
			return nil
		}},
		stored: whole, waits: seconds(2, 4, 0, 2, 4, 0, 2, 4),
	})
	runAll(t, tests)
}

func repeat(s, n int) []time.Duration {
	all := make([]int, n)
	for i := range all {
		all[i] = s
	}
	return seconds(all...)
}

func TestFailingPeerIsAskedAFewTimes(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	failures := map[string]struct {
		answer answer
		takes  time.Duration
	}{
		"server error":          {answer{raw: verdict(2, "oops")}, 0},
		"reset":                 {answer{end: resetWith(0)}, 0},
		"no first byte":         {answer{end: hold}, 10 * time.Second},
		"no progress":           {answer{raw: chunk(whole[0])[:100], end: hold}, 15 * time.Second},
		"trickle":               {answer{end: trickle(chunk(whole[0]))}, 15 * time.Second},
		"server error, no text": {answer{raw: verdict(2, "")}, 0},
	}
	var tests []*syncTest
	for name, f := range failures {
		var waits []time.Duration
		for _, wait := range backoffs {
			waits = append(waits, f.takes+wait)
		}
		recovers := func(r request) *answer {
			if r.n < len(backoffs) {
				return &f.answer
			}
			return nil
		}
		tests = append(tests,
			&syncTest{name: name + " for good", peer: scriptedPeer{chain: whole, script: always(&f.answer)}, err: errAny, waits: waits},
			&syncTest{
				name: name + " for a while", peer: scriptedPeer{chain: whole, script: recovers},
				stored: whole, waits: append(waits, 0, 0),
			})
	}
	runAll(t, tests)
}

func TestFailuresAreCountedFromTheLastProgress(t *testing.T) {
	t.Parallel()
	whole := dev(1, 142)
	oneThenError := func(r request) *answer {
		return &answer{blocks: within(whole, request{start: r.start, count: 1}), raw: verdict(2, "oops")}
	}
	runAll(t, []*syncTest{
		{name: "one block per answer", peer: scriptedPeer{chain: dev(1, 20), script: oneThenError}, stored: dev(1, 20), waits: repeat(2, 19)},
		{
			// Being limited is no failure, but does not make failures good.
			name: "limited in between", err: errAny,
			peer: scriptedPeer{chain: whole, script: func(r request) *answer {
				if r.n%2 == 0 {
					return &answer{raw: verdict(139, "")}
				}
				return &answer{raw: verdict(2, "oops")}
			}},
			waits: append(seconds(2, 4, 8, 16), repeat(30, 9)...),
		},
	})
}
