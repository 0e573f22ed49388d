package ssz_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The digests of mainnet, computed with the functions of the consensus specs.
var mainnetPeriods = []struct {
	digest      string
	fork        ssz.Fork
	first, last ssz.Epoch
	maxBlobs    uint64
}{
	{"0xb5303f2a", ssz.Phase0, 0, 74239, 0},
	{"0xafcaaba0", ssz.Altair, 74240, 144895, 0},
	{"0x4a26c58b", ssz.Bellatrix, 144896, 194047, 0},
	{"0xbba4da96", ssz.Capella, 194048, 269567, 0},
	{"0x6a95a1a9", ssz.Deneb, 269568, 364031, 6},
	{"0xad532ceb", ssz.Electra, 364032, 411391, 9},
	{"0xcc2c5cdb", ssz.Fulu, 411392, 412671, 9},
	{"0xcb0d1acc", ssz.Fulu, 412672, 419071, 15},
	{"0x8c9f62fe", ssz.Fulu, 419072, ssz.FarFutureEpoch, 21},
}

func TestMainnetPeriods(t *testing.T) {
	t.Parallel()
	n := ssz.Mainnet()
	if got := len(n.Periods()); got != len(mainnetPeriods) {
		t.Fatalf("%d periods, want %d", got, len(mainnetPeriods))
	}
	for i, want := range mainnetPeriods {
		got := n.Periods()[i]
		if got.Digest.String() != want.digest || got.Fork != want.fork || got.First != want.first ||
			got.Last != want.last || got.Blobs.MaxBlobsPerBlock != want.maxBlobs {
			t.Errorf("period %d is %+v, want %+v", i, got, want)
		}
		if of, ok := n.PeriodOf(got.Digest); !ok || of != got {
			t.Errorf("period of %v is %+v, %t", got.Digest, of, ok)
		}
		if fork, ok := n.ForkOf(got.Digest); !ok || fork != want.fork {
			t.Errorf("fork of %v is %v, %t", got.Digest, fork, ok)
		}
		for _, epoch := range []ssz.Epoch{want.first, want.last} {
			if n.PeriodAt(epoch) != got || n.DigestAt(epoch) != got.Digest || n.ForkAt(epoch) != want.fork ||
				n.BlobParametersAt(epoch) != got.Blobs {
				t.Errorf("epoch %d is in another period than %v", epoch, got.Digest)
			}
		}
	}
	if fork, ok := n.ForkOf(ssz.ForkDigest{1, 2, 3, 4}); ok {
		t.Errorf("an unknown digest is of %v", fork)
	}
}

func TestBlobParameters(t *testing.T) {
	t.Parallel()
	for epoch, want := range map[ssz.Epoch]ssz.BlobParameters{
		269567: {},
		269568: {Epoch: 269568, MaxBlobsPerBlock: 6},
		364032: {Epoch: 364032, MaxBlobsPerBlock: 9},
		411392: {Epoch: 364032, MaxBlobsPerBlock: 9},
		412672: {Epoch: 412672, MaxBlobsPerBlock: 15},
		419072: {Epoch: 419072, MaxBlobsPerBlock: 21},
	} {
		if got := ssz.Mainnet().BlobParametersAt(epoch); got != want {
			t.Errorf("epoch %d: %+v, want %+v", epoch, got, want)
		}
	}
}

// A blob schedule may reach back before Fulu; it counts from Fulu on.
func TestBlobScheduleBeforeFulu(t *testing.T) {
	t.Parallel()
	cfg := ssz.Mainnet().Config()
	cfg.BlobSchedule = []ssz.BlobParameters{{1, 7}, {364032, 12}, {411392, 14}, {ssz.FarFutureEpoch, 20}}
	n, err := ssz.NewNetwork(cfg, time.Unix(0, 0), ssz.Root{})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(n.Periods()); got != 7 {
		t.Errorf("%d periods, want 7", got)
	}
	if got := n.BlobParametersAt(411391).MaxBlobsPerBlock; got != 9 {
		t.Errorf("%d blobs before Fulu, want 9", got)
	}
	if got := n.BlobParametersAt(411392).MaxBlobsPerBlock; got != 14 {
		t.Errorf("%d blobs in Fulu, want 14", got)
	}
}

