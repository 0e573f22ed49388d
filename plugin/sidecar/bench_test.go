package sidecar_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/sidecar"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
)

// BenchmarkColumns verifies four columns of eleven blocks, in one batch and one by one.
func BenchmarkColumns(b *testing.B) {
	n, all := beacontest.FuluNetwork(), realColumns(5, 60, 61, 90)
	var each []beacon.Sidecars
	for _, s := range all {
		for _, column := range s.Columns {
			each = append(each, beacon.Sidecars{Block: s.Block, Columns: []*beacon.DataColumnSidecar{column}})
		}
	}
	if err := sidecar.Verify(b.Context(), n, all[:1]...); err != nil { // It loads the trusted setup.
		b.Fatal(err)
	}
	report := func(b *testing.B) {
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N*len(all)), "ms/block")
	}
	b.Run("Batch", func(b *testing.B) {
		for b.Loop() {
			if err := sidecar.Verify(b.Context(), n, all...); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
	b.Run("OneByOne", func(b *testing.B) {
		for b.Loop() {
			for _, s := range each {
				if err := sidecar.Verify(b.Context(), n, s); err != nil {
					b.Fatal(err)
				}
			}
		}
		report(b)
	})
}
