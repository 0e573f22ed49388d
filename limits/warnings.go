package limits

import (
	"maps"
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits/internal/field"
)

// Warnings returns an error for each rate that is so low that requesters which come back wait
// at the floor, see "Waiting" in the package's documentation, ordered by setting: once a burst
// is used, it does not refill a request within 4 s, or a chunk within 8 s. A chunk is taken to
// have 64 KiB, and no more than 4 KiB where the method is one of small.
// There are none if the configuration is invalid, see [Config.Effective].
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
			err := field.Errorf(w.name, "%v refills a %s in %v: once the burst is used, requesters wait %v for it, and are refused when %d bursts are owed",
				w.rate, w.what, took.Round(time.Millisecond), w.within, overdraft)
			all = append(all, field.In(err, slices.Clone(path)...))
		}
	}
	return all
}