// Forks that activate together leave one period, of the youngest.
func TestForksAtGenesis(t *testing.T) {
	t.Parallel()
	n := chainNetwork(t)
	periods := n.Periods()
	if len(periods) != 4 || periods[0].Fork != ssz.Electra || periods[0].Last != 1 ||
		periods[1].Fork != ssz.Fulu || periods[1].First != 2 {
		t.Errorf("periods %+v, want Electra in epochs 0 and 1, then Fulu", periods)
	}
}

func TestNetworkKeepsItsConfig(t *testing.T) {
	t.Parallel()
	cfg := ssz.Mainnet().Config()
	n, err := ssz.NewNetwork(cfg, time.Unix(7, 0), ssz.Root{9})
	if err != nil {
		t.Fatal(err)
	}
	cfg.BlobSchedule[0].Epoch = 1
	n.Config().BlobSchedule[0].Epoch = 2
	n.Periods()[0].Fork = ssz.Heze
	if got := n.Config().BlobSchedule[0].Epoch; got != 412672 {
		t.Errorf("blob schedule from epoch %d, want 412672", got)
	}
	if n.ForkAt(0) != ssz.Phase0 {
		t.Error("the schedule is shared with the caller")
	}
	if !n.GenesisTime().Equal(time.Unix(7, 0)) || n.GenesisValidatorsRoot() != (ssz.Root{9}) || n.Preset() != ssz.MainnetPreset {
		t.Error("another genesis or preset than given")
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	n := ssz.Mainnet()
	genesis := time.Unix(1606824023, 0)
	if ssz.Mainnet() != n || !n.GenesisTime().Equal(genesis) {
		t.Errorf("genesis at %v, want %v", n.GenesisTime(), genesis)
	}
	for at, want := range map[time.Time]ssz.Slot{
		{}:                                  0,
		genesis.Add(-time.Hour):             0,
		genesis:                             0,
		genesis.Add(12*time.Second - 1):     0,
		genesis.Add(12 * time.Second):       1,
		genesis.Add(32 * 12 * time.Second):  32,
		genesis.AddDate(1000, 0, 0):         math.MaxInt64 / 12_000_000_000,
		time.Unix(math.MaxInt64/2, 0).UTC(): math.MaxInt64 / 12_000_000_000,
	} {
		if got := n.SlotAt(at); got != want {
			t.Errorf("%v is in slot %d, want %d", at, got, want)
		}
	}
	if got := n.TimeAt(10); !got.Equal(genesis.Add(2 * time.Minute)) {
		t.Errorf("slot 10 begins at %v", got)
	}
	last := n.TimeAt(math.MaxUint64)
	if last.Before(genesis.AddDate(290, 0, 0)) || n.TimeAt(math.MaxUint64-1) != last {
		t.Errorf("the last slot begins at %v", last)
	}
}

func TestSlotsAndEpochs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		preset ssz.Preset
		slot   ssz.Slot
		epoch  ssz.Epoch
		start  ssz.Slot
	}{
		{ssz.MainnetPreset, 31, 0, 0},
		{ssz.MainnetPreset, 32, 1, 32},
		{ssz.MainnetPreset, 65, 2, 64},
		{ssz.MinimalPreset, 65, 8, 64},
		{ssz.GnosisPreset, 65, 4, 64},
		{ssz.MainnetPreset, math.MaxUint64, math.MaxUint64 / 32, math.MaxUint64 - 31},
	} {
		n := networkOf(test.preset)
		if got := n.EpochOf(test.slot); got != test.epoch {
			t.Errorf("%v: slot %d is in epoch %d, want %d", test.preset, test.slot, got, test.epoch)
		}
		if got := n.StartSlot(test.epoch); got != test.start {
			t.Errorf("%v: epoch %d starts at slot %d, want %d", test.preset, test.epoch, got, test.start)
		}
	}
	if got := ssz.Mainnet().StartSlot(ssz.FarFutureEpoch); got != math.MaxUint64 {
		t.Errorf("the far future starts at slot %d", got)
	}
}

