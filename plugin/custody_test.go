package plugin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/libp2p/go-libp2p"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestCustodyIsAnnouncedOfAChainWithColumns(t *testing.T) {
	t.Parallel()
	columns := beacontest.Fulu()
	blocks := beacontest.BlocksOnly{Chain: columns}
	for _, tt := range []struct {
		name    string
		chain   beacon.Chain
		custody uint64
		want    uint64
	}{
		{"by default", columns, 0, 4},
		{"as set", columns, 10, 10},
		{"all", columns, 128, 128},
		{"of a chain without columns", blocks, 10, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			service, err := plugin.NewStandalone("", tt.chain, plugin.Config{
				Network: beacontest.FuluNetwork(), Listen: loopback, Custody: tt.custody,
				Discovery: &discovery.Config{Listen: "127.0.0.1:0"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := service.Start(); err != nil {
				t.Fatal(err)
			}
			defer service.Stop()
			node, err := enode.Parse(enode.ValidSchemes, service.Record())
			if err != nil {
				t.Fatal(err)
			}
			var record uint64
			if err := node.Load(enr.WithEntry("cgc", &record)); err != nil || record != tt.want {
				t.Errorf("the record has %d custody groups, %v, want %d", record, err, tt.want)
			}
			h, err := libp2p.New(libp2p.NoListenAddrs)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			at := addrOf(t, service.Host(), "tcp")
			if err := h.Connect(t.Context(), at); err != nil {
				t.Fatal(err)
			}
			client := beacon.NewClient(h, beacon.NewFamily(beacontest.FuluNetwork()), nil)
			if md, err := client.MetaData(t.Context(), at.ID); err != nil || md.CustodyGroupCount != tt.want {
				t.Errorf("metadata %+v, %v, want %d custody groups", md, err, tt.want)
			}
		})
	}
}

func TestCustodyBelowTheRequirementIsRefused(t *testing.T) {
	t.Parallel()
	service := standalone(t, "", plugin.Config{Genesis: fuluGenesis(), Listen: loopback, Custody: 3})
	const want = "Config.Custody is 3, want at least 4"
	if err := service.Start(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// What is announced is not missing of the blocks that the status offers.
func TestEarliestAvailableSlotFollowsTheCustody(t *testing.T) {
	t.Parallel()
	n := beacontest.FuluNetwork()
	last := beacontest.Fulu().Columns[len(beacontest.Fulu().Columns)-1].Slot
	for custody, want := range map[uint64]ssz.Slot{0: 0, 4: 0, 5: last + 1, ssz.NumberOfCustodyGroups: last + 1} {
		service := startStandalone(t, "", plugin.Config{
			Genesis: fuluGenesis(), Listen: loopback, Custody: custody,
			Now: func() time.Time { return n.TimeAt(beacontest.FuluHead) },
		})
		id, err := beacon.NodeIDOf(service.Host().ID())
		if err != nil {
			t.Fatal(err)
		}
		fillWithSidecars(t, service.Store(), beacon.CustodyColumns(id, 4))
		status, err := service.Server().Status(t.Context())
		if err != nil || status.EarliestAvailableSlot != want {
			t.Errorf("with custody %d: earliest available slot %d, %v, want %d", custody, status.EarliestAvailableSlot, err, want)
		}
	}
}
