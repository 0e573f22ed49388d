package sidecar_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/sidecar"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
)

// Whatever a peer sends is verified or a fault, and is what the block has only if it is that.
func FuzzVerify(f *testing.F) {
	deneb, fulu := realBlobs()[0], realColumns(3)[0]
	later := gloas(fulu)
	for _, b := range [][]byte{deneb.Blobs[0].SSZ, fulu.Columns[0].SSZ, later.Columns[0].SSZ, later.Envelope.SSZ} {
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	// It loads the trusted setup, which takes longer than an input may.
	if err := sidecar.Verify(f.Context(), gloasNetwork, later); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		blob, column, envelope := *deneb.Blobs[0], *fulu.Columns[0], *later.Envelope
		gloasColumn := *later.Columns[0]
		blob.SSZ, column.SSZ, gloasColumn.SSZ, envelope.SSZ = b, b, b, b
		n := beacontest.FuluNetwork()
		verified := func(err error, want []byte) {
			if err == nil && string(b) != string(want) {
				t.Error("another object is verified")
			}
		}
		verified(sidecar.Verify(t.Context(), n, beacon.Sidecars{
			Block: deneb.Block, Blobs: []*beacon.BlobSidecar{&blob},
		}), deneb.Blobs[0].SSZ)
		verified(sidecar.Verify(t.Context(), n, beacon.Sidecars{
			Block: fulu.Block, Columns: []*beacon.DataColumnSidecar{&column},
		}), fulu.Columns[0].SSZ)
		verified(sidecar.Verify(t.Context(), gloasNetwork, beacon.Sidecars{
			Block: later.Block, Columns: []*beacon.DataColumnSidecar{&gloasColumn},
		}), later.Columns[0].SSZ)
		// What is in a payload beyond the bid is for an execution engine to verify.
		_ = sidecar.Verify(t.Context(), gloasNetwork, beacon.Sidecars{Block: later.Block, Envelope: &envelope})
	})
}
