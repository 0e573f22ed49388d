package lodestar_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/integration/lodestar"
)

func TestConfigYAML(t *testing.T) {
	spec := lodestar.Spec{
		"SLOTS_PER_EPOCH":      "8", // of the preset
		"SECONDS_PER_SLOT":     "2",
		"EIP4844_FORK_EPOCH":   "18446744073709551615",
		"CAPELLA_FORK_VERSION": "0x03000001",
		"PRESET_BASE":          "minimal",
		"DOMAIN_RANDAO":        "0x02000000", // a constant
	}
	want := `PRESET_BASE: 'minimal'
CAPELLA_FORK_VERSION: 0x03000001
DENEB_FORK_EPOCH: 18446744073709551615
SECONDS_PER_SLOT: 2
`
	if got := string(spec.ConfigYAML()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, ok := spec["DENEB_FORK_EPOCH"]; ok {
		t.Error("the spec was changed")
	}
}
