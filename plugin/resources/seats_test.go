package resources_test

import (
	"io"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// openHalf opens a stream and sends half a request.
func openHalf(t *testing.T, from host.Host, to peer.ID) {
	t.Helper()
	stream, err := from.NewStream(t.Context(), to, methods[0].Spec().Protocols()[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stream, request[:3]); err != nil {
		t.Fatal(err)
	}
}

// Where all streams are taken, a server has a peer make room for one that has none. The resource manager
// has to let that one come so far, by the same protocol or another, while the stream that was given up is
// not gone yet.
func TestResourceManagerLeavesRoomForThoseWhoComeLast(t *testing.T) {
	for _, tr := range transports {
		for which, what := range []string{"by the same protocol", "by another"} {
			t.Run(tr.name+"/"+what, func(t *testing.T) {
				t.Parallel()
				const served = 34
				plan := newPlan(t, specs(), resources.Options{Memory: 64 * mib, MaxStreams: served})
				manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(plan.HostLimits()),
					rcmgr.WithMetricsDisabled(), rcmgr.WithLimitPerSubnet(nil, nil))
				if err != nil {
					t.Fatal(err)
				}
				server := newHost(t, tr.options, manager)
				srv := serve(t, server, plan)
				target := peer.AddrInfo{ID: server.ID(), Addrs: server.Addrs()}
				taken := 0
				for taken < served {
					h := newHost(t, tr.options, &network.NullResourceManager{})
					if err := h.Connect(t.Context(), target); err != nil {
						t.Fatal(err)
					}
					for n := 0; n < 2 && taken < served; n++ {
						before := srv.Refused()
						openHalf(t, h, server.ID())
						until(t, "the stream to be served or refused", func() bool {
							sum := 0
							for _, n := range srv.Streams() {
								sum += n
							}
							return srv.Refused() > before || sum > taken
						})
						if srv.Refused() > before {
							break
						}
						taken++
					}
				}

				c := reqresp.NewClient(newHost(t, tr.options, &network.NullResourceManager{}), nil)
				c = c.With(reqresp.CallOptions{Addrs: target.Addrs})
				for got, err := range methods[which].Call(t.Context(), c, server.ID(), new("honest")) {
					if err != nil || *got != "honest" {
						t.Fatalf("the one that came last: %v", err)
					}
				}
			})
		}
	}
}
