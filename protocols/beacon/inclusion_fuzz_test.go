package beacon_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// A column that decodes can be checked, whatever is in its lists, and is not taken for included by
// chance.
func FuzzColumnChecks(f *testing.F) {
	network := ssz.Mainnet()
	seed := func(b []byte, err error) {
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	cells, many := make([][2048]byte, 2), make([][48]byte, 3)
	seed((&containers.DataColumnSidecar{}).MarshalSSZ())
	seed((&containers.DataColumnSidecar{Column: cells, KZGCommitments: many[:2], KZGProofs: many[:2]}).MarshalSSZ())
	seed((&containers.DataColumnSidecar{
		Index: 200, Column: cells, KZGCommitments: many,
		KZGProofs: many[:1],
	}).MarshalSSZ())
	seed((&containers.DataColumnSidecarGloas{Column: cells, KZGProofs: many[:2]}).MarshalSSZ())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, fork := range []ssz.Fork{ssz.Fulu, ssz.Gloas} {
			column, err := beacon.DecodeDataColumnSidecar(network, beacon.Chunk{Fork: fork, SSZ: b})
			if err != nil {
				continue
			}
			if err := column.Verify(network); err == nil && fork == ssz.Fulu {
				t.Error("a column is included")
			}
		}
	})
}
