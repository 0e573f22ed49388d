package beacon_test

import (
	"reflect"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
)

func TestSidecarsAreDecodedAsTheyAreReceived(t *testing.T) {
	t.Parallel()
	n := beacontest.FuluNetwork()
	for _, want := range beacontest.Fulu().BlobSidecars() {
		got, err := beacon.DecodeBlobSidecar(n, want.Chunk)
		if err != nil || !reflect.DeepEqual(got, want) || got.Verify(n) != nil {
			t.Errorf("blob %d of slot %d: %v, verified: %v", want.Index, want.Slot, err, got.Verify(n))
		}
	}
	for _, want := range beacontest.Fulu().DataColumnSidecars() {
		got, err := beacon.DecodeDataColumnSidecar(n, want.Chunk)
		if err != nil || !reflect.DeepEqual(got, want) || got.Verify(n) != nil {
			t.Errorf("column %d of slot %d: %v, verified: %v", want.Index, want.Slot, err, got.Verify(n))
		}
	}
}
