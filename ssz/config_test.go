package ssz_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestParseConfigOfChain(t *testing.T) {
	t.Parallel()
	n := chainNetwork(t)
	want := ssz.Mainnet().Config()
	want.SlotDuration = 2 * time.Second
	for f := ssz.Phase0; f <= ssz.Electra; f++ {
		want.Forks[f].Epoch = 0
	}
	want.Forks[ssz.Fulu].Epoch = 2
	if got := n.Config(); !reflect.DeepEqual(got, want) {
		t.Errorf("config %+v, want %+v", got, want)
	}
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file string
		preset     ssz.Preset
		change     func(*ssz.Config) // from what an empty file of the preset means
	}{
		{"unknown keys", "ETH1_FOLLOW_DISTANCE: 16\nTERMINAL_TOTAL_DIFFICULTY: 1e99\nNESTED: {A: [1]}", ssz.MainnetPreset, nil},
		{"minimal", "PRESET_BASE: 'minimal'", ssz.MinimalPreset, nil},
		{"quoted numbers", `CHURN_LIMIT_QUOTIENT: "77"`, ssz.MainnetPreset, func(c *ssz.Config) { c.ChurnLimitQuotient = 77 }},
		{"hexadecimal", "CHURN_LIMIT_QUOTIENT: 0xff", ssz.MainnetPreset, func(c *ssz.Config) { c.ChurnLimitQuotient = 255 }},
		{"leading zero", "CHURN_LIMIT_QUOTIENT: 010", ssz.MainnetPreset, func(c *ssz.Config) { c.ChurnLimitQuotient = 10 }},
		{
			"largest number", "CHURN_LIMIT_QUOTIENT: 18446744073709551615", ssz.MainnetPreset,
			func(c *ssz.Config) { c.ChurnLimitQuotient = 1<<64 - 1 },
		},
		{
			"versions", "GENESIS_FORK_VERSION: 0x10000038\nALTAIR_FORK_VERSION: '0x20000038'", ssz.MainnetPreset,
			func(c *ssz.Config) {
				c.Forks[ssz.Phase0].Version = ssz.Version{0x10, 0, 0, 0x38}
				c.Forks[ssz.Altair].Version = ssz.Version{0x20, 0, 0, 0x38}
			},
		},
		{
			"seconds", "SECONDS_PER_SLOT: 3 # comment", ssz.MainnetPreset,
			func(c *ssz.Config) { c.SlotDuration = 3 * time.Second },
		},
		{
			"milliseconds before seconds", "SLOT_DURATION_MS: 2500\nSECONDS_PER_SLOT: 3", ssz.MainnetPreset,
			func(c *ssz.Config) { c.SlotDuration = 2500 * time.Millisecond },
		},
		{
			"blob schedule", "ALTAIR_FORK_EPOCH: 1\nBLOB_SCHEDULE:\n- EPOCH: 1\n  MAX_BLOBS_PER_BLOCK: '12'\n  OTHER: x\n- {EPOCH: 9, MAX_BLOBS_PER_BLOCK: 21}",
			ssz.MainnetPreset,
			func(c *ssz.Config) {
				c.Forks[ssz.Altair].Epoch = 1
				c.BlobSchedule = []ssz.BlobParameters{{1, 12}, {9, 21}}
			},
		},
		{"empty blob schedule", "BLOB_SCHEDULE: []", ssz.MainnetPreset, nil},
		{"null blob schedule", "BLOB_SCHEDULE:", ssz.MainnetPreset, nil},
		{
			"alias", "MAX_BLOBS_PER_BLOCK: &n 3\nMAX_BLOBS_PER_BLOCK_ELECTRA: *n", ssz.MainnetPreset,
			func(c *ssz.Config) { c.MaxBlobsPerBlock, c.MaxBlobsPerBlockElectra = 3, 3 },
		},
		{"JSON", `{"CONFIG_NAME": "mine", "MAX_REQUEST_BLOCKS": "9"}`, ssz.MainnetPreset, func(c *ssz.Config) {
			c.Name, c.MaxRequestBlocks = "mine", 9
		}},
	} {
		want := ssz.DefaultConfig(test.preset)
		if test.change != nil {
			test.change(&want)
		}
		if got, err := ssz.ParseConfig([]byte(test.file)); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: config %+v, error %v, want %+v", test.name, got, err, want)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, says string }{
		{"", "empty"},
		{"# nothing", "empty"},
		{"- 1", "line 1: want keys"},
		{"a: [", "yaml"},
		{"PRESET_BASE: pulse", `PRESET_BASE: line 1: "pulse": want mainnet, minimal or gnosis`},
		{"PRESET_BASE: [mainnet]", "PRESET_BASE: line 1"},
		{"CONFIG_NAME: {a: b}", "CONFIG_NAME: line 1"},
		{"\nALTAIR_FORK_EPOCH: -1", `ALTAIR_FORK_EPOCH: line 2: "-1": want a whole number below 2^64`},
		{"ALTAIR_FORK_EPOCH: 18446744073709551616", "ALTAIR_FORK_EPOCH"},
		{"ALTAIR_FORK_EPOCH: 1.5", "ALTAIR_FORK_EPOCH"},
		{"ALTAIR_FORK_EPOCH: 1_000", "ALTAIR_FORK_EPOCH"},
		{"ALTAIR_FORK_EPOCH:", "ALTAIR_FORK_EPOCH"},
		{"ALTAIR_FORK_EPOCH: [1]", "ALTAIR_FORK_EPOCH"},
		{"ALTAIR_FORK_VERSION: 0x0100", `ALTAIR_FORK_VERSION: line 1: "0x0100": want 8 hexadecimal digits`},
		{"ALTAIR_FORK_VERSION: 0xabcdefgh", "ALTAIR_FORK_VERSION"},
		{"ALTAIR_FORK_VERSION: [0x01000000]", "ALTAIR_FORK_VERSION"},
		{"SLOT_DURATION_MS: 0", `SLOT_DURATION_MS: line 1: "0": want a whole number from 1 to 9223372036854`},
		{"SECONDS_PER_SLOT: 9223372037", "SECONDS_PER_SLOT"},
		{"MAX_REQUEST_PAYLOADS: 0", "MAX_REQUEST_PAYLOADS 0: want 1 to"},
		{"MAX_REQUEST_BLOCKS: 0", "MAX_REQUEST_BLOCKS 0: want 1 to"},
		{"MAX_BLOBS_PER_BLOCK: 4097", "MAX_BLOBS_PER_BLOCK 4097: want 0 to 4096"},
		{"BLOB_SCHEDULE: 7", "BLOB_SCHEDULE: line 1"},
		{"BLOB_SCHEDULE: [7]", "BLOB_SCHEDULE: line 1"},
		{"BLOB_SCHEDULE: [{EPOCH: 1}]", "BLOB_SCHEDULE"},
		{"BLOB_SCHEDULE: [{MAX_BLOBS_PER_BLOCK: 1}]", "BLOB_SCHEDULE"},
		{"BLOB_SCHEDULE: [{EPOCH: 1, EPOCH: 2, MAX_BLOBS_PER_BLOCK: 1}]", "BLOB_SCHEDULE"},
		{"BELLATRIX_FORK_EPOCH: 1", "bellatrix at epoch 1: want altair before it, which is not scheduled"},
		{"ALTAIR_FORK_EPOCH: 5\nBELLATRIX_FORK_EPOCH: 3", "bellatrix at epoch 3: want 5 or later, the epoch of altair"},
		{"X: 1\nX: 2", "X: line 2: the key is there twice"},
	} {
		_, err := ssz.ParseConfig([]byte(test.file))
		if !errors.Is(err, ssz.ErrConfig) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: error %v, want ErrConfig with %q", test.file, err, test.says)
		}
	}
}

func TestDefaultConfigsAreValid(t *testing.T) {
	t.Parallel()
	for _, preset := range presets {
		if _, err := ssz.NewNetwork(ssz.DefaultConfig(preset), time.Unix(0, 0), ssz.Root{}); err != nil {
			t.Errorf("%v: %v", preset, err)
		}
	}
}
