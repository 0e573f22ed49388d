package beacon_test

import (
	"bytes"
	"iter"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// withFuluChain serves a real chain, or a copy of it, in the slot of its head.
func withFuluChain(t *testing.T, chain *beacontest.Chain, f func(t *testing.T, c *beacon.Client, server host.Host)) {
	t.Helper()
	simulate(t, func(t *testing.T, client, server host.Host) {
		n := beacontest.FuluNetwork()
		serveOn(t, server, n, chain, beacon.ServerOptions{Now: fuluNow(beacontest.FuluHead)})
		f(t, beacon.NewClient(client, beacon.NewFamily(n), nil), server)
	})
}

// checkChunks compares what a client was sent with what the chain has: its bytes, and its frames as they were.
func checkChunks[T any](
	t *testing.T, name string, got iter.Seq2[T, error], chunk func(T) beacon.Chunk, want []*beacontest.Item,
) {
	t.Helper()
	i := 0
	for object, err := range got {
		if err != nil {
			t.Fatalf("%s: after %d: %v", name, i, err)
		}
		if i == len(want) {
			t.Fatalf("%s: more than %d", name, i)
		}
		if c := chunk(object); !bytes.Equal(c.SSZ, want[i].SSZ) || !bytes.Equal(c.Frames, want[i].Frames) {
			t.Fatalf("%s: number %d, of slot %d, is not what the chain has", name, i, want[i].Slot)
		}
		i++
	}
	if i < len(want) {
		t.Errorf("%s: %d objects, want %d", name, i, len(want))
	}
}

func blobChunk(b *beacon.BlobSidecar) beacon.Chunk         { return b.Chunk }
func columnChunk(d *beacon.DataColumnSidecar) beacon.Chunk { return d.Chunk }

// All sidecars of a real chain arrive as they are, by range and by root.
func TestEverySidecarOfARealChainArrivesAsItIs(t *testing.T) {
	c := beacontest.Fulu()
	var blobs []ssz.BlobIdentifier
	for _, i := range c.Blobs {
		blobs = append(blobs, ssz.BlobIdentifier{BlockRoot: i.Root, Index: i.Index})
	}
	var columns []ssz.DataColumnsByRootIdentifier
	for _, i := range c.Columns {
		if i.Index == 0 {
			columns = append(columns, ssz.DataColumnsByRootIdentifier{BlockRoot: i.Root, Columns: everyColumn})
		}
	}
	slots := uint64(beacontest.FuluHead) + 1
	withFuluChain(t, c, func(t *testing.T, client *beacon.Client, server host.Host) {
		ctx, to := t.Context(), server.ID()
		checkChunks(t, "blobs by range", client.BlobSidecarsByRange(ctx, to, 0, slots), blobChunk, c.Blobs)
		checkChunks(t, "blobs by root", client.BlobSidecarsByRoot(ctx, to, blobs), blobChunk, c.Blobs)
		checkChunks(t, "columns by range", client.DataColumnSidecarsByRange(ctx, to, 0, slots, everyColumn), columnChunk,
			c.Columns)
		checkChunks(t, "columns by root", client.DataColumnSidecarsByRoot(ctx, to, columns), columnChunk, c.Columns)
		some := keep(c.Columns, func(i *beacontest.Item) bool { return i.Index%64 == 7 })
		checkChunks(t, "two columns by range", client.DataColumnSidecarsByRange(ctx, to, 0, slots, []uint64{7, 71}),
			columnChunk, some)
	})
}

// All that a real node served to light clients arrives as it is. Of the latest updates each is served once.
func TestEveryLightClientObjectOfARealChainArrivesAsItIs(t *testing.T) {
	c := beacontest.Fulu()
	withFuluChain(t, c, func(t *testing.T, client *beacon.Client, server host.Host) {
		ctx, to := t.Context(), server.ID()
		checkChunks(t, "updates", client.LightClientUpdatesByRange(ctx, to, 0, 10),
			func(u *beacon.LightClientUpdate) beacon.Chunk { return u.Chunk }, c.Updates)
		for _, i := range c.Bootstraps {
			if got, err := client.LightClientBootstrap(ctx, to, i.Root); err != nil || !bytes.Equal(got.SSZ, i.SSZ) {
				t.Errorf("bootstrap of slot %d: %v", i.Slot, err)
			}
		}
	})
	latest := *c
	withFuluChain(t, &latest, func(t *testing.T, client *beacon.Client, server host.Host) {
		for _, latest.Finality = range beacontest.FuluFinalityUpdates() {
			got, err := client.LightClientFinalityUpdate(t.Context(), server.ID())
			if err != nil || !bytes.Equal(got.SSZ, latest.Finality.SSZ) {
				t.Errorf("finality update of slot %d: %v", latest.Finality.Slot, err)
			}
		}
		for _, latest.Optimistic = range beacontest.FuluOptimisticUpdates() {
			got, err := client.LightClientOptimisticUpdate(t.Context(), server.ID())
			if err != nil || !bytes.Equal(got.SSZ, latest.Optimistic.SSZ) {
				t.Errorf("optimistic update of slot %d: %v", latest.Optimistic.Slot, err)
			}
		}
	})
}
