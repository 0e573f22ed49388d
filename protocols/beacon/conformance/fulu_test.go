package conformance_test

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Our own server keeps every rule on a real chain. The rules of sidecars and of light clients are tried on it and not
// skipped, as their objects are there.
func TestOurServerConformsOnARealChain(t *testing.T) {
	chain := beacontest.Fulu()
	for _, tt := range []struct {
		name  string
		chain *beacontest.Chain
		head  ssz.Slot
		tried []string
	}{
		{
			"electra", chain.Until(74), 74,
			[]string{
				"S5-serve blob_sidecars_by_range/1", "S5-first blob_sidecars_by_range/1", "S5-known blob_sidecars_by_root/1",
				"S5-unknown blob_sidecars_by_root/1", "S5-none blob_sidecars_by_range/1",
				"S6-updates light_client_updates_by_range/1", "S6-bootstrap light_client_bootstrap/1",
			},
		},
		{
			"fulu", chain, beacontest.FuluHead,
			[]string{
				"S5-serve data_column_sidecars_by_range/1", "S5-first data_column_sidecars_by_range/1",
				"S5-known data_column_sidecars_by_root/1", "S5-unknown data_column_sidecars_by_root/1",
				"S5-none data_column_sidecars_by_range/1", "S5-fulu blob_sidecars_by_range/1", "S9-custody metadata/3",
				"S6-updates light_client_updates_by_range/1", "S6-first light_client_updates_by_range/1",
				"S6-count light_client_updates_by_range/1", "S6-bootstrap light_client_bootstrap/1",
				"S6-unavailable light_client_bootstrap/1", "S6-latest light_client_finality_update/1",
				"S6-latest light_client_optimistic_update/1",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			results := against{beacontest.FuluNetwork(), tt.chain, tt.head, nil, few, true, false}.run(t)
			passed := make(map[string]bool)
			for _, r := range results {
				passed[ruleName(*r.Rule)] = r.Outcome == conformance.Pass
				if r.Outcome == conformance.Fail {
					t.Errorf("%s: saw %s", ruleName(*r.Rule), r.Saw)
				}
			}
			for _, name := range tt.tried {
				if !passed[name] {
					t.Errorf("%s is not passed", name)
				}
			}
			if t.Failed() {
				t.Log(table(results))
			}
		})
	}
}

// A status that was told before a fork is held against the digest of that time.
func TestForkDuringARun(t *testing.T) {
	n := beacontest.FuluNetwork()
	const forkSlot = beacontest.FuluFirstSlot
	simulate(t, func(t *testing.T, client, server host.Host) {
		began := time.Now()
		now := func() time.Time { return n.TimeAt(forkSlot - 5).Add(time.Since(began)) } // the fork is 15 s away
		srv := beacon.NewServer(server, n, beacontest.Fulu().Until(forkSlot-5), &beacon.ServerOptions{Now: now})
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = srv.Stop(t.Context()) }()
		tried := 0
		for r := range conformance.Run(t.Context(), client, n, server.ID(), &conformance.Options{Now: now}) {
			if ruleName(*r.Rule) != "S1-status status/1" {
				continue // version 2 is not offered before the fork
			}
			if tried++; r.Outcome != conformance.Pass {
				t.Errorf("%v: saw %s", r.Outcome, r.Saw)
			}
		}
		if tried != 1 || n.SlotAt(now()) < forkSlot {
			t.Errorf("%d rules, slot %d", tried, n.SlotAt(now()))
		}
	})
}
