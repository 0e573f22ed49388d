package ssz

import _ "embed" // for the configuration

//go:embed mainnet.yaml
var mainnetConfig string

// MainnetConfig returns the configuration of [Mainnet] as a file in the format of the consensus
// specs, for what keeps or passes on a network as a file. [ParseConfig] reads it.
func MainnetConfig() string { return mainnetConfig }
