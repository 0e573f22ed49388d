package config

import (
	"embed"
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
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

// Preset returns a preset by its name, with every default filled in. The caller owns it. It fails if no preset has the
// name.
func Preset(name string) (Config, error) {
	f, err := presetFile(name)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return f.Config()
}

func presetFile(name string) (*File, error) {
	switch name {
	case Default:
		return newFile(name, quota.Served()), nil
	case None:
		return newFile(name, make(map[string]limits.Method)), nil
	case Home, Generous, Archive:
		data, err := files.ReadFile("presets/" + name + ".toml")
		if err != nil {
			return nil, fmt.Errorf("preset %s: %w", name, err)
		}
		f, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("preset %s: %w", name, err)
		}
		f.preset = name
		return f, nil
	}
	return nil, fmt.Errorf("preset: there is no preset %q, only %s", name, strings.Join(Presets(), ", "))
}
