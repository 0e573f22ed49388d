package lightclient

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A ContradictionError is returned for a peer that takes another block for final than the one that a sync committee has
// signed the finality of: the peer follows another chain, or lies.
type ContradictionError struct {
	Peer   peer.ID
	Theirs Checkpoint // what the peer's status says
	Ours   ssz.Root   // the root that is final in the same epoch
}

// Error returns what the peer and the sync committee say.
func (e *ContradictionError) Error() string {
	return fmt.Sprintf("lightclient: peer %v says that %v is finalized in epoch %d, the sync committee says %v",
		e.Peer, e.Theirs.Root, e.Theirs.Epoch, e.Ours)
}

// CheckStatus compares a peer's finalized checkpoint with what is known to be final. The error is a
// [*ContradictionError] if another block is final in the peer's finalized epoch. It is nil if nothing is known of that
// epoch: the client remembers the last 256 checkpoints that it has seen, which is one of a sync committee period until
// it is in step, and one of each epoch then.
func (c *Client) CheckStatus(id peer.ID, s beacon.Status) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	root, ok := c.checkpoints.find(s.FinalizedEpoch)
	if !ok || root == s.FinalizedRoot {
		return nil
	}
	return &ContradictionError{Peer: id, Theirs: Checkpoint{s.FinalizedEpoch, s.FinalizedRoot}, Ours: root}
}

// maxCheckpoints is how many checkpoints are remembered.
const maxCheckpoints = 256

// checkpoints are those known to be final, by ascending epoch.
type checkpoints []Checkpoint

func (c checkpoints) index(e ssz.Epoch) (int, bool) {
	return slices.BinarySearchFunc(c, e, func(p Checkpoint, e ssz.Epoch) int { return cmp.Compare(p.Epoch, e) })
}

func (c checkpoints) find(e ssz.Epoch) (root ssz.Root, ok bool) {
	i, ok := c.index(e)
	if ok {
		root = c[i].Root
	}
	return root, ok
}

// add adds what a view says: its checkpoint, and that of the epoch which the finalized block begins.
func (c *checkpoints) add(n *ssz.Network, v View) {
	if v.Checkpoint != (Checkpoint{}) {
		c.insert(v.Checkpoint)
	}
	if epoch := n.EpochOf(v.Finalized.Slot); epoch > 0 && n.StartSlot(epoch) == v.Finalized.Slot {
		c.insert(Checkpoint{epoch, v.Finalized.Root})
	}
}

func (c *checkpoints) insert(p Checkpoint) {
	i, ok := c.index(p.Epoch)
	if ok {
		return
	}
	*c = slices.Insert(*c, i, p)
	if len(*c) > maxCheckpoints {
		*c = slices.Delete(*c, 0, 1)
	}
}
