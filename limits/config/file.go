package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
)

// A File is a preset with what a file changes of it. A larger file can have the settings in a table of its own.
type File struct {
	preset  string
	config  Config // without the limits' methods
	methods map[string]*limits.Method
}

// NewFile returns a file that changes nothing of a preset. It can change the preset's methods, and others that
// are named.
func NewFile(preset string, methods ...string) (*File, error) {
	f, err := presetFile(preset)
	if err != nil {
		return nil, err
	}
	for _, name := range methods {
		f.method(name)
	}
	return f, nil
}

// newFile returns a file from what its preset has. Methods that leave out a rate go on doing so: a file may change
// the default that they take it from.
func newFile(preset string, methods map[string]limits.Method) *File {
	effective, err := Config{Limits: limits.Config{Methods: methods}}.effective()
	if err != nil {
		panic(err) // The defaults are valid.
	}
	f := &File{preset: preset, config: effective, methods: make(map[string]*limits.Method)}
	for name, m := range methods {
		*f.method(name) = m
	}
	return f
}

func (f *File) method(name string) *limits.Method {
	if f.methods[name] == nil {
		f.methods[name] = new(limits.Method)
	}
	return f.methods[name]
}

// Config returns the configuration with every default filled in. It fails if something is outside its range. The
// error begins with the key.
func (f *File) Config() (Config, error) {
	c := f.config
	c.Preset = f.preset
	c.Limits.Methods = f.over(nil)
	maps.DeleteFunc(c.Limits.Methods, func(_ string, m limits.Method) bool { return m == (limits.Method{}) })
	var err error
	if c.Limits, err = c.Limits.Effective(); err != nil {
		return Config{}, byKey(err)
	}
	if c.Score, err = c.Score.Effective(); err != nil {
		return Config{}, byKey(err, "score")
	}
	return c, nil
}

// Settings returns what the file can change, with the preset's values for defaults. Their keys are those of a file
// after prefix, which may name a table, such as "limits.".
func (f *File) Settings(prefix string) settings.Table {
	l, s := &f.config.Limits, &f.config.Score
	all := settings.Table{
		settings.New("max_concurrent", "", settings.Number(&l.MaxConcurrent, 1, 1<<10),
			"exchanges of one peer with one method that run at a time"),
		settings.New("max_queue", "", settings.Number(&l.MaxQueue, 1, 1<<16),
			"requests that may wait for that; more are refused and lower the peer's score"),
		settings.New("max_peers", "", settings.Number(&l.MaxPeers, 1, 1<<20), "peers that are remembered"),
		settings.New("trusted", "", settings.ListOf(&f.config.Trusted, parsePeer, peer.ID.String),
			"peers that are never penalized"),
		settings.New("prefix.peers", "", prefixPeers(&l.Prefix.Peers),
			"peers whose share the peers of an address prefix have together; -1 turns prefixes off"),
		settings.New("prefix.ipv4_bits", "", settings.Number(&l.Prefix.IPv4Bits, 1, 32), "length of an IPv4 prefix"),
		settings.New("prefix.ipv6_bits", "", settings.Number(&l.Prefix.IPv6Bits, 1, 128), "length of an IPv6 prefix"),
		settings.New("score.half_life", "", settings.Duration(&s.HalfLife, time.Second, settings.Forever),
			"time in which a score halves"),
		settings.New("score.window", "", settings.Duration(&s.Window, time.Second, settings.Forever),
			"time for which the penalties of a class are capped"),
		settings.New("score.low_cap", "", settings.Float(&s.LowCap, 0, score.Max),
			"most that penalties of low tolerance cost within a window"),
		settings.New("score.mid_cap", "", settings.Float(&s.MidCap, 0, score.Max),
			"most that penalties of middle tolerance cost within a window"),
		settings.New("score.high_cap", "", settings.Float(&s.HighCap, 0, score.Max),
			"most that penalties of high tolerance cost within a window"),
		settings.New("score.reward_cap", "", settings.Float(&s.RewardCap, 0, score.Max),
			"most that rewards add within a window"),
		settings.New("score.disconnect", "", settings.Float(&s.Disconnect, -score.Max, 0),
			"score from which on a peer is disconnected"),
		settings.New("score.ban", "", settings.Float(&s.Ban, -score.Max, 0),
			"score from which on a peer is banned, less than disconnect"),
		settings.New("score.ban_for", "", settings.Duration(&s.BanFor, time.Second, settings.Forever),
			"time for which a peer is banned"),
		settings.New("score.max_peers", "", settings.Number(&s.MaxPeers, 1, 1<<20), "scores that are remembered"),
	}
	all = append(all, quotaOf("node", "of all peers and methods together", &l.Node)...)
	all = append(all, quotaOf("default.peer", "of a peer, where a method does not say", &l.Default.Peer)...)
	all = append(all, quotaOf("default.node", "", &l.Default.Node)...)
	for _, name := range slices.Sorted(maps.Keys(f.methods)) {
		key := settings.Key("methods", name)
		all = append(all, &settings.Setting{
			Key: key + ".refuse", Value: settings.Gone("is no longer a setting: delete it, as answers are always withheld"),
		})
		all = append(all, quotaOf(key+".peer", "", &f.methods[name].Peer)...)
		all = append(all, quotaOf(key+".node", "", &f.methods[name].Node)...)
	}
	for _, s := range all {
		s.Key = prefix + s.Key
	}
	all.Mark()
	return all
}

