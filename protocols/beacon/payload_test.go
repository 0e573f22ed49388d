package beacon_test

import (
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// payloads sums up what a server was told of.
type payloads struct {
	mu  sync.Mutex
	sum map[beacon.Payload]int // by all but Bytes
}

func (p *payloads) add(m beacon.Payload) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := m.Bytes
	m.Bytes = 0
	p.sum[m] += n
}

func (p *payloads) get(m beacon.Payload) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sum[m]
}

func TestPayloadsAreToldOnBothSides(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		asked, served := &payloads{sum: make(map[beacon.Payload]int)}, &payloads{sum: make(map[beacon.Payload]int)}
		serve(t, server, devChain(), beacon.ServerOptions{Payloads: served.add})
		asker := serve(t, client, devChain(), beacon.ServerOptions{Payloads: asked.add})
		connect(t, client, server)
		if _, err := asker.Client().MetaData(t.Context(), server.ID()); err != nil {
			t.Fatal(err)
		}
		blocks, err := collect(asker.Client().BlocksByRange(t.Context(), server.ID(), firstSlot, 41))
		if err != nil || len(blocks) == 0 {
			t.Fatalf("%d blocks, error %v", len(blocks), err)
		}
		size := 0
		for _, b := range blocks {
			size += len(b.SSZ)
		}
		for _, test := range []struct {
			of   beacon.Payload
			want int
		}{
			{beacon.Payload{Protocol: idByRange}, 24},
			{beacon.Payload{Protocol: idByRange, Response: true}, size},
			{beacon.Payload{Protocol: idMetaDataV3}, 0}, // a request of no bytes
			{beacon.Payload{Protocol: idMetaDataV3, Response: true}, 25},
		} {
			test.of.Direction = network.DirOutbound
			if got := asked.get(test.of); got != test.want {
				t.Errorf("asked: %+v is %d bytes, want %d", test.of, got, test.want)
			}
			test.of.Direction = network.DirInbound
			if got := served.get(test.of); got != test.want {
				t.Errorf("served: %+v is %d bytes, want %d", test.of, got, test.want)
			}
		}
	})
}

func TestTracesAreTold(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		inbound, outbound := make(chan string, 9), make(chan string, 9)
		serve(t, server, devChain(), beacon.ServerOptions{Trace: &reqresp.ServerTrace{
			Done: func(info reqresp.InboundInfo, _ reqresp.Result) { inbound <- info.Spec.Name },
		}})
		asker := serve(t, client, devChain(), beacon.ServerOptions{ClientTrace: &reqresp.ClientTrace{
			Done: func(info reqresp.OutboundInfo, _ reqresp.Result) { outbound <- info.Spec.Name },
		}})
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
