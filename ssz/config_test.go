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

// withGenesis adds the genesis fork version that every configuration has to the end of a file, if it has
// none.
func withGenesis(file string) string {
	if strings.Contains(file, "GENESIS_FORK_VERSION") {
		return file
	}
	return file + "\nGENESIS_FORK_VERSION: 0x00000000"
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file string
		preset     ssz.Preset
		change     func(*ssz.Config) // from what an empty file of the preset means
	}{
		{"unknown keys", "ETH1_FOLLOW_DISTANCE: 16\nTERMINAL_TOTAL_DIFFICULTY: 1e99\nNESTED: {A: [1]}", ssz.MainnetPreset, nil},
		{"minimal", "PRESET_BASE: 'minimal'\nGENESIS_FORK_VERSION: 0x00000001", ssz.MinimalPreset, nil},
		{"gnosis", "PRESET_BASE: GNOSIS\nGENESIS_FORK_VERSION: 0x00000064", ssz.GnosisPreset, nil},
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
			"blob schedule", "ALTAIR_FORK_VERSION: 0x01000000\nALTAIR_FORK_EPOCH: 1\nBLOB_SCHEDULE:\n- EPOCH: 1\n  MAX_BLOBS_PER_BLOCK: '12'\n  OTHER: x\n- {EPOCH: 9, MAX_BLOBS_PER_BLOCK: 21}",
			ssz.MainnetPreset,
			func(c *ssz.Config) {
				c.Forks[ssz.Altair].Epoch = 1
				c.BlobSchedule = []ssz.BlobParameters{{1, 12}, {9, 21}}
			},
		},
		{
			"blob schedule in no order", "BLOB_SCHEDULE: [{EPOCH: 9, MAX_BLOBS_PER_BLOCK: 21}, {EPOCH: 1, MAX_BLOBS_PER_BLOCK: 12}]",
			ssz.MainnetPreset, func(c *ssz.Config) { c.BlobSchedule = []ssz.BlobParameters{{1, 12}, {9, 21}} },
		},
		{
			"blob schedule as text", `BLOB_SCHEDULE: "[{\"EPOCH\":\"1\",\"MAX_BLOBS_PER_BLOCK\":\"12\"}]"`,
			ssz.MainnetPreset, func(c *ssz.Config) { c.BlobSchedule = []ssz.BlobParameters{{1, 12}} },
		},
		{"empty blob schedule", "BLOB_SCHEDULE: []", ssz.MainnetPreset, nil},
		{"null blob schedule", "BLOB_SCHEDULE:", ssz.MainnetPreset, nil},
		{
			"alias", "MAX_BLOBS_PER_BLOCK: &n 3\nMAX_BLOBS_PER_BLOCK_ELECTRA: *n", ssz.MainnetPreset,
			func(c *ssz.Config) { c.MaxBlobsPerBlock, c.MaxBlobsPerBlockElectra = 3, 3 },
		},
		{
			"JSON", `{"CONFIG_NAME": "mine", "MAX_REQUEST_BLOCKS": "9", "GENESIS_FORK_VERSION": "0x00000000"}`, ssz.MainnetPreset,
			func(c *ssz.Config) { c.Name, c.MaxRequestBlocks = "mine", 9 },
		},
		{
			"answer of the beacon API", `{"data":{"CONFIG_NAME":"mine","GENESIS_FORK_VERSION":"0x00000000","SLOTS_PER_EPOCH":"32"}}`,
			ssz.MainnetPreset, func(c *ssz.Config) { c.Name = "mine" },
		},
		{
			"what the specs compute", "MIN_EPOCHS_FOR_BLOCK_REQUESTS: 33024\nMAX_REQUEST_BLOB_SIDECARS: 768\n" +
				"MAX_REQUEST_BLOB_SIDECARS_ELECTRA: 256\nMAX_REQUEST_DATA_COLUMN_SIDECARS: 16384", ssz.MainnetPreset,
			func(c *ssz.Config) {
				c.MinEpochsForBlockRequests, c.MaxRequestBlobSidecars = 33024, 768
				c.MaxRequestBlobSidecarsElectra, c.MaxRequestDataColumnSidecars = 256, 16384
			},
		},
		{"older names", "MAX_CHUNK_SIZE: 9\nMAX_BYTES_PER_INCLUSION_LIST: 7", ssz.MainnetPreset, func(c *ssz.Config) {
			c.MaxPayloadSize, c.MaxTransactionsBytesPerInclusionList = 9, 7
		}},
		{
			"newer names before older ones", "MAX_PAYLOAD_SIZE: 10\nMAX_CHUNK_SIZE: 9\n" +
				"MAX_TRANSACTIONS_BYTES_PER_INCLUSION_LIST: 8\nMAX_BYTES_PER_INCLUSION_LIST: 7", ssz.MainnetPreset,
			func(c *ssz.Config) { c.MaxPayloadSize, c.MaxTransactionsBytesPerInclusionList = 10, 8 },
		},
		{
			"inclusion lists", "MAX_REQUEST_INCLUSION_LIST: 5\nMIN_SLOTS_FOR_INCLUSION_LISTS_REQUESTS: 0", ssz.MainnetPreset,
			func(c *ssz.Config) { c.MaxRequestInclusionList, c.MinSlotsForInclusionListsRequests = 5, 0 },
		},
		{
			"what the preset fixes", "PRESET_BASE: gnosis\nGENESIS_FORK_VERSION: 0x00000064\nSLOTS_PER_EPOCH: 16\n" +
				"MAX_WITHDRAWALS_PER_PAYLOAD: '8'\nEPOCHS_PER_SYNC_COMMITTEE_PERIOD: 512\nSYNC_COMMITTEE_SIZE: 512", ssz.GnosisPreset, nil,
		},
		{"of a fork that is not scheduled", "PTC_SIZE: 2\nINCLUSION_LIST_COMMITTEE_SIZE: 1", ssz.MainnetPreset, nil},
	} {
		want := ssz.DefaultConfig(test.preset)
		if test.change != nil {
			test.change(&want)
		}
		if got, err := ssz.ParseConfig([]byte(withGenesis(test.file))); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: config %+v, error %v, want %+v", test.name, got, err, want)
		}
	}
}

