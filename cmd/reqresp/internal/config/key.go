package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/internal/field"
)

// keys are the TOML keys of the fields that plugin.Config.Validate checks.
var keys = map[string]string{
	"Custody":              "node.custody",
	"Listen":               "p2p.listen",
	"Retention.Blocks":     "retention.blocks",
	"Memory":               "p2p.memory",
	"Peers.Target":         "p2p.max_peers",
	"Peers.MinOutbound":    "p2p.min_outbound",
	"Peers.Static":         "p2p.static_nodes",
	"Peers.Trusted":        "p2p.trusted_nodes",
	"Discovery.Listen":     "p2p.disc_addr",
	"Discovery.BootNodes":  "p2p.bootstrap_nodes_v5, p2p.bootstrap_nodes_file",
	"Discovery.ExternalIP": "p2p.external_ip",
}

// byKey replaces the field's name in an error of plugin.Config with the field's TOML key.
func byKey(err error) error {
	e, ok := errors.AsType[*field.Error](err)
	if !ok {
		return err
	}
	key, ok := keys[strings.Join(e.Path, ".")]
	if !ok {
		return err
	}
	return fmt.Errorf("%s: %w", key, e.Err)
}

// withoutField removes the field's name from an error, for a setting that puts its own name there.
func withoutField(err error) error {
	if e, ok := errors.AsType[*field.Error](err); ok {
		return e.Err
	}
	return err
}
