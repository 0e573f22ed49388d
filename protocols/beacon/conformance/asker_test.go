package conformance_test

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// chunk is a response chunk without context bytes.
func chunk(message []byte) []byte {
	return snappy.AppendFrames(snappy.AppendHeader([]byte{0}, len(message)), message)
}

// askers are the rules for who asks, held against our own client. The server is played by hand.
var askers = map[string]func(t *testing.T, c *beacon.Client, server host.Host){
	"M2-close": func(t *testing.T, c *beacon.Client, server host.Host) {
		whole := make(chan error, 1)
		server.SetStreamHandler(id("ping", 1), func(stream network.Stream) {
			_, err := io.ReadAll(stream) // that ends with the requester's side
			whole <- err
			_, _ = stream.Write(chunk(make([]byte, 8)))
			_ = stream.Close()
		})
		if _, err := c.Ping(t.Context(), server.ID(), 0); err != nil || <-whole != nil {
			t.Errorf("got %v", err)
		}
	},
	"M2-once": func(t *testing.T, c *beacon.Client, server host.Host) {
		begin := time.Now()
		took := make(chan time.Duration, 1)
		server.SetStreamHandler(id("ping", 1), func(stream network.Stream) {
			_, _ = io.ReadAll(stream)
			took <- time.Since(begin)
			_ = stream.Reset()
		})
		_, _ = c.Ping(t.Context(), server.ID(), 0)
		if d := <-took; d > 100*time.Millisecond {
			t.Errorf("the request was there after %v", d)
		}
	},
	"M3-two": func(t *testing.T, c *beacon.Client, server host.Host) {
		var now, most atomic.Int32
		server.SetStreamHandler(id("ping", 1), func(stream network.Stream) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second) // of the bubble's clock
			now.Add(-1)
			_, _ = stream.Write(chunk(make([]byte, 8)))
			_ = stream.Close()
		})
		var calls sync.WaitGroup
		for range 5 {
			calls.Go(func() {
				if _, err := c.Ping(t.Context(), server.ID(), 0); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if most.Load() != 2 {
			t.Errorf("%d requests at a time, want 2", most.Load())
		}
	},
	"M4-reset": func(t *testing.T, c *beacon.Client, server host.Host) {
		block := beacontest.New().Blocks[0]
		broken := make(chan error, 1)
		server.SetStreamHandler(id("beacon_blocks_by_range", 1), func(stream network.Stream) {
			_, _ = io.ReadAll(stream)
			_, _ = stream.Write(chunk(block.SSZ))
			synctest.Wait()
			time.Sleep(time.Second)
			_, err := stream.Write(chunk(block.SSZ))
			broken <- err
		})
		for range c.BlocksByRange(t.Context(), server.ID(), block.Slot, 2) {
			break
		}
		if err := <-broken; !errors.Is(err, network.ErrReset) {
			t.Errorf("the next chunk was written: %v", err)
		}
	},
	"M10-response": func(t *testing.T, c *beacon.Client, server host.Host) {
		message := make([]byte, 8)
		frames := snappy.AppendFrames(nil, message)
		wire := append(snappy.AppendHeader([]byte{0}, len(message)), frames[:10]...)
		wire = append(append(wire, 0xfe, 64, 0, 0), make([]byte, 64)...) // padding
		answer(server, id("ping", 1), string(append(wire, frames[10:]...)))
		if _, err := c.Ping(t.Context(), server.ID(), 0); !errors.Is(err, reqresp.ErrViolation) {
			t.Errorf("got %v", err)
		}
	},
	"M12-response": func(t *testing.T, c *beacon.Client, server host.Host) {
		for _, wire := range [][]byte{
			chunk(make([]byte, 7)), append(chunk(make([]byte, 8)), 1),
			chunk(make([]byte, 8))[:12],
		} {
			answer(server, id("ping", 1), string(wire))
			if _, err := c.Ping(t.Context(), server.ID(), 0); !errors.Is(err, reqresp.ErrViolation) {
				t.Errorf("%x: got %v", wire, err)
			}
		}
	},
	"S1-dialer": func(t *testing.T, c *beacon.Client, server host.Host) {
		told := make(chan []byte, 1)
		server.SetStreamHandler(id("status", 2), func(stream network.Stream) {
			request, _ := io.ReadAll(stream)
			told <- request
			_ = stream.Reset()
		})
		// The dialer is the host that is the server elsewhere: its own server greets.
		if got := <-told; len(got) == 0 {
			t.Error("no status was told")
		}
	},
	"S4-payload": func(t *testing.T, c *beacon.Client, server host.Host) {
		chain := beacontest.New() // no execution payload in it is valid
		n := beacontest.Network()
		srv := beacon.NewServer(server, n, chain,
			&beacon.ServerOptions{Now: func() time.Time { return n.TimeAt(beacontest.Head) }})
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = srv.Stop(t.Context()) }()
		for _, err := range c.BlocksByRange(t.Context(), server.ID(), 0, beacontest.Head) {
			if err != nil {
				t.Error(err)
			}
		}
	},
	"S5-verify": func(t *testing.T, c *beacon.Client, server host.Host) {
		blob, n := beacontest.New().Blobs[0], beacontest.Network()
		wrong := slices.Clone(blob.SSZ)
		wrong[len(wrong)-1] ^= 1 // of the inclusion proof
		digest := n.DigestAt(n.EpochOf(blob.Slot))
		wire := append([]byte{0}, digest[:]...)
		wire = append(wire, chunk(wrong)[1:]...)
		answer(server, id("blob_sidecars_by_root", 1), string(wire))
		ids := []ssz.BlobIdentifier{{BlockRoot: blob.Root, Index: blob.Index}}
		for _, err := range c.BlobSidecarsByRoot(t.Context(), server.ID(), ids) {
			if !errors.Is(err, beacon.ErrNotIncluded) {
				t.Errorf("got %v", err)
			}
		}
	},
}

// Rules for who asks are left out of a run. Our own client keeps them.
func TestOurClientConforms(t *testing.T) {
	tried := make(map[string]bool)
	for _, r := range conformance.Rules() {
		try := askers[r.ID]
		if r.LeftOut != "a rule for who asks, and the peer is asked" {
			if try != nil {
				t.Errorf("%s is no rule for who asks", r.ID)
			}
			continue
		}
		if try == nil {
			t.Errorf("%s is not held against our client", r.ID)
			continue
		}
		if tried[r.ID] {
			continue
		}
		tried[r.ID] = true
		t.Run(r.ID, func(t *testing.T) {
			simulate(t, func(t *testing.T, client, server host.Host) {
				n := beacontest.Network()
				if r.ID == "S1-dialer" {
					srv := beacon.NewServer(client, n, beacontest.New(),
						&beacon.ServerOptions{Now: func() time.Time { return n.TimeAt(beacontest.Head) }})
					if err := srv.Start(); err != nil {
						t.Fatal(err)
					}
					defer func() { _ = srv.Stop(t.Context()) }()
					time.AfterFunc(time.Second, func() { _ = client.Connect(t.Context(), peer.AddrInfo{ID: server.ID()}) })
				}
				try(t, beacon.NewClient(client, beacon.NewFamily(n), nil), server)
			})
		})
	}
}
