package beacon_test

import (
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Without a chain it would be the first peer to come that ends the process.
func TestServerWithoutChainPanics(t *testing.T) {
	simulate(t, func(t *testing.T, _, server host.Host) {
		defer func() {
			if recover() == nil {
				t.Error("NewServer took no chain for one")
			}
		}()
		beacon.NewServer(server, devNetwork(), nil, nil)
	})
}

// A peer that answers the same as before is not blamed for being asked again.
func TestSequenceUsedTwice(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		blocks := newClient(client).BlocksByRange(t.Context(), server.ID(), 50, 3)
		n := 0
		for _, err := range blocks {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		for block, err := range blocks {
			if f, ok := errors.AsType[*reqresp.Failure](err); block != nil || !ok || f.Phase != reqresp.PhaseQueue {
				t.Errorf("the second time: %v, %v", block, err)
			}
			if errors.Is(err, reqresp.ErrViolation) {
				t.Error("the peer was blamed")
			}
			n++
		}
		if n != 4 {
			t.Errorf("got %d pairs, want three blocks and an error", n)
		}
	})
}

func TestDefaultMetaDataIsOfTheNetwork(t *testing.T) {
	cfg := ssz.DefaultConfig(ssz.MainnetPreset)
	cfg.CustodyRequirement = 8
	network, err := ssz.NewNetwork(cfg, time.Unix(1700000000, 0), ssz.Root{1})
	if err != nil {
		t.Fatal(err)
	}
	simulate(t, func(t *testing.T, _, server host.Host) {
		got := beacon.NewServer(server, network, devChain(), nil).MetaData()
		if want := (ssz.MetaDataV3{CustodyGroupCount: 8}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