func TestSyncCommitteePeriods(t *testing.T) {
	t.Parallel()
	for slot, want := range map[ssz.Slot]uint64{0: 0, 8191: 0, 8192: 1, 256*32*1000 - 1: 999, 256 * 32 * 1000: 1000} {
		if got := ssz.Mainnet().SyncCommitteePeriodOf(slot); got != want {
			t.Errorf("slot %d is in period %d, want %d", slot, got, want)
		}
	}
}

func TestRequestLimits(t *testing.T) {
	t.Parallel()
	n := ssz.Mainnet()
	if got := n.MaxRequestBlocks(269567); got != 1024 {
		t.Errorf("%d blocks before Deneb, want 1024", got)
	}
	if got := n.MaxRequestBlocks(269568); got != 128 {
		t.Errorf("%d blocks from Deneb on, want 128", got)
	}
	if got := n.MinEpochsForBlockRequests(); got != 33024 {
		t.Errorf("blocks for %d epochs, want 33024", got)
	}
	if got := networkOf(ssz.MinimalPreset).MinEpochsForBlockRequests(); got != 272 {
		t.Errorf("minimal: blocks for %d epochs, want 272", got)
	}
	cfg := ssz.Mainnet().Config()
	cfg.MinValidatorWithdrawabilityDelay = math.MaxUint64
	n, err := ssz.NewNetwork(cfg, time.Unix(0, 0), ssz.Root{})
	if err != nil || n.MinEpochsForBlockRequests() != math.MaxUint64 {
		t.Errorf("error %v, or blocks for fewer epochs than there are", err)
	}
}

func TestNewNetworkRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ssz.Config){
		"preset":                func(c *ssz.Config) { c.Preset = 7 },
		"phase0 later":          func(c *ssz.Config) { c.Forks[ssz.Phase0].Epoch = 1 },
		"fork order":            func(c *ssz.Config) { c.Forks[ssz.Deneb].Epoch = 5 },
		"fork after unplanned":  func(c *ssz.Config) { c.Forks[ssz.Heze].Epoch = 500_000 },
		"same digest":           func(c *ssz.Config) { c.Forks[ssz.Altair].Version = c.Forks[ssz.Phase0].Version },
		"blob schedule falls":   func(c *ssz.Config) { c.BlobSchedule = []ssz.BlobParameters{{500_000, 1}, {400_000, 2}} },
		"blob schedule repeats": func(c *ssz.Config) { c.BlobSchedule = []ssz.BlobParameters{{500_000, 1}, {500_000, 2}} },
		"blobs in schedule":     func(c *ssz.Config) { c.BlobSchedule[0].MaxBlobsPerBlock = 4097 },
		"slot duration":         func(c *ssz.Config) { c.SlotDuration = 0 },
		"payload size":          func(c *ssz.Config) { c.MaxPayloadSize = 0 },
		"blocks":                func(c *ssz.Config) { c.MaxRequestBlocks = 0 },
		"blocks from Deneb":     func(c *ssz.Config) { c.MaxRequestBlocksDeneb = 1 << 40 },
		"blobs":                 func(c *ssz.Config) { c.MaxBlobsPerBlock = 5000 },
		"blobs in Electra":      func(c *ssz.Config) { c.MaxBlobsPerBlockElectra = 5000 },
		"everything":            func(c *ssz.Config) { *c = ssz.Config{} },
	} {
		cfg := ssz.Mainnet().Config()
		change(&cfg)
		if _, err := ssz.NewNetwork(cfg, time.Unix(0, 0), ssz.Root{}); !errors.Is(err, ssz.ErrConfig) {
			t.Errorf("%s: error %v, want ErrConfig", name, err)
		}
	}
	if _, err := ssz.NewNetwork(ssz.Mainnet().Config(), time.Time{}, ssz.Root{}); !errors.Is(err, ssz.ErrConfig) {
		t.Errorf("no genesis time: error %v, want ErrConfig", err)
	}
}