// scheduled has all forks up to Fulu.
const scheduled = `PRESET_BASE: mainnet
GENESIS_FORK_VERSION: 0x00000000
ALTAIR_FORK_VERSION: 0x01000000
ALTAIR_FORK_EPOCH: 0
BELLATRIX_FORK_VERSION: 0x02000000
BELLATRIX_FORK_EPOCH: 0
CAPELLA_FORK_VERSION: 0x03000000
CAPELLA_FORK_EPOCH: 0
DENEB_FORK_VERSION: 0x04000000
DENEB_FORK_EPOCH: 0
ELECTRA_FORK_VERSION: 0x05000000
ELECTRA_FORK_EPOCH: 0
FULU_FORK_VERSION: 0x06000000
FULU_FORK_EPOCH: 0
`

// What is no network configuration is refused, with what it seems to be.
func TestParseConfigRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, says string }{
		{"", "empty"},
		{"# nothing", "empty"},
		{"- 1", "line 1: want keys"},
		{"{}", "GENESIS_FORK_VERSION is missing"},
		{"PRESET_BASE: mainnet\nCONFIG_NAME: mine\nSECONDS_PER_SLOT: 12", "GENESIS_FORK_VERSION is missing"},
		{"global:\n  scrape_interval: 15s\nscrape_configs:\n- job_name: beacon", "the configuration of Prometheus"},
		{"a: 1\nb: 2\nc: 3\nd: 4", `a file with the keys ["a" "b" "c" "..."]`},
		{`{"config":{"chainId":1},"difficulty":"0x1","alloc":{}}`, "the genesis of the execution layer (genesis.json)"},
		{`{"chainId":1,"homesteadBlock":0}`, "the configuration of the execution layer"},
		{`{"data":{"genesis_time":"1","genesis_validators_root":"0x","genesis_fork_version":"0x00000000"}}`, "/eth/v1/beacon/genesis"},
		{strings.ToLower(scheduled), "want GENESIS_FORK_VERSION: keys are in capitals"},
		{"GENESIS_FORK_VERSION: 0x00000000\npreset_base: minimal", "want PRESET_BASE"},
		{"GENESIS_FORK_VERSION: 0x00000000\nfulu_fork_epoch: 9", "fulu_fork_epoch: line 2: want FULU_FORK_EPOCH"},
		{`{"data":[{"GENESIS_FORK_VERSION":"0x00000000"}]}`, "GENESIS_FORK_VERSION is missing"},
	} {
		_, err := ssz.ParseConfig([]byte(test.file))
		if !errors.Is(err, ssz.ErrConfig) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: error %v, want ErrConfig with %q", test.file, err, test.says)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, says string }{
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
		{"ALTAIR_FORK_EPOCH: 5", "ALTAIR_FORK_VERSION is missing: want that of the fork which ALTAIR_FORK_EPOCH 5 schedules"},
		{"BLOB_SCHEDULE: [{EPOCH: 9, MAX_BLOBS_PER_BLOCK: 1}, {EPOCH: 9, MAX_BLOBS_PER_BLOCK: 2}]", "BLOB_SCHEDULE entry 1 at epoch 9"},
		{"BLOB_SCHEDULE: '[7]'", "BLOB_SCHEDULE: line 1"},
		{"MIN_EPOCHS_FOR_BLOCK_REQUESTS: 0", `MIN_EPOCHS_FOR_BLOCK_REQUESTS: line 1: "0": want a whole number from 1`},
		{"MAX_REQUEST_BLOB_SIDECARS: 4294967296", "MAX_REQUEST_BLOB_SIDECARS 4294967296: want 0 to"},
		{"MAX_REQUEST_INCLUSION_LIST: 0", "MAX_REQUEST_INCLUSION_LIST 0: want 1 to"},
		{"MAX_TRANSACTIONS_BYTES_PER_INCLUSION_LIST: 0", "MAX_TRANSACTIONS_BYTES_PER_INCLUSION_LIST 0: want 1 to"},
		{"CUSTODY_REQUIREMENT: 129", "CUSTODY_REQUIREMENT 129: want 0 to 128"},
		{"SLOTS_PER_EPOCH: 16", `SLOTS_PER_EPOCH: line 1: "16": want 32, which the preset mainnet (PRESET_BASE) fixes`},
		{"PRESET_BASE: gnosis\nSLOTS_PER_EPOCH: '32'", `SLOTS_PER_EPOCH: line 2: "32": want 16, which the preset gnosis (PRESET_BASE) fixes`},
		{"SLOTS_PER_EPOCH: many", "SLOTS_PER_EPOCH: line 1"},
		{"NUMBER_OF_COLUMNS: 64", `NUMBER_OF_COLUMNS: line 1: "64": want 128`},
		{"ATTESTATION_SUBNET_COUNT: 32", "ATTESTATION_SUBNET_COUNT"},
		{scheduled + "SYNC_COMMITTEE_SIZE: 32", "SYNC_COMMITTEE_SIZE"},
		{"EPOCHS_PER_SYNC_COMMITTEE_PERIOD: 512", "EPOCHS_PER_SYNC_COMMITTEE_PERIOD"},
		{strings.ReplaceAll(scheduled, "mainnet", "minimal") + "MAX_WITHDRAWALS_PER_PAYLOAD: 16", `"16": want 4, which the preset minimal (PRESET_BASE) fixes`},
		{scheduled + "MAX_ATTESTATIONS_ELECTRA: 9", `"9": want 8`},
		{scheduled + "FIELD_ELEMENTS_PER_CELL: 32", `"32": want 64`},
	} {
		_, err := ssz.ParseConfig([]byte(withGenesis(test.file)))
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
