package peers

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/field"
)

// DefaultTarget is the default of Config.Target.
const DefaultTarget = 64

// A Config says how many peers to have, and whom. The zero value means the defaults everywhere.
type Config struct {
	// Target is how many peers the manager dials to have, and beyond which it leaves some. Zero
	// means DefaultTarget.
	Target int
	// MinOutbound is how many of them it wants to have dialed itself, at most Target. Zero means
	// a quarter of Target.
	MinOutbound int
	// MaxPerPrefix is how many peers may have addresses of one prefix, as limits.Prefix has it by default: an IPv4
	// /24 or an IPv6 /48. Those beyond are left, wherever the target is. Static and trusted peers are not counted.
	// Zero means an eighth of Target, but at least 2. A negative number sets no bound.
	MaxPerPrefix int
	// NoDial leaves dialing to others, but for static peers: of the peers that are known none is dialed.
	NoDial bool
	// Static peers are always dialed again, wherever the target is, and never left for
	// lack of room. Each has at least one address.
	Static []peer.AddrInfo
	// Trusted peers are never left for lack of room or for their score. With Options.Scores it is of no effect, as
	// those know who is trusted.
	Trusted []peer.ID
}

// Options are the optional settings of a [Manager]. The zero value is ready.
type Options struct {
	Config
	// Addr returns the IP address that a peer is connected from. Peers whose address is not valid belong to no
	// prefix. It is called often and concurrently, and never while the manager holds a lock. Nil means
	// limits.HostAddr, by which no prefix has peers at loopback and private addresses.
	Addr func(peer.ID) netip.Addr
	// Scores judge peers. Nil takes all for good ones.
	Scores Scores
	// File is where known peers are kept, so that they are remembered over restarts. Empty keeps
	// them in memory only.
	File string
	// Shared says that the host has other uses than this domain: peers that have not exchanged
	// a status with it are then neither counted nor left, unless Scores find them bad or banned.
	Shared bool
	// Logger gets what is done. Nil discards it.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Target = cmp.Or(o.Target, DefaultTarget)
	o.MinOutbound = cmp.Or(o.MinOutbound, o.Target/4)
	o.MaxPerPrefix = cmp.Or(o.MaxPerPrefix, max(2, o.Target/8))
	o.Static = slices.Clone(o.Static)
	if o.Scores == nil {
		o.Scores = noScores(slices.Clone(o.Trusted))
	}
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

// MaxTarget bounds Config.Target. No deployed client has more than a few hundred peers.
const MaxTarget = 10_000

// Validate returns an error that names the first field whose value is not allowed.
func (c *Config) Validate() error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	return nil
}

func (c *Config) validate() error {
	target := cmp.Or(c.Target, DefaultTarget)
	if target < 0 || target > MaxTarget {
		return field.Errorf("Target", "is %d, want 1 to %d, or 0 for %d", c.Target, MaxTarget, DefaultTarget)
	}
	if c.MinOutbound < 0 || c.MinOutbound > target {
		return field.Errorf("MinOutbound", "is %d, want at most %d, the number of all peers", c.MinOutbound, target)
	}
	for _, info := range c.Static {
		if err := validate(info); err != nil {
			return field.Errorf("Static", "has a peer that cannot be dialed: %w", err)
		}
	}
	for _, id := range c.Trusted {
		if err := id.Validate(); err != nil {
			return field.Errorf("Trusted", "has the peer id %q: %w", id, err)
		}
	}
	return nil
}

func validate(info peer.AddrInfo) error {
	if err := info.ID.Validate(); err != nil {
		return fmt.Errorf("peer id %q: %w", info.ID, err)
	}
	if len(info.Addrs) == 0 {
		return fmt.Errorf("peer %v has no address", info.ID)
	}
	return nil
}

// Scores judge peers. Its methods are called often and concurrently, and never while the
// manager holds a lock.
type Scores interface {
	// Score returns how well a peer has behaved. Higher is better, and zero is a stranger's.
	Score(id peer.ID) float64
	// Bad reports whether a peer has behaved so badly that it is to be left. It is not asked of
	// trusted peers.
	Bad(id peer.ID) bool
	// Banned reports whether a peer is neither to be kept nor to be dialed.
	Banned(id peer.ID) bool
	// Trusted reports whether a peer is never to be left for lack of room or for its score.
	Trusted(id peer.ID) bool
}

// noScores takes all peers for good ones, and trusts those that it lists.
type noScores []peer.ID

func (noScores) Score(peer.ID) float64     { return 0 }
func (noScores) Bad(peer.ID) bool          { return false }
func (noScores) Banned(peer.ID) bool       { return false }
func (s noScores) Trusted(id peer.ID) bool { return slices.Contains(s, id) }
