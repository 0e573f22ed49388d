package reqresp

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/peer"
)

var protectorSeq atomic.Uint64

// A protector keeps the connection manager from pruning the connections of peers
// with pending exchanges. It counts, as the connection manager does not.
type protector struct {
	conns connmgr.ConnManager
	tag   string

	mu      sync.Mutex
	pending map[peer.ID]int
}

func newProtector(conns connmgr.ConnManager) *protector {
	return &protector{
		conns:   conns,
		tag:     "reqresp/" + strconv.FormatUint(protectorSeq.Add(1), 10),
		pending: make(map[peer.ID]int),
	}
}

// The connection manager is called under the lock so that its state follows the
// count's order; it only sets a flag in memory.
func (p *protector) begin(id peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[id]++
	if p.pending[id] == 1 {
		p.conns.Protect(id, p.tag)
	}
}

func (p *protector) end(id peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending[id]--
	if p.pending[id] == 0 {
		delete(p.pending, id)
		p.conns.Unprotect(id, p.tag)
	}
}

// counts returns how many exchanges are pending with each peer.
func (p *protector) counts() map[peer.ID]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.pending)
}
