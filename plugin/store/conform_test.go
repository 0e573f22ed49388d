package store_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
)

// secp256k1 returns a host's option of a key of the kind that nodes have.
func secp256k1() []libp2p.Option {
	key, _, err := crypto.GenerateSecp256k1Key(rand.Reader)
	if err != nil {
		panic(err)
	}
	return []libp2p.Option{libp2p.Identity(key)}
}

// A node whose store has the columns of its custody, and no others, keeps the rules of sidecars.
func TestAStoreOfACustodyConforms(t *testing.T) {
	n := beacontest.FuluNetwork()
	head := func() time.Time { return n.TimeAt(beacontest.FuluHead) }
	simtest.Pair(t, simtest.Options{Host: secp256k1}, func(t *testing.T, client, at host.Host) {
		s := custodyStore(t, at)
		server := beacon.NewServer(at, n, s, &beacon.ServerOptions{Now: head})
		must(t, server.Start())
		defer server.Stop(t.Context())
		status, err := server.Status(t.Context())
		if err != nil || status.EarliestAvailableSlot != 0 {
			t.Errorf("earliest available slot %d, %v, want 0", status.EarliestAvailableSlot, err)
		}
		passed := make(map[string]bool)
		for r := range conformance.Run(t.Context(), client, n, at.ID(), &conformance.Options{Now: head}) {
			name := fmt.Sprintf("%s %s", r.Rule.ID, r.Rule.Method)
			passed[name] = r.Outcome == conformance.Pass
			if r.Outcome == conformance.Fail && !strings.HasPrefix(r.Rule.Method, "light_client_") { // of which it has none
				t.Errorf("%s: saw %s", name, r.Saw)
			}
		}
		for _, name := range []string{
			"S5-serve data_column_sidecars_by_range", "S5-first data_column_sidecars_by_range",
			"S5-known data_column_sidecars_by_root", "S5-unknown data_column_sidecars_by_root",
			"S5-none data_column_sidecars_by_range", "S9-custody metadata",
		} {
			if !passed[name] {
				t.Errorf("%s is not passed", name)
			}
		}
	})
}

// custodyStore returns a store of the real chain with the columns that a host has to have by default.
func custodyStore(t *testing.T, h host.Host) *store.Store {
	t.Helper()
	id, err := beacon.NodeIDOf(h.ID())
	must(t, err)
	columns := beacon.CustodyColumns(id, beacontest.FuluNetwork().Config().CustodyRequirement)
	s, all := openFulu(t, memorydb.New()), fuluSidecars()
	for i := range all {
		all[i].Columns = slices.DeleteFunc(all[i].Columns, func(c *beacon.DataColumnSidecar) bool {
			return !slices.Contains(columns, c.Index)
		})
	}
	must(t, s.AppendSidecars(t.Context(), all...))
	s.SetCustody(columns)
	return s
}
