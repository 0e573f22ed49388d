package limits_test

import (
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/limits"
)

func TestRatesThatMakeRequestersWaitAreWarnedOf(t *testing.T) {
	t.Parallel()
	const refused = ", and are refused when 2 bursts are owed"
	method := func(name string, m limits.Method) limits.Config {
		return limits.Config{Methods: map[string]limits.Method{name: m}}
	}
	for name, tc := range map[string]struct {
		config limits.Config
		want   []string
	}{
		"defaults": {},
		"all": {
			limits.Config{
				Default: limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: 5 * s, Burst: 9}}},
				Node:    limits.Quota{Items: limits.Rate{N: 1, Per: 9 * s}},
				// It has what the default has.
				Methods: map[string]limits.Method{"ping": {}},
			},
			[]string{
				"Node.Items 1/9s refills a chunk in 9s: once the burst is used, requesters wait 8s for it" + refused,
				"Default.Peer.Requests 1/5s+9 refills a request in 5s: once the burst is used, requesters wait 4s for it" + refused,
			},
		},
		"requests at the edge": {method("status", limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: 4 * s}}}), nil},
		"requests": {
			method("status", limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: 60 * s, Burst: 1}}}),
			[]string{"Methods.status.Peer.Requests 1/m refills a request in 1m0s: once the burst is used, requesters wait 4s for it" + refused},
		},
		"items at the edge": {method("a", limits.Method{Peer: limits.Quota{Items: limits.Rate{N: 2, Per: 16 * s}}}), nil},
		"bytes": {
			method("a", limits.Method{Node: limits.Quota{Bytes: limits.Rate{N: 4 * kib, Per: s}}}),
			[]string{"Methods.a.Node.Bytes 4096/s refills a chunk in 16s: once the burst is used, requesters wait 8s for it" + refused},
		},
		"bytes at the edge":      {method("a", limits.Method{Peer: limits.Quota{Bytes: limits.Rate{N: 8 * kib, Per: s}}}), nil},
		"bytes of small answers": {method("ping", limits.Method{Peer: limits.Quota{Bytes: limits.Rate{N: kib, Per: s}}}), nil},
		"invalid":                {limits.Config{MaxQueue: -1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, err := range tc.config.Warnings("ping") {
				got = append(got, err.Error())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("warnings are %q, want %q", got, tc.want)
			}
		})
	}
}
