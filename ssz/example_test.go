package ssz_test

import (
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

func ExampleMainnet() {
	network := ssz.Mainnet()
	slot := network.SlotAt(time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC))
	period := network.PeriodAt(network.EpochOf(slot))
	fmt.Println(slot, period.Fork, period.Digest, period.Blobs.MaxBlobsPerBlock)

	fork, ok := network.ForkOf(ssz.ForkDigest{0xad, 0x53, 0x2c, 0xeb})
	fmt.Println(fork, ok)
	// Output:
	// 13791598 fulu 0x8c9f62fe 21
	// electra true
}

func ExampleParseConfig() {
	cfg, err := ssz.ParseConfig([]byte(`
PRESET_BASE: minimal
GENESIS_FORK_VERSION: 0x00000001
ALTAIR_FORK_VERSION: 0x01000001
ALTAIR_FORK_EPOCH: 0
BELLATRIX_FORK_VERSION: 0x02000001
BELLATRIX_FORK_EPOCH: 4
SLOT_DURATION_MS: 6000
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	network, err := ssz.NewNetwork(*cfg, time.Unix(1700000000, 0), ssz.Root{1, 2, 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range network.Periods() {
		fmt.Println(p.First, p.Fork, p.Digest)
	}
	// Output:
	// 0 altair 0xf4dfd84f
	// 4 bellatrix 0xd0bdf65d
}
