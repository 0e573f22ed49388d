package config

import (
	"embed"
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/limits"
	beaconquota "github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
)

// Names of presets.
const (
	Default  = "default"
	Home     = "home"
	Generous = "generous"
	Archive  = "archive"
	None     = "none"
)

// Presets returns the names of the presets.
func Presets() []string { return []string{Default, Home, Generous, Archive, None} }

//go:embed presets
var files embed.FS

// Preset returns the preset of a name, which is the caller's. It fails if there is
// none.
func Preset(name string) (Config, error) {
	c, err := preset(name)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

func preset(name string) (Config, error) {
	switch name {
	case Default:
		return Config{Limits: limits.Config{Methods: beaconquota.Served()}}, nil
	case None:
		return Config{Limits: limits.Config{Methods: make(map[string]limits.Method)}}, nil
	case Home, Generous, Archive:
		return parsePreset(name)
	}
	return Config{}, fmt.Errorf("there is no preset %q, only %s", name, strings.Join(Presets(), ", "))
}

func parsePreset(name string) (Config, error) {
	data, err := files.ReadFile("presets/" + name + ".toml")
	if err != nil {
		return Config{}, fmt.Errorf("preset %s: %w", name, err)
	}
	c, err := Parse(data)
	if err != nil {
		return Config{}, fmt.Errorf("preset %s: %w", name, err)
	}
	return c, nil
}
