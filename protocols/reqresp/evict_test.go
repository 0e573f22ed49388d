package reqresp_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// crowd runs f with a server and so many others that know it, on a simulated network.
func crowd(t *testing.T, n int, f func(t *testing.T, server host.Host, others []host.Host)) {
	t.Helper()
	simtest.Run(t, simtest.Options{Hosts: 1 + n}, func(t *testing.T, nw *simtest.Network) {
		for _, h := range nw.Hosts {
			simtest.Introduce(h, nw.Hosts[0])
		}
		f(t, nw.Hosts[0], nw.Hosts[1:])
	})
}

// hoard has every peer open some streams, of which it gets as many as it can, with a
// request that is whole or not. It returns how the server ends them.
func hoard(t *testing.T, server host.Host, peers []host.Host, n int, whole bool) <-chan error {
	t.Helper()
	ends := make(chan error, n*len(peers))
	for _, h := range peers {
		for range n {
			stream := openRaw(t, h, server, echo.Spec().Protocols()[0])
			if whole {
				_, _ = stream.Write([]byte{0})
				_ = stream.CloseWrite()
			} else {
				_, _ = stream.Write([]byte{1})
			}
			go func() {
				_, err := stream.Read(make([]byte, 1))
				ends <- err
			}()
		}
	}
	time.Sleep(time.Second)
	return ends
}

// echoSlowly takes half a minute.
func echoSlowly(ctx context.Context, _ peer.ID, req *Text) (*Text, error) {
	select {
	case <-time.After(30 * time.Second):
		return req, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestPeersWithMostStreamsMakeRoom has so many peers hold all they can that nothing is
// left to share, before one comes who wants little.
func TestPeersWithMostStreamsMakeRoom(t *testing.T) {
	const bound, hoarders, wanted = 100, 24, 2
	for name, tt := range map[string]struct {
		whole  bool // whether those who hoard can be answered
		served int  // of what the last one wants
	}{
		"while they wait":                {false, wanted},
		"but not what they get answered": {true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			crowd(t, hoarders+1, func(t *testing.T, server host.Host, others []host.Host) {
				srv := serve(t, server, &reqresp.ServerOptions{MaxStreams: bound}, echo.Serve(echoSlowly))
				ends := hoard(t, server, others[:hoarders], 8, tt.whole)
				for range len(ends) {
					if err := <-ends; !errors.Is(err, remoteReset(network.StreamResourceLimitExceeded)) {
						t.Fatalf("a stream beyond the bound ended in %v", err)
					}
				}
				before, refused := srv.Streams(), srv.Refused()
				last := others[hoarders]
				ours := hoard(t, server, []host.Host{last}, wanted, true)
				after := srv.Streams()
				if after[last.ID()] != tt.served || len(ours) != wanted-tt.served {
					t.Errorf("the last one has %d streams and %d failed, want %d of %d served",
						after[last.ID()], len(ours), tt.served, wanted)
				}
				if n := sum(after); n > bound {
					t.Errorf("%d streams are served, of at most %d", n, bound)
				}
				if got := int(srv.Refused() - refused); got != wanted-1 {
					t.Errorf("%d streams were refused meanwhile, want %d", got, wanted-1)
				}
				delete(after, last.ID())
				if gave := sum(before) - sum(after); gave != tt.served-1 || len(ends) != gave {
					t.Errorf("the others gave up %d streams and %d ended, want %d", gave, len(ends), tt.served-1)
				}
				most := slices.Max(values(before))
				for id, n := range before {
					if after[id] < n && n < most {
						t.Errorf("a peer with %d streams gave up one, others had %d", n, most)
					}
				}
				if len(ends) > 0 {
					if err := <-ends; !errors.Is(err, remoteReset(network.StreamResourceLimitExceeded)) {
						t.Errorf("what was given up ended in %v", err)
					}
				}
			})
		})
	}
}

func values(counts map[peer.ID]int) (all []int) {
	for _, n := range counts {
		all = append(all, n)
	}
	return all
}

func sum(counts map[peer.ID]int) (all int) {
	for _, n := range counts {
		all += n
	}
	return all
}
