package plugin_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const eraFiles = "../protocols/era/testdata/era"

// eraConfig is that of a service of the era files, at the end of the chain whose beginning they have.
func eraConfig() plugin.Config {
	n := beacontest.FuluNetwork()
	return plugin.Config{
		Genesis: fuluGenesis(), Listen: loopback, Era: eraFiles,
		Now: func() time.Time { return n.TimeAt(beacontest.FuluHead + 1) },
	}
}

// A service with era files serves them and the store as one chain, also what the store gets later.
func TestServiceWithEraFiles(t *testing.T) {
	n := beacontest.FuluNetwork()
	service := startStandalone(t, "", eraConfig())
	if first, end := service.History().Slots(); first != 0 || end != 128 {
		t.Errorf("slots %d to %d", first, end)
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
	c := beacon.NewClient(h, beacon.NewFamily(n), nil)
	head := func() ssz.Slot {
		t.Helper()
		status, err := c.Status(t.Context(), at.ID, beacon.Status{ForkDigest: n.DigestAt(26)})
		if err != nil {
			t.Fatal(err)
		}
		return status.HeadSlot
	}
	if got := head(); got != 127 {
		t.Errorf("head %d with an empty store", got)
	}
	checkSlots := func(head ssz.Slot) {
		t.Helper()
		if err := testutil.CollectAndCompare(service.Metrics(), strings.NewReader(fmt.Sprintf(`
# HELP reqresp_chain_slot Slots of the chain that is served.
# TYPE reqresp_chain_slot gauge
reqresp_chain_slot{at="earliest"} 0
reqresp_chain_slot{at="finalized"} 0
reqresp_chain_slot{at="head"} %d
`, head)), "reqresp_chain_slot"); err != nil {
			t.Error(err)
		}
	}
	checkSlots(127)
	var later []*beacon.Block
	for _, b := range fuluBlocks(140) {
		if b.Slot >= 128 {
			later = append(later, b)
		}
	}
	if err := service.Store().Append(t.Context(), later...); err != nil {
		t.Fatal(err)
	}
	if got := head(); got != 140 {
		t.Errorf("head %d", got)
	}
	checkSlots(140)
	want := fuluBlocks(140)
	for b, err := range c.BlocksByRange(t.Context(), at.ID, 20, 121) {
		if err != nil {
			t.Fatal(err)
		}
		for len(want) > 0 && want[0].Slot < 20 {
			want = want[1:]
		}
		if len(want) == 0 || b.Root != want[0].Root {
			t.Fatalf("slot %d, %d are left", b.Slot, len(want))
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("%d blocks are missing", len(want))
	}
}

func TestEraFilesThatDoNotFit(t *testing.T) {
	cfg := eraConfig()
	cfg.Era = t.TempDir()
	want := "Config.Era: era: not in this file: " + cfg.Era
	if err := standalone(t, "", cfg).Start(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("an empty directory: %v", err)
	}
	cfg.Era += "/missing"
	if err := standalone(t, "", cfg).Start(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is missing: %v", err)
	}
	cfg = eraConfig()
	cfg.Network, cfg.Genesis = beacontest.FuluNetwork(), nil
	if _, err := plugin.NewStandalone("", emptyChain{}, cfg); err == nil || !strings.Contains(err.Error(), "Config.Era") {
		t.Errorf("with a chain: %v", err)
	}
}
