package config

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
)

// A Config is what a file sets. The zero value is the default preset.
type Config struct {
	// Preset is the name of the preset that the file changes, see [Presets]. Empty means Default.
	Preset string
	// Limits is for a [limits.Limiter].
	Limits limits.Config
	// Score is for a [score.Book].
	Score score.Config
	// Trusted are peers that are never penalised, for [score.Options].
	Trusted []peer.ID
}

// Effective returns the configuration with every default filled in, or an error
// that names what is outside its range. It is merged over the preset: what is zero, and each method that is not named,
// is as there.
func (c Config) Effective() (Config, error) {
	f, err := presetFile(cmp.Or(c.Preset, Default))
	if err != nil {
		return Config{}, err
	}
	c.Preset, c.Limits.Methods = f.preset, f.over(c.Limits.Methods)
	fill(reflect.ValueOf(&c).Elem(), reflect.ValueOf(f.config))
	return c.effective()
}

// fill sets what is zero in a struct. A rate is set as a whole.
func fill(to, from reflect.Value) {
	if to.Kind() == reflect.Struct && to.Type() != reflect.TypeFor[limits.Rate]() {
		for i := range to.NumField() {
			fill(to.Field(i), from.Field(i))
		}
	} else if to.IsZero() {
		to.Set(from)
	}
}

// effective takes nothing from the preset.
func (c Config) effective() (Config, error) {
	var err error
	if c.Limits, err = c.Limits.Effective(); err != nil {
		return Config{}, err
	}
	if c.Score, err = c.Score.Effective(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// over returns methods merged over those of the file.
func (f *File) over(methods map[string]limits.Method) map[string]limits.Method {
	all := make(map[string]limits.Method)
	for name, m := range f.methods {
		all[name] = *m
	}
	for name, m := range methods {
		fill(reflect.ValueOf(&m).Elem(), reflect.ValueOf(all[name]))
		all[name] = m
	}
	return all
}

// Warnings returns an error for each rate that makes requesters wait at the floor, see
// [limits.Config.Warnings]. It begins with the rate's key in a file.
func (c Config) Warnings() []error {
	all := c.Limits.Warnings(quota.Small()...)
	for i, err := range all {
		all[i] = byKey(err)
	}
	return all
}

// Load reads a file. The error names the file, the place in it and what is wrong
// with it.
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	c, err := Parse(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Parse reads a file's content and returns the effective configuration. It fails
// on everything that it does not know. An error names the line or the key.
func Parse(data []byte) (Config, error) {
	f, err := parse(data)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	c, err := f.Config()
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

func parse(data []byte) (*File, error) {
	file, err := settings.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("line %w", err)
	}
	name := Default
	if err := (settings.Table{presetSetting(&name)}).Apply(slices.DeleteFunc(slices.Clone(file), notPreset)); err != nil {
		return nil, fmt.Errorf("line %w", err)
	}
	var methods []string
	for _, e := range file {
		if len(e.Path) > 1 && strings.EqualFold(e.Path[0], "methods") {
			methods = append(methods, e.Path[1])
		}
	}
	f, err := NewFile(name, methods...)
	if err != nil {
		return nil, err
	}
	if err := append(f.Settings(""), presetSetting(&name)).Apply(file); err != nil {
		return nil, fmt.Errorf("line %w", err)
	}
	return f, nil
}

func presetSetting(name *string) *settings.Setting {
	return settings.New("preset", "", settings.OneOf(name, Presets()...),
		"preset that everything in comments is taken from")
}

func notPreset(e settings.Entry) bool {
	return len(e.Path) != 1 || !strings.EqualFold(e.Path[0], "preset")
}

// Format returns the configuration as a file. It sets what differs from the preset, and has the rest in comments. It
// fails if something is outside its range.
func (c Config) Format() ([]byte, error) {
	c, err := c.Effective()
	if err != nil {
		return nil, err
	}
	f, err := presetFile(cmp.Or(c.Preset, Default))
	if err != nil {
		return nil, err
	}
	for name := range c.Limits.Methods {
		f.method(name)
	}
	name := Default
	table := append(settings.Table{presetSetting(&name)}, f.Settings("")...)
	table.Mark()
	name = f.preset
	f.assume(c)
	var b bytes.Buffer
	err = table.Write(&b)
	return b.Bytes(), err
}
