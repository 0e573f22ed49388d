package limits

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/field"
)

// Defaults of [Config].
const (
	// DefaultMaxConcurrent is MAX_CONCURRENT_REQUESTS of the consensus specs.
	DefaultMaxConcurrent = 2
	// DefaultMaxQueue holds what a burst of small requests on a new connection comes to; a requester that obeys the
	// specs never queues at all.
	DefaultMaxQueue = 16
	// DefaultMaxPeers is far beyond the connections of any node. As many peers, which have used six methods each, take
	// up to 12 MiB, and up to 48 MiB where each has an address prefix of its own.
	DefaultMaxPeers = 1 << 14
)

// A Config is all that can be set, and changed at run time, about what peers may use. The zero value means the defaults
// everywhere.
type Config struct {
	// Node is what all peers together may use. Rates in it that are zero mean 1000 requests, 32768 items and 16 MiB
	// each second, with bursts of 2000, 65536 and 64 MiB.
	Node Quota
	// Default is for methods that Methods does not name, and gives the peers' rates that those leave zero. Rates of its
	// own Peer quota that are zero mean 10 requests, 12.8 items (as 128 in 10 s) and 2 MiB each second, with bursts of
	// 20, 256 and 24 MiB.
	Default Method
	// Methods are methods by their reqresp.Spec.Name. Nil means none: Default is for all of them.
	Methods map[string]Method
	// MaxConcurrent is how many exchanges of one peer with one method are admitted at a time, up to 1024. Those that
	// have waited for 4 s are admitted beyond it, up to three times as many. Zero means DefaultMaxConcurrent.
	MaxConcurrent int
	// MaxQueue bounds those that wait for admission, up to 65536. Zero means DefaultMaxQueue.
	MaxQueue int
	// MaxPeers bounds the peers tracked, and the prefixes as well, up to 1048576. Zero means DefaultMaxPeers.
	MaxPeers int
	// Prefix is the level of address prefixes.
	Prefix Prefix
}

// A Method is what may be used of one method.
type Method struct {
	// Peer is for each peer. A rate in it that is zero means that of Config.Default.
	Peer Quota
	// Node is for all peers together. A rate in it that is zero sets no bound of the method's own: Config.Node still
	// holds.
	Node Quota
}

// A Prefix tells how addresses that begin alike count together, so that many peer IDs from one place do not multiply a
// budget.
type Prefix struct {
	// Peers is how many peers' budgets all peers of a prefix have together, how many peers' exchanges at a time, see
	// Config.MaxConcurrent, and how many peers' part of a capacity that is shared, up to 1024. Zero means 4: with all
	// other defaults, the peers of one prefix get half of what the node sends. A negative number turns prefixes off,
	// and so does a nil Options.Addr.
	Peers int
	// IPv4Bits is the length of a prefix, up to 32. Zero means 24.
	IPv4Bits int
	// IPv6Bits is the length of a prefix, up to 128. Zero means 48, which is what one customer of a provider may have.
	IPv6Bits int
}

func (p Prefix) withDefaults() Prefix {
	p.Peers = cmp.Or(p.Peers, 4)
	p.IPv4Bits = cmp.Or(p.IPv4Bits, 24)
	p.IPv6Bits = cmp.Or(p.IPv6Bits, 48)
	return p
}

// Of returns the prefix of an address by IPv4Bits or IPv6Bits; an IPv4 address in IPv6 form is taken as IPv4. It
// reports false for an address that is not valid, and for a length that is out of range.
func (p Prefix) Of(addr netip.Addr) (netip.Prefix, bool) {
	p, addr = p.withDefaults(), addr.Unmap().WithZone("")
	bits := p.IPv6Bits
	if addr.Is4() {
		bits = p.IPv4Bits
	}
	prefix, err := addr.Prefix(bits)
	return prefix, err == nil && prefix.IsValid()
}

// Effective returns the configuration with every default filled in, or an error that names what is outside its range.
// The map is the caller's, and never nil.
func (c Config) Effective() (Config, error) {
	c.Node = c.Node.withDefaults(defaultNode)
	c.Default.Peer = c.Default.Peer.withDefaults(defaultQuota)
	c.Default.Node = c.Default.Node.withDefaults(Quota{})
	c.MaxConcurrent = cmp.Or(c.MaxConcurrent, DefaultMaxConcurrent)
	c.MaxQueue = cmp.Or(c.MaxQueue, DefaultMaxQueue)
	c.MaxPeers = cmp.Or(c.MaxPeers, DefaultMaxPeers)
	c.Prefix = c.Prefix.withDefaults()
	methods := make(map[string]Method, len(c.Methods))
	maps.Copy(methods, c.Methods)
	c.Methods = methods
	for name, m := range c.Methods {
		m.Peer = m.Peer.withDefaults(c.Default.Peer)
		m.Node = m.Node.withDefaults(Quota{})
		c.Methods[name] = m
	}
	if err := c.validate(); err != nil {
		return c, fmt.Errorf("limits: %w", err)
	}
	return c, nil
}

