package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/internal/field"
)

// keys are those of the fields of plugin.Config that it validates.
var keys = map[string]string{
	"Listen":               "p2p.listen",
	"Memory":               "p2p.memory",
	"Peers.Target":         "p2p.max_peers",
	"Peers.MinOutbound":    "p2p.min_outbound",
	"Peers.Static":         "p2p.static_nodes",
	"Peers.Trusted":        "p2p.trusted_nodes",
	"Discovery.Listen":     "p2p.disc_addr",
	"Discovery.BootNodes":  "p2p.bootstrap_nodes_v5, p2p.bootstrap_nodes_file",
	"Discovery.ExternalIP": "p2p.external_ip",
}

// byKey has the error of a field of plugin.Config begin with the key that a file has for it.
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

// withoutField returns the error of a field for the setting that sets it, whose own name goes before.
func withoutField(err error) error {
	if e, ok := errors.AsType[*field.Error](err); ok {
		return e.Err
	}
	return err
}
