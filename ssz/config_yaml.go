package ssz

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ParseConfig reads a configuration file in the format of the consensus specs. Numbers may be
// quoted or hexadecimal. Keys that it does not know are ignored: real files have many.
//
// A key that is missing has its value in [DefaultConfig]: a fork whose epoch is missing is not
// scheduled, and a missing blob schedule is empty. A missing PRESET_BASE means mainnet.
//
// The error wraps [ErrConfig] and names the key, its value and what is allowed.
func ParseConfig(file []byte) (*Config, error) {
	values, err := readMapping(file)
	if err != nil {
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
		return ""
	}
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

// readMapping returns the values of the file's top level by key.
func readMapping(file []byte) (map[string]*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(file, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%w: empty file: want keys such as PRESET_BASE", ErrConfig)
	}
	return mapping(doc.Content[0])
}

func mapping(node *yaml.Node) (map[string]*yaml.Node, error) {
	node = resolve(node)
	if node.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%w: line %d: want keys with values", ErrConfig, node.Line)
	}
	values := make(map[string]*yaml.Node, len(node.Content)/2)
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
