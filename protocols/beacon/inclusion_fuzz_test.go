package beacon

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// A column that decodes can be checked, whatever is in its lists, and is not taken for included by
// chance. It is in the package as clients reach these checks over a network only.
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
	seed((&containers.DataColumnSidecar{Index: 200, Column: cells, KZGCommitments: many, KZGProofs: many[:1]}).MarshalSSZ())
	seed((&containers.DataColumnSidecarGloas{Column: cells, KZGProofs: many[:2]}).MarshalSSZ())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, fork := range []ssz.Fork{ssz.Fulu, ssz.Gloas} {
			columns, err := network.TypeOf(fork, "DataColumnSidecar")
			if err != nil {
				t.Fatal(err)
			}
			var column DataColumnSidecar
			if _, err := column.decode(&columns, Chunk{Fork: fork, SSZ: b}); err != nil {
				continue
			}
			if err := column.checkForm(network); err == nil && fork == ssz.Fulu {
				t.Error("a column is included")
			}
		}
	})
}
