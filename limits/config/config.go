package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/pelletier/go-toml/v2"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	beaconquota "github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
)

// A Config is what a file sets. The zero value is the default preset.
type Config struct {
	// Limits is for a [limits.Limiter].
	Limits limits.Config
	// Score is for a [score.Book].
	Score score.Config
	// Trusted are peers that are never penalised, for [score.Options].
	Trusted []peer.ID
}

// Effective returns the configuration with every default filled in, or an error
// that names what is outside its range.
func (c Config) Effective() (Config, error) {
	if c.Limits.Methods == nil {
		c.Limits.Methods = beaconquota.Served()
	}
	var err error
	if c.Limits, err = c.Limits.Effective(); err != nil {
		return Config{}, err
	}
	if c.Score, err = c.Score.Effective(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Warnings returns an error for each rate that makes requesters wait at the floor, see
// [limits.Config.Warnings]. It begins with the rate's key in a file.
func (c Config) Warnings() []error {
	all := c.Limits.Warnings(beaconquota.Small()...)
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
// on everything that it does not know.
func Parse(data []byte) (Config, error) {
	f, err := decode(data)
	if err != nil {
		return Config{}, err
	}
	c, err := f.Config()
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

func decode(data []byte) (*File, error) {
	f := new(File)
	dec := toml.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	err := dec.Decode(f)
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		e := strict.Errors[0]
		line, _ := e.Position()
		key := e.Key()
		if key[len(key)-1] == "refuse" {
			return nil, fmt.Errorf("config: line %d: refuse is no longer a setting: delete it, as answers are always withheld", line)
		}
		return nil, fmt.Errorf("config: line %d: there is no setting %s here", line, key[len(key)-1])
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := e.Position()
		return nil, fmt.Errorf("config: line %d, column %d: %w", line, column, err)
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return f, nil
}

func parsePeers(texts []string) ([]peer.ID, error) {
	var ids []peer.ID
	for _, text := range texts {
		id, err := peer.Decode(text)
		if err != nil {
			return nil, fmt.Errorf("trusted: %q is no peer ID: %w", text, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
