package beacon_test

import (
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// results keeps the last result of each method in each direction.
type results struct {
	mu      sync.Mutex
	inbound map[bool]map[string]reqresp.Result
}

func newResults() *results {
	return &results{inbound: map[bool]map[string]reqresp.Result{false: {}, true: {}}}
}

func (r *results) trace() *reqresp.Trace {
	return &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.inbound[x.Inbound][x.Spec.Name()] = x.Result
	}}
}

func (r *results) get(inbound bool, method string) reqresp.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inbound[inbound][method]
}

func TestSizesOfTheSSZAreTracedOnBothSides(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		asked, served := newResults(), newResults()
		serve(t, server, devChain(), beacon.ServerOptions{Trace: served.trace()})
		asker := serve(t, client, devChain(), beacon.ServerOptions{Trace: asked.trace()})
		connect(t, client, server)
		if _, err := asker.Client().MetaData(t.Context(), server.ID()); err != nil {
			t.Fatal(err)
		}
		blocks, err := collect(asker.Client().BlocksByRange(t.Context(), server.ID(), firstSlot, 41))
		if err != nil || len(blocks) == 0 {
			t.Fatalf("%d blocks, error %v", len(blocks), err)
		}
		settle()
		size := 0
		for _, b := range blocks {
			size += len(b.SSZ)
		}
		for _, test := range []struct {
			method            string
			request, response uint64
		}{
			{"beacon_blocks_by_range", 24, uint64(size)},
			{"metadata", 0, 25}, // a request of no bytes
		} {
			for side, got := range map[string]reqresp.Result{
				"asked": asked.get(false, test.method), "served": served.get(true, test.method),
			} {
				if got.RequestSize != test.request || got.ResponseSize != test.response {
					t.Errorf("%s: %s has sizes %d and %d, want %d and %d",
						side, test.method, got.RequestSize, got.ResponseSize, test.request, test.response)
				}
			}
		}
	})
}

func TestTracesAreCalledOnBothSides(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		inbound, outbound := make(chan string, 9), make(chan string, 9)
		serve(t, server, devChain(), beacon.ServerOptions{Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) {
			if x.Inbound {
				inbound <- x.Spec.Name()
			}
		}}})
		asker := serve(t, client, devChain(), beacon.ServerOptions{Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) {
			if !x.Inbound {
				outbound <- x.Spec.Name()
			}
		}}})
		if _, err := asker.Client().Ping(t.Context(), server.ID(), 0); err != nil {
			t.Fatal(err)
		}
		// The dialer's status may come before or after.
		for _, names := range []chan string{inbound, outbound} {
			for name := ""; name != "ping"; {
				name = <-names
			}
		}
	})
}