func (c Config) validate() error {
	for _, bound := range []struct {
		name          string
		val, min, max int
	}{
		{"MaxConcurrent", c.MaxConcurrent, 1, 1 << 10},
		{"MaxQueue", c.MaxQueue, 1, 1 << 16},
		{"MaxPeers", c.MaxPeers, 1, 1 << 20},
		{"Prefix.Peers", max(c.Prefix.Peers, 0), 0, 1 << 10},
		{"Prefix.IPv4Bits", c.Prefix.IPv4Bits, 1, 32},
		{"Prefix.IPv6Bits", c.Prefix.IPv6Bits, 1, 128},
	} {
		if bound.val < bound.min || bound.val > bound.max {
			return field.Errorf(bound.name, "%d is not between %d and %d", bound.val, bound.min, bound.max)
		}
	}
	if err := field.In(c.Node.validate(), "Node"); err != nil {
		return err
	}
	if err := field.In(c.Default.validate(), "Default"); err != nil {
		return err
	}
	for name, m := range c.Methods {
		if name == "" {
			return field.Errorf("Methods", "has one without a name")
		}
		if err := field.In(m.validate(), "Methods", name); err != nil {
			return err
		}
	}
	return nil
}

func (m Method) validate() error {
	return cmp.Or(field.In(m.Peer.validate(), "Peer"), field.In(m.Node.validate(), "Node"))
}

// Method returns what holds for a method of an effective configuration: what Methods says of it, or else Default.
func (c *Config) Method(name string) Method {
	if m, ok := c.Methods[name]; ok {
		return m
	}
	return c.Default
}

// A Quota is a rate in each of the currencies that serving is paid for in. What a rate that is zero means is told where
// the quota is.
type Quota struct {
	// Requests limits how many exchanges are admitted.
	Requests Rate
	// Items limits the response chunks sent.
	Items Rate
	// Bytes limits the bytes written to the stream for them.
	Bytes Rate
}

func (q Quota) withDefaults(fallback Quota) Quota {
	return Quota{
		Requests: q.Requests.withDefaults(fallback.Requests),
		Items:    q.Items.withDefaults(fallback.Items),
		Bytes:    q.Bytes.withDefaults(fallback.Bytes),
	}
}

func (q Quota) validate() error {
	return cmp.Or(
		field.In(q.Requests.validate(), "Requests"),
		field.In(q.Items.validate(), "Items"),
		field.In(q.Bytes.validate(), "Bytes"),
	)
}

const mib = 1 << 20

// defaultNode is the default of [Config].Node: 128 Mbit/s, in which eight peers can sync at full speed, and a little of
// everything that grows with requests.
var defaultNode = Quota{
	Requests: Rate{N: 1000, Per: time.Second, Burst: 2000},
	Items:    Rate{N: 1 << 15, Per: time.Second, Burst: 1 << 16},
	Bytes:    Rate{N: 16 * mib, Per: time.Second, Burst: 64 * mib},
}

// defaultQuota is the default of [Config].Default. Its bytes are 16 Mbit/s, and their burst is more than twice the
// largest chunk there can be.
var defaultQuota = Quota{
	Requests: Rate{N: 10, Per: time.Second, Burst: 20},
	Items:    Rate{N: 128, Per: 10 * time.Second, Burst: 256},
	Bytes:    Rate{N: 2 * mib, Per: time.Second, Burst: 24 * mib},
}

// Warnings returns an error for each rate that is so low that requesters which come back wait at the floor, see
// "Waiting" in the package's documentation, ordered by setting: once a burst is used, it does not refill a request
// within 4 s, or a chunk within 8 s. A chunk is taken to have 64 KiB, and no more than 4 KiB where the method is one of
// small. There are none if the configuration is invalid, see [Config.Effective].
func (c Config) Warnings(small ...string) []error {
	c, err := c.Effective()
	if err != nil {
		return nil
	}
	all := append(c.Node.warnings(firstSize, "Node"), c.Default.warnings(firstSize, Method{}, "Default")...)
	for _, name := range slices.Sorted(maps.Keys(c.Methods)) {
		size := uint64(firstSize)
		if slices.Contains(small, name) {
			size = smallChunk
		}
		all = append(all, c.Methods[name].warnings(size, c.Default, "Methods", name)...)
	}
	return all
}

// warnings leaves out what the method takes from the default.
func (m Method) warnings(size uint64, fallback Method, path ...string) []error {
	m.Peer = m.Peer.without(fallback.Peer)
	return append(m.Peer.warnings(size, append(path, "Peer")...), m.Node.warnings(size, append(path, "Node")...)...)
}

// without returns the quota with no rate that other has as well.
func (q Quota) without(other Quota) Quota {
	for _, r := range []struct{ of, other *Rate }{
		{&q.Requests, &other.Requests}, {&q.Items, &other.Items}, {&q.Bytes, &other.Bytes},
	} {
		if *r.of == *r.other {
			*r.of = Rate{}
		}
	}
	return q
}

// warnings is for chunks of a size.
func (q Quota) warnings(size uint64, path ...string) (all []error) {
	for _, w := range []struct {
		name   string
		rate   Rate
		what   string
		tokens uint64
		within time.Duration
	}{
		{"Requests", q.Requests, "request", 1, firstChunkWithin},
		{"Items", q.Items, "chunk", 1, nextChunkWithin},
		{"Bytes", q.Bytes, "chunk", size, nextChunkWithin},
	} {
		r := w.rate.compile()
		if took := r.span(w.tokens); r.n > 0 && took > w.within {
			err := field.Errorf(w.name, "%v refills a %s in %v: once the burst is used, requesters wait %v for it, "+
				"and are refused when %d bursts are owed",
				w.rate, w.what, took.Round(time.Millisecond), w.within, overdraft)
			all = append(all, field.In(err, slices.Clone(path)...))
		}
	}
	return all
}