// assume has the file change what differs in an effective configuration.
func (f *File) assume(c Config) {
	f.config = c
	for name, m := range f.methods {
		of := c.Limits.Methods[name]
		if m.Peer.Requests == (limits.Rate{}) && of.Peer.Requests == c.Limits.Default.Peer.Requests {
			of.Peer.Requests = limits.Rate{}
		}
		if m.Peer.Items == (limits.Rate{}) && of.Peer.Items == c.Limits.Default.Peer.Items {
			of.Peer.Items = limits.Rate{}
		}
		if m.Peer.Bytes == (limits.Rate{}) && of.Peer.Bytes == c.Limits.Default.Peer.Bytes {
			of.Peer.Bytes = limits.Rate{}
		}
		*m = of
	}
}

// prefixPeers refuses a zero, which stands for the default: who writes it means to turn prefixes off.
func prefixPeers(to *int) settings.Value {
	return settings.Number(to, -1, 1<<10).Checked(func() error {
		if *to == 0 {
			return errors.New("0 is not allowed, leave it out for the default")
		}
		return nil
	})
}

func parsePeer(text string) (peer.ID, error) {
	id, err := peer.Decode(text)
	if err != nil {
		return "", fmt.Errorf("%q is not a peer ID: %w", text, err)
	}
	return id, nil
}

// quotaOf returns the settings of a quota. Whose it is goes into their help, if that is not empty.
func quotaOf(key, whose string, q *limits.Quota) settings.Table {
	rows := settings.Table{
		{Key: key + ".requests", Usage: "rate of requests, as N/TIME+BURST, ", Value: rateValue(&q.Requests)},
		{Key: key + ".items", Usage: "rate of response chunks ", Value: rateValue(&q.Items)},
		{Key: key + ".bytes", Usage: "rate of bytes on the wire ", Value: rateValue((*limits.ByteRate)(&q.Bytes))},
	}
	for _, s := range rows {
		if s.Usage += whose; whose == "" {
			s.Usage = ""
		}
	}
	return rows
}

// rateValue is a rate, which is not printed if it is zero.
func rateValue[R interface {
	comparable
	String() string
}, P interface {
	*R
	UnmarshalText(text []byte) error
}](to P) settings.Value {
	return settings.Parsed((*R)(to), func(text string) (r R, err error) {
		err = P(&r).UnmarshalText([]byte(text))
		return r, err
	}, func(r R) string {
		if r == *new(R) {
			return ""
		}
		return r.String()
	})
}
