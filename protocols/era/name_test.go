package era_test

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
)

// Both names are those of the specification's examples.
func TestNames(t *testing.T) {
	for _, test := range []struct {
		name string
		want era.Name
	}{
		{"mainnet-00000-4b363db9.era", era.Name{Config: "mainnet", Era: 0, Root: [4]byte{0x4b, 0x36, 0x3d, 0xb9}}},
		{"mainnet-00001-40cf2f3c.era", era.Name{Config: "mainnet", Era: 1, Root: [4]byte{0x40, 0xcf, 0x2f, 0x3c}}},
		{"dencun-devnet-12-99999-00000000.era", era.Name{Config: "dencun-devnet-12", Era: 99999}},
	} {
		got, err := era.ParseName(test.name)
		if err != nil || got != test.want {
			t.Errorf("ParseName(%q) = %v, %v: want %v", test.name, got, err, test.want)
		}
		if got := test.want.String(); got != test.name {
			t.Errorf("String() = %q: want %q", got, test.name)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, name := range []string{
		"", ".era", "mainnet.era", "mainnet-00001.era", "mainnet-00001-40cf2f3c", "mainnet-00001-40cf2f3c.era1",
		"-00001-40cf2f3c.era", "mainnet-0001-40cf2f3c.era", "mainnet-000001-40cf2f3c.era", "mainnet-+0001-40cf2f3c.era",
		"mainnet-00001-40CF2F3C.era", "mainnet-00001-40cf2f.era",
		"mainnet-00001-40cf2f3c00.era", "mainnet-00001-40cf2f3g.era",
		"mainnet-00001-.era", "mainnet--40cf2f3c.era", "dir/mainnet-00001-40cf2f3c.era", `dir\mainnet-00001-40cf2f3c.era`,
		"vecdev-00001-bd9082b1.no-genesis-block.era",
	} {
		if got, err := era.ParseName(name); !errors.Is(err, era.ErrName) {
			t.Errorf("ParseName(%q) = %v, %v", name, got, err)
		}
	}
}
