package lodestar

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Spec is a node's configuration, preset and constants by their names in the consensus specs, with all values as
// text: numbers in decimal, bytes as 0x and hex digits.
type Spec map[string]string

// Spec returns what the node runs with.
func (n *Node) Spec(ctx context.Context) (Spec, error) {
	return get[Spec](ctx, n, "/eth/v1/config/spec")
}

// config are the names of a configuration file, as far as Lodestar 1.5.1 has them; all others
// of a Spec belong to the preset or are constants.
var config = strings.Fields(`
	PRESET_BASE CONFIG_NAME
	TERMINAL_TOTAL_DIFFICULTY TERMINAL_BLOCK_HASH TERMINAL_BLOCK_HASH_ACTIVATION_EPOCH
	MIN_GENESIS_ACTIVE_VALIDATOR_COUNT MIN_GENESIS_TIME GENESIS_FORK_VERSION GENESIS_DELAY
	ALTAIR_FORK_VERSION ALTAIR_FORK_EPOCH
	BELLATRIX_FORK_VERSION BELLATRIX_FORK_EPOCH
	CAPELLA_FORK_VERSION CAPELLA_FORK_EPOCH
	DENEB_FORK_VERSION DENEB_FORK_EPOCH
	SECONDS_PER_SLOT SECONDS_PER_ETH1_BLOCK
	MIN_VALIDATOR_WITHDRAWABILITY_DELAY SHARD_COMMITTEE_PERIOD ETH1_FOLLOW_DISTANCE
	INACTIVITY_SCORE_BIAS INACTIVITY_SCORE_RECOVERY_RATE EJECTION_BALANCE
	MIN_PER_EPOCH_CHURN_LIMIT CHURN_LIMIT_QUOTIENT PROPOSER_SCORE_BOOST
	DEPOSIT_CHAIN_ID DEPOSIT_NETWORK_ID DEPOSIT_CONTRACT_ADDRESS`)

// ConfigYAML returns the configuration in the form of the consensus specs' configuration files. It has nothing of the
// forks after deneb, which Lodestar 1.5.1 does not know and still calls EIP4844; deneb's epoch is the far future.
func (s Spec) ConfigYAML() []byte {
	known := maps.Clone(s)
	for old, value := range s {
		if name, ok := strings.CutPrefix(old, "EIP4844_FORK_"); ok {
			known["DENEB_FORK_"+name] = value
		}
	}
	var b bytes.Buffer
	for _, name := range config {
		value, ok := known[name]
		if !ok {
			continue
		}
		if slices.Contains([]string{"PRESET_BASE", "CONFIG_NAME"}, name) {
			value = "'" + value + "'"
		}
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	return b.Bytes()
}
