package discovery

import (
	"context"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

// batch is how many candidates are looked for when some are wanted.
const batch = 16

// find offers candidates while they are wanted. go-ethereum paces the lookups, one a second at most.
func (d *Discovery) find(ctx context.Context) {
	nodes := d.udp.RandomNodes()
	defer nodes.Close()
	// Next waits as long as there is nobody to ask.
	stop := context.AfterFunc(ctx, nodes.Close)
	defer stop()
	for d.sink.WaitWanted(ctx) == nil {
		if !d.offer(nodes) {
			return
		}
	}
}

// offer offers a batch of candidates. It reports false when discovery ends.
func (d *Discovery) offer(nodes enode.Iterator) bool {
	for range batch {
		if !nodes.Next() {
			return false
		}
		// Most nodes are of other networks: they count, as what is wanted may change meanwhile.
		node := nodes.Node()
		info, err := Candidate(node, d.local.Family().Network(), d.local.CurrentEpoch())
		if err != nil {
			d.log.Debug("node is no candidate", "node", node.ID(), "err", err)
			continue
		}
		d.sink.Offer(info)
	}
	return true
}
