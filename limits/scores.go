package limits

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Weights of peers are between MinWeight and MaxWeight; what is outside counts
// as the nearest of them.
const (
	MinWeight = 1.0 / 16
	MaxWeight = 4.0
)

// Scores weighs peers. It is what a limiter wants of their scoring; package
// score has one. It is safe for concurrent use, and calls no limiter.
type Scores interface {
	// Weight returns how much of a shared capacity a peer gets in relation to
	// others, once it is no longer new. Strangers have weight one. A weight below one lowers the peer's own
	// quotas as well; none raises them over what was set. It is looked up as a
	// peer's exchanges begin or wait, once a second at most.
	Weight(peer.ID) float64
	// Overran tells that a peer had an exchange refused with ErrQueueFull, or for lack
	// of room while the peer has far more exchanges with the
	// method than may run, see Limiter.Refused and ErrOverdrawn. It is the only thing that a peer can
	// be blamed for here: being throttled is no fault.
	Overran(from peer.ID, method string)
}

// refreshInterval is for how long a peer's weight and address are remembered.
const refreshInterval = time.Second

func clampWeight(w float64) float64 {
	if w >= MinWeight { // not true of NaN
		return min(w, MaxWeight)
	}
	return MinWeight
}

// priceOf returns what a peer of a weight pays.
func priceOf(weight float64) price {
	if weight >= 1 {
		return parPrice
	}
	return price(float64(parPrice) / weight)
}
