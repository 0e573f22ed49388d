package ssz

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ParseConfig reads a configuration file in the format of the consensus specs, or the answer of the
// beacon API to /eth/v1/config/spec. Numbers may be quoted or hexadecimal. Keys that it does not know
// are ignored: real files have many.
//
// GENESIS_FORK_VERSION is required, and so is the version of every fork that is scheduled. Any other key
// that is missing has its value in [DefaultConfig]: a fork whose epoch is missing is not scheduled, and a
// missing blob schedule is empty. A missing PRESET_BASE means mainnet. The entries of a blob schedule may
// be in any order. What the preset fixes, such as SLOTS_PER_EPOCH, may be stated, with the preset's value;
// what only forks need that are not scheduled may have another.
//
// The error wraps [ErrConfig] and names the key, its value and what is allowed. If the file is no
// configuration of a network, it says what the file seems to be.
func ParseConfig(file []byte) (*Config, error) {
	values, err := readMapping(file)
	if err != nil {
		return nil, err
	}
	if values, err = unwrap(values); err != nil {
		return nil, err
	}
	if err := values.checkKind(); err != nil {
		return nil, err
	}
	preset := MainnetPreset
	if node, ok := values["PRESET_BASE"]; ok {
		if preset, err = ParsePreset(node.Value); err != nil {
			return nil, badValue("PRESET_BASE", node, wantPreset)
		}
	}
	cfg := DefaultConfig(preset)
	for _, k := range cfg.keys() {
		if node, ok := values[k.name]; ok {
			if want := k.set(node); want != "" {
				return nil, badValue(k.name, node, want)
			}
		}
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := values.checkVersions(&cfg); err != nil {
		return nil, err
	}
	if err := values.checkPreset(&cfg); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// A configKey stores the value of one key. Its set returns what is allowed if the value is not.
type configKey struct {
	name string
	set  func(*yaml.Node) (want string)
}

// keys lists the keys of c in the order in which they apply.
func (c *Config) keys() []configKey {
	keys := []configKey{
		{"CONFIG_NAME", setString(&c.Name)},
		{"GENESIS_FORK_VERSION", setVersion(&c.Forks[Phase0].Version)},
		{"SECONDS_PER_SLOT", setDuration(&c.SlotDuration, time.Second)},
		{"SLOT_DURATION_MS", setDuration(&c.SlotDuration, time.Millisecond)},
		{"MAX_CHUNK_SIZE", setUint(&c.MaxPayloadSize)}, // the name of MAX_PAYLOAD_SIZE until 2025
		{"MAX_PAYLOAD_SIZE", setUint(&c.MaxPayloadSize)},
		{"MAX_REQUEST_BLOCKS", setUint(&c.MaxRequestBlocks)},
		{"MAX_REQUEST_BLOCKS_DENEB", setUint(&c.MaxRequestBlocksDeneb)},
		{"MAX_REQUEST_PAYLOADS", setUint(&c.MaxRequestPayloads)},
		{"MAX_BLOBS_PER_BLOCK", setUint(&c.MaxBlobsPerBlock)},
		{"MAX_BLOBS_PER_BLOCK_ELECTRA", setUint(&c.MaxBlobsPerBlockElectra)},
		{"MIN_EPOCHS_FOR_BLOB_SIDECARS_REQUESTS", setUint(&c.MinEpochsForBlobSidecarsRequests)},
		{"MIN_EPOCHS_FOR_DATA_COLUMN_SIDECARS_REQUESTS", setUint(&c.MinEpochsForDataColumnSidecarsRequests)},
		{"MIN_VALIDATOR_WITHDRAWABILITY_DELAY", setUint(&c.MinValidatorWithdrawabilityDelay)},
		{"CHURN_LIMIT_QUOTIENT", setUint(&c.ChurnLimitQuotient)},
		{"CUSTODY_REQUIREMENT", setUint(&c.CustodyRequirement)},
		{"BLOB_SCHEDULE", setBlobSchedule(&c.BlobSchedule)},
		{"MAX_REQUEST_INCLUSION_LIST", setUint(&c.MaxRequestInclusionList)},
		{"MIN_SLOTS_FOR_INCLUSION_LISTS_REQUESTS", setUint(&c.MinSlotsForInclusionListsRequests)},
		{"MAX_BYTES_PER_INCLUSION_LIST", setUint(&c.MaxTransactionsBytesPerInclusionList)}, // the older name of the next
		{"MAX_TRANSACTIONS_BYTES_PER_INCLUSION_LIST", setUint(&c.MaxTransactionsBytesPerInclusionList)},
		{"MIN_EPOCHS_FOR_BLOCK_REQUESTS", setPositive(&c.MinEpochsForBlockRequests)},
		{"MAX_REQUEST_BLOB_SIDECARS", setPositive(&c.MaxRequestBlobSidecars)},
		{"MAX_REQUEST_BLOB_SIDECARS_ELECTRA", setPositive(&c.MaxRequestBlobSidecarsElectra)},
		{"MAX_REQUEST_DATA_COLUMN_SIDECARS", setPositive(&c.MaxRequestDataColumnSidecars)},
	}
	for f := Altair; f <= Heze; f++ {
		prefix := strings.ToUpper(f.String())
		keys = append(keys,
			configKey{prefix + "_FORK_VERSION", setVersion(&c.Forks[f].Version)},
			configKey{prefix + "_FORK_EPOCH", setUint(&c.Forks[f].Epoch)})
	}
	return keys
}

func setString(dst *string) func(*yaml.Node) string {
	return func(node *yaml.Node) string {
		if node.Kind != yaml.ScalarNode {
			return "a text"
		}
		*dst = node.Value
		return ""
	}
}

func setUint[T ~uint64](dst *T) func(*yaml.Node) string {
	return func(node *yaml.Node) string {
		v, ok := parseUint(node)
		if !ok {
			return "a whole number below 2^64"
		}
		*dst = T(v)
		return ""
	}
}

// setPositive stores a number of which zero stands for what the specs compute.
func setPositive(dst *uint64) func(*yaml.Node) string {
	return func(node *yaml.Node) string {
		v, ok := parseUint(node)
		if !ok || v == 0 {
			return "a whole number from 1 to 2^64-1"
		}
		*dst = v
		return ""
	}
}

func setDuration(dst *time.Duration, unit time.Duration) func(*yaml.Node) string {
	return func(node *yaml.Node) string {
		most := uint64(math.MaxInt64 / unit)
		n, ok := parseUint(node)
		if !ok || n == 0 || n > most {
			return fmt.Sprintf("a whole number from 1 to %d", most)
		}
		*dst = time.Duration(n) * unit
		return ""
	}
}

func setVersion(dst *Version) func(*yaml.Node) string {
	return func(node *yaml.Node) string {
		if node.Kind != yaml.ScalarNode || dst.UnmarshalText([]byte(node.Value)) != nil {
			return "8 hexadecimal digits after 0x"
		}
		return ""
	}
}

func setBlobSchedule(dst *[]BlobParameters) func(*yaml.Node) string {
	return func(node *yaml.Node) string {
		const want = "a list of entries with EPOCH and MAX_BLOBS_PER_BLOCK, both whole numbers"
		if node.Tag == "!!null" {
			return ""
		}
		node = unquote(node)
		if node.Kind != yaml.SequenceNode {
			return want
		}
		for _, item := range node.Content {
			entry, err := mapping(item)
			if err != nil {
				return want
			}
			epoch, ok := parseUint(entry["EPOCH"])
			if !ok {
				return want
			}
			blobs, ok := parseUint(entry["MAX_BLOBS_PER_BLOCK"])
			if !ok {
				return want
			}
			*dst = append(*dst, BlobParameters{Epoch(epoch), blobs})
		}
		slices.SortStableFunc(*dst, func(a, b BlobParameters) int { return cmp.Compare(a.Epoch, b.Epoch) })
		return ""
	}
}

// unquote returns the list that a text holds, as an answer whose values are all strings has it, or node.
func unquote(node *yaml.Node) *yaml.Node {
	var doc yaml.Node
	if node.Kind != yaml.ScalarNode || yaml.Unmarshal([]byte(node.Value), &doc) != nil || len(doc.Content) == 0 {
		return node
	}
	return resolve(doc.Content[0])
}

// parseUint reads the text of a scalar itself: YAML's own idea of a number knows octal, floats
// and underscores.
func parseUint(node *yaml.Node) (uint64, bool) {
	if node == nil || node.Kind != yaml.ScalarNode {
		return 0, false
	}
	digits, base := node.Value, 10
	if hex, ok := strings.CutPrefix(digits, "0x"); ok {
		digits, base = hex, 16
	}
	v, err := strconv.ParseUint(digits, base, 64)
	return v, err == nil
}

// readMapping returns the values of the file's top level.
func readMapping(file []byte) (configValues, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(file, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%w: empty file: want keys such as GENESIS_FORK_VERSION", ErrConfig)
	}
	return mapping(doc.Content[0])
}

func mapping(node *yaml.Node) (configValues, error) {
	node = resolve(node)
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: line %d: want keys with values", ErrConfig, node.Line)
	}
	values := make(configValues, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i].Value
		if _, ok := values[key]; ok {
			return nil, fmt.Errorf("%w: %s: line %d: the key is there twice", ErrConfig, key, node.Content[i].Line)
		}
		values[key] = resolve(node.Content[i+1])
	}
	return values, nil
}

// resolve follows an alias to its anchor.
func resolve(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func badValue(key string, node *yaml.Node, want string) error {
	value := node.Value
	if node.Kind != yaml.ScalarNode {
		if text, err := yaml.Marshal(node); err == nil {
			value = strings.TrimSpace(string(text))
		}
	}
	return fmt.Errorf("%w: %s: line %d: %q: want %s", ErrConfig, key, node.Line, value, want)
}
