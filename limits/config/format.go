package config

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/pelletier/go-toml/v2"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
)

// Format returns the configuration as a file that says everything, with every
// default filled in, so that reading it gives the same whatever the presets are.
// It fails if something is outside its range.
func (c Config) Format() ([]byte, error) {
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	return toml.Marshal(f)
}

// File returns the configuration as a file that says everything; see [Config.Format].
func (c Config) File() (File, error) {
	c, err := c.Effective()
	if err != nil {
		return File{}, err
	}
	return File{tableOf(c)}, nil
}

func tableOf(c Config) table {
	l := c.Limits
	f := table{
		Preset:        None,
		MaxConcurrent: &l.MaxConcurrent,
		MaxQueue:      &l.MaxQueue,
		MaxPeers:      &l.MaxPeers,
		Node:          quotaOf(l.Node),
		Default:       methodOf(l.Default),
		Prefix:        &prefix{&l.Prefix.Peers, &l.Prefix.IPv4Bits, &l.Prefix.IPv6Bits},
		Score:         scoresOf(c.Score),
		Methods:       make(map[string]*method),
	}
	for name, m := range l.Methods {
		f.Methods[name] = methodOf(m)
	}
	if len(c.Trusted) > 0 {
		f.Trusted = new(peerStrings(c.Trusted))
	}
	return f
}

func peerStrings(ids []peer.ID) []string {
	var texts []string
	for _, id := range ids {
		texts = append(texts, id.String())
	}
	return texts
}

func methodOf(m limits.Method) *method {
	return &method{Peer: quotaOf(m.Peer), Node: quotaOf(m.Node)}
}

// quotaOf returns nil if there is nothing to say.
func quotaOf(q limits.Quota) *quota {
	if q == (limits.Quota{}) {
		return nil
	}
	f := new(quota)
	if q.Requests != (limits.Rate{}) {
		f.Requests = new(Rate(q.Requests))
	}
	if q.Items != (limits.Rate{}) {
		f.Items = new(Rate(q.Items))
	}
	if q.Bytes != (limits.Rate{}) {
		f.Bytes = new(ByteRate(q.Bytes))
	}
	return f
}

func scoresOf(c score.Config) *scores {
	of := func(d time.Duration) *span { return new(span(d)) }
	return &scores{
		HalfLife: of(c.HalfLife), Window: of(c.Window), BanFor: of(c.BanFor),
		LowCap: &c.LowCap, MidCap: &c.MidCap, HighCap: &c.HighCap, RewardCap: &c.RewardCap,
		Disconnect: &c.Disconnect, Ban: &c.Ban,
		MaxPeers: &c.MaxPeers,
	}
}
