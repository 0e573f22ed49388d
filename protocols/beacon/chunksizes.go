package beacon

import (
	"math"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const (
	// assumedSize is how many bytes a chunk is taken to have as long as none has come, unless its type has
	// fewer. Blocks of mainnet have about half of it.
	assumedSize = 128 << 10
	// sizeWeight is the weight of one chunk in the mean.
	sizeWeight = 1.0 / 8
	// maxSizes bounds how many means are kept.
	maxSizes = 1024
	// shareOfUnread is the part of what may be held unread that an answer is expected to take: chunks
	// differ in size, and two calls at a time share what is held for a peer.
	shareOfUnread = 4
)

type sizeKey struct {
	peer   peer.ID
	method string
}

// chunkSizes has the running mean of the chunks that a peer has sent by a method, in bytes on the wire. The
// zero value is ready.
type chunkSizes struct {
	mu    sync.Mutex
	means map[sizeKey]float64
}

// note adds a chunk.
func (c *chunkSizes) note(from peer.ID, spec *reqresp.Spec, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := sizeKey{from, spec.Name}
	mean, ok := c.means[key]
	switch {
	case ok:
		c.means[key] = mean + sizeWeight*(float64(size)-mean)
		return
	case c.means == nil:
		c.means = make(map[sizeKey]float64)
	case len(c.means) >= maxSizes:
		for any := range c.means {
			delete(c.means, any)
			break
		}
	}
	c.means[key] = float64(size)
}

// fitting returns how many chunks to ask for where so many bytes are held unread, or all if that is 0.
func (c *chunkSizes) fitting(unread int, from peer.ID, spec *reqresp.Spec) int {
	if unread == 0 {
		return math.MaxInt
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	mean, ok := c.means[sizeKey{from, spec.Name}]
	if !ok {
		mean = float64(min(assumedSize, spec.Limits.MaxResponse))
	}
	return int(max(1, float64(unread/shareOfUnread)/max(1, mean)))
}
