package config

import (
	"cmp"
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
)

// A File is what a TOML file says, and may be a table of a larger one. The zero value says nothing, which
// is the default preset.
type File struct{ table }

// Config returns what the file comes to: its preset with what it says, and every default filled in. It
// fails if a name or a peer ID is unknown, or something is outside its range. The error begins with the key.
func (f *File) Config() (Config, error) {
	c, err := preset(cmp.Or(f.Preset, Default))
	if err != nil {
		return Config{}, fmt.Errorf("preset: %w", err)
	}
	if err := f.checkZeros(); err != nil {
		return Config{}, err
	}
	f.applyTo(&c)
	if f.Trusted != nil {
		if c.Trusted, err = parsePeers(*f.Trusted); err != nil {
			return Config{}, err
		}
	}
	if c.Limits, err = c.Limits.Effective(); err != nil {
		return Config{}, byKey(err)
	}
	if c.Score, err = c.Score.Effective(); err != nil {
		return Config{}, byKey(err, "score")
	}
	return c, nil
}

// checkZeros refuses what would be taken for the default, though a file that says zero means it.
func (f *table) checkZeros() error {
	s, p := cmp.Or(f.Score, new(scores)), cmp.Or(f.Prefix, new(prefix))
	for _, setting := range []struct {
		key  string
		zero bool
	}{
		{"max_concurrent", isZero(f.MaxConcurrent)},
		{"max_queue", isZero(f.MaxQueue)},
		{"max_peers", isZero(f.MaxPeers)},
		{"prefix.peers", isZero(p.Peers)},
		{"prefix.ipv4_bits", isZero(p.IPv4Bits)},
		{"prefix.ipv6_bits", isZero(p.IPv6Bits)},
		{"score.half_life", isZero(s.HalfLife)},
		{"score.window", isZero(s.Window)},
		{"score.low_cap", isZero(s.LowCap)},
		{"score.mid_cap", isZero(s.MidCap)},
		{"score.high_cap", isZero(s.HighCap)},
		{"score.reward_cap", isZero(s.RewardCap)},
		{"score.disconnect", isZero(s.Disconnect)},
		{"score.ban", isZero(s.Ban)},
		{"score.ban_for", isZero(s.BanFor)},
		{"score.max_peers", isZero(s.MaxPeers)},
	} {
		if setting.zero {
			return fmt.Errorf("%s: 0 is not allowed, leave it out for the default", setting.key)
		}
	}
	return nil
}

func isZero[T comparable](v *T) bool { return v != nil && *v == *new(T) }

// A table is the keys of a file. What it does not mention is nil.
type table struct {
	Preset        string             `toml:"preset,omitempty" comment:"What everything that is not mentioned is taken from."`
	MaxConcurrent *int               `toml:"max_concurrent,omitempty" comment:"Exchanges of one peer with one method that run at a time."`
	MaxQueue      *int               `toml:"max_queue,omitempty" comment:"Those that wait for it. Beyond, they are refused, and the peer is blamed."`
	MaxPeers      *int               `toml:"max_peers,omitempty" comment:"Peers that are remembered."`
	Trusted       *[]string          `toml:"trusted,omitempty" comment:"Peer IDs that are never penalised."`
	Node          *quota             `toml:"node,omitempty" comment:"All peers and methods together."`
	Prefix        *prefix            `toml:"prefix,omitempty" comment:"Peers whose addresses begin alike. Below zero peers turns this off."`
	Score         *scores            `toml:"score,omitempty" comment:"How behaviour is scored."`
	Default       *method            `toml:"default,omitempty" comment:"Methods that are not named, and rates that a named one leaves out."`
	Methods       map[string]*method `toml:"methods,omitempty"`
}

type quota struct {
	Requests *Rate     `toml:"requests,omitempty"`
	Items    *Rate     `toml:"items,omitempty"`
	Bytes    *ByteRate `toml:"bytes,omitempty"`
}

type method struct {
	Peer *quota `toml:"peer,inline,omitempty"`
	Node *quota `toml:"node,inline,omitempty"`
}

type prefix struct {
	Peers    *int `toml:"peers,omitempty"`
	IPv4Bits *int `toml:"ipv4_bits,omitempty"`
	IPv6Bits *int `toml:"ipv6_bits,omitempty"`
}

type scores struct {
	HalfLife   *span    `toml:"half_life,omitempty"`
	Window     *span    `toml:"window,omitempty"`
	LowCap     *float64 `toml:"low_cap,omitempty"`
	MidCap     *float64 `toml:"mid_cap,omitempty"`
	HighCap    *float64 `toml:"high_cap,omitempty"`
	RewardCap  *float64 `toml:"reward_cap,omitempty"`
	Disconnect *float64 `toml:"disconnect,omitempty"`
	Ban        *float64 `toml:"ban,omitempty"`
	BanFor     *span    `toml:"ban_for,omitempty"`
	MaxPeers   *int     `toml:"max_peers,omitempty"`
}

// A span is a duration, such as "10m".
type span time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *span) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = span(v)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (d span) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

// set sets what the file mentions.
func set[T, F any](to *T, from *F, convert func(F) T) {
	if from != nil {
		*to = convert(*from)
	}
}

func same[T any](v T) T { return v }

func (f *table) applyTo(c *Config) {
	l := &c.Limits
	set(&l.MaxConcurrent, f.MaxConcurrent, same)
	set(&l.MaxQueue, f.MaxQueue, same)
	set(&l.MaxPeers, f.MaxPeers, same)
	f.Node.applyTo(&l.Node)
	f.Default.applyTo(&l.Default)
	if p := f.Prefix; p != nil {
		set(&l.Prefix.Peers, p.Peers, same)
		set(&l.Prefix.IPv4Bits, p.IPv4Bits, same)
		set(&l.Prefix.IPv6Bits, p.IPv6Bits, same)
	}
	for name, m := range f.Methods {
		to := l.Methods[name]
		m.applyTo(&to)
		l.Methods[name] = to
	}
	f.Score.applyTo(&c.Score)
}

func (q *quota) applyTo(to *limits.Quota) {
	if q == nil {
		return
	}
	set(&to.Requests, q.Requests, func(r Rate) limits.Rate { return limits.Rate(r) })
	set(&to.Items, q.Items, func(r Rate) limits.Rate { return limits.Rate(r) })
	set(&to.Bytes, q.Bytes, func(r ByteRate) limits.Rate { return limits.Rate(r) })
}

func (m *method) applyTo(to *limits.Method) {
	if m == nil {
		return
	}
	m.Peer.applyTo(&to.Peer)
	m.Node.applyTo(&to.Node)
}

func (s *scores) applyTo(to *score.Config) {
	if s == nil {
		return
	}
	set(&to.HalfLife, s.HalfLife, func(d span) time.Duration { return time.Duration(d) })
	set(&to.Window, s.Window, func(d span) time.Duration { return time.Duration(d) })
	set(&to.BanFor, s.BanFor, func(d span) time.Duration { return time.Duration(d) })
	set(&to.LowCap, s.LowCap, same)
	set(&to.MidCap, s.MidCap, same)
	set(&to.HighCap, s.HighCap, same)
	set(&to.RewardCap, s.RewardCap, same)
	set(&to.Disconnect, s.Disconnect, same)
	set(&to.Ban, s.Ban, same)
	set(&to.MaxPeers, s.MaxPeers, same)
}
