package resources

import (
	"cmp"
	"fmt"

	"github.com/pbnjay/memory"

	"github.com/seed-2dd5877b/reqresp/internal/field"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const mib = 1 << 20

// What [Options].Memory may be, and what bounds its default.
const (
	MinMemory = 64 * mib
	MaxMemory = 1 << 40

	minDefaultMemory = 256 * mib
	maxDefaultMemory = 2048 * mib
)

// Defaults of [Options].
const (
	DefaultPeers = 64
	DefaultCalls = 2
)

// maxPeers and maxPerMethod are far beyond what any node has.
const (
	maxPeers     = 1 << 16
	maxPerMethod = 1 << 17
)

// Options are what limits are derived from. The zero value is ready.
type Options struct {
	// Memory is how many bytes of a resource manager's accounts the host may take: see
	// [DefaultMemory], which zero means. It is from MinMemory to MaxMemory.
	Memory int64
	// Peers is how many peers the host wants to have, up to 65536. There is room for three times
	// as many connections. Zero means DefaultPeers.
	Peers int
	// MaxStreams bounds the streams served at a time. Zero means
	// reqresp.DefaultMaxStreams, or as many as the memory allows for.
	MaxStreams int
	// MaxStreamsPerPeer bounds those of one peer. Zero means
	// reqresp.DefaultMaxStreamsPerPeer. It is cut to a seventeenth of MaxStreams: a server grants a
	// peer no more than a sixteenth of those that are left.
	MaxStreamsPerPeer int
	// PerMethod is how many exchanges of one peer with one method are admitted or queued at a
	// time: limits.Config has MaxConcurrent and MaxQueue for it. A peer may open twice as many streams of
	// a protocol, so that who is over the bound is told by the one who keeps it. Zero bounds
	// them by those of the peer alone.
	PerMethod int
	// Gossipsub says that the host runs a router of package gossipsub besides.
	Gossipsub bool
	// Calls is how many exchanges this host has with one peer on one protocol at a time; see
	// reqresp.ClientOptions. Zero means DefaultCalls, which is MAX_CONCURRENT_REQUESTS of the consensus
	// specs.
	Calls int
}

// DefaultMemory returns an eighth of the machine's memory, as go-libp2p takes, though not less
// than 256 MiB and no more than 2 GiB.
func DefaultMemory() int64 {
	eighth := min(memory.TotalMemory()/8, maxDefaultMemory)
	return max(int64(eighth), minDefaultMemory)
}

// Validate returns an error that names what is outside its range.
func (o Options) Validate() error {
	if err := o.validate(); err != nil {
		return fmt.Errorf("resources: %w", err)
	}
	return nil
}

func (o Options) validate() error {
	if o.Memory != 0 && (o.Memory < MinMemory || o.Memory > MaxMemory) {
		return field.Errorf("Memory", "is %d bytes, want %d (64 MiB) to %d (1 TiB), or 0 for an eighth of the "+
			"machine's", o.Memory, MinMemory, int64(MaxMemory))
	}
	o = o.withDefaults()
	most := servable(o.Memory)
	for _, bound := range []struct {
		name     string
		val, max int
	}{
		{"Peers", o.Peers, maxPeers},
		{"MaxStreamsPerPeer", o.MaxStreamsPerPeer, most},
		{"PerMethod", o.PerMethod, maxPerMethod},
		{"Calls", o.Calls, maxPerMethod},
	} {
		if bound.val < 0 || bound.val > bound.max {
			return field.Errorf(bound.name, "is %d, want 1 to %d, or 0 for the default", bound.val, bound.max)
		}
	}
	if o.MaxStreams < 0 || o.MaxStreams > most {
		return field.Errorf("MaxStreams", "is %d, want 1 to %d, which is what %d MiB of Memory are for, or 0 "+
			"for the default", o.MaxStreams, most, o.Memory/mib)
	}
	return nil
}

func (o Options) withDefaults() Options {
	o.Memory = cmp.Or(o.Memory, DefaultMemory())
	most := servable(o.Memory)
	o.Peers = cmp.Or(o.Peers, DefaultPeers)
	o.MaxStreams = cmp.Or(o.MaxStreams, min(reqresp.DefaultMaxStreams, most))
	o.MaxStreamsPerPeer = cmp.Or(o.MaxStreamsPerPeer, min(reqresp.DefaultMaxStreamsPerPeer, most))
	o.Calls = cmp.Or(o.Calls, DefaultCalls)
	return o
}
