package peers

import (
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

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
