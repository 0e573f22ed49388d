package plugin_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
)

// fillWithSidecars appends a real chain with some columns of each block to a store.
func fillWithSidecars(t *testing.T, s *store.Store, columns []uint64) {
	t.Helper()
	c := beacontest.Fulu()
	for _, b := range beacontest.FuluBlocks() {
		of := beacon.Sidecars{Block: b}
		for _, blob := range c.BlobSidecars() {
			if blob.BlockRoot == b.Root {
				of.Blobs = append(of.Blobs, blob)
			}
		}
		for _, column := range c.DataColumnSidecars() {
			if column.BlockRoot == b.Root && slices.Contains(columns, column.Index) {
				of.Columns = append(of.Columns, column)
			}
		}
		if err := s.AppendSidecars(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
}

// held returns how many columns and blobs a store has, by range from its earliest block on.
func held(t *testing.T, s *store.Store) (columns, blobs int) {
	t.Helper()
	earliest := s.Info().Earliest
	for _, err := range s.Sources().Columns.DataColumnSidecarsByRange(t.Context(), earliest, 1000, []uint64{0, 1, 2}) {
		if err == nil {
			columns++
		}
	}
	for _, err := range s.Sources().Blobs.BlobSidecarsByRange(t.Context(), earliest, 1000) {
		if err == nil {
			blobs++
		}
	}
	return columns, blobs
}

// inProcess returns a connection to a service's RPC.
func inProcess(t *testing.T, s *plugin.Service) *rpc.Client {
	t.Helper()
	server := rpc.NewServer()
	t.Cleanup(server.Stop)
	for _, a := range s.APIs() {
		if err := server.RegisterName(a.Namespace, a.Service); err != nil {
			t.Fatal(err)
		}
	}
	c := rpc.DialInProc(server)
	t.Cleanup(c.Close)
	return c
}

func TestRetentionIsSetAndChanged(t *testing.T) {
	t.Parallel()
	n := beacontest.FuluNetwork()
	cfg := plugin.Config{
		Genesis: fuluGenesis(), Listen: loopback, Now: func() time.Time { return n.TimeAt(beacontest.FuluHead) },
		Retention: plugin.Retention{BlobSidecars: 5, DataColumnSidecars: store.RetainSpec},
	}
	dir := t.TempDir()
	service := standalone(t, dir, cfg)
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	fillWithSidecars(t, service.Store(), []uint64{0, 1, 2})
	if columns, blobs := held(t, service.Store()); columns != 33 || blobs != 18 {
		t.Fatalf("%d columns and %d blobs, want 33 and 18", columns, blobs)
	}
	if err := service.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil { // It looks at once, and every hour.
		t.Fatal(err)
	}
	simtest.WaitFor(t, "the blobs to be discarded", func() bool { _, blobs := held(t, service.Store()); return blobs == 0 })
	if columns, _ := held(t, service.Store()); columns != 33 {
		t.Errorf("%d columns, want 33", columns)
	}

	c := client.New(inProcess(t, service))
	want := api.Retention{Blocks: "all", BlobSidecars: "5", DataColumnSidecars: "spec", ExecutionPayloadEnvelopes: "all"}
	if got, err := c.Retention(t.Context()); err != nil || got != want {
		t.Errorf("retention %+v, %v, want %+v", got, err, want)
	}
	want.DataColumnSidecars, want.Blocks = "4", "12"
	if got, err := c.SetRetention(t.Context(), api.Retention{DataColumnSidecars: "4", Blocks: "12"}); err != nil || got != want {
		t.Errorf("retention %+v, %v, want %+v", got, err, want)
	}
	// Periods are of 64 slots, and the head is slot 215 of epoch 26.
	simtest.WaitFor(t, "columns and blocks to be discarded", func() bool {
		columns, _ := held(t, service.Store())
		return columns == 21 && service.Store().Info().Earliest == 64
	})
	if _, err := c.SetRetention(t.Context(), api.Retention{Blocks: "0"}); err == nil || !strings.Contains(err.Error(), `"0"`) {
		t.Errorf("error %v, want one that names 0", err)
	}
}

func TestRetentionThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		chain beacon.Chain
		cfg   plugin.Config
		want  string
	}{
		{nil, plugin.Config{Retention: plugin.Retention{BlobSidecars: -2}}, "Config.Retention.BlobSidecars is -2"},
		{nil, plugin.Config{Era: "x", Retention: plugin.Retention{Blocks: 9}}, "Config.Retention.Blocks is 9, want all"},
		{
			beacontest.Fulu(),
			plugin.Config{Network: beacontest.FuluNetwork(), Retention: plugin.Retention{Blocks: 9}},
			"leave it zero with a chain",
		},
	} {
		if _, err := plugin.NewStandalone("", tt.chain, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	service, err := plugin.NewStandalone("", beacontest.Fulu(), plugin.Config{Network: beacontest.FuluNetwork()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.New(inProcess(t, service)).SetRetention(t.Context(), api.Retention{}); err == nil {
		t.Error("the retention of a chain that is not the service's is set")
	}
}
