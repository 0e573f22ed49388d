package rangesync

import "time"

// How many answers in a row may have no block: with the default batch maxEmpty are nine days of mainnet, and
// manyEmpty three hours. These come from a peer that leaves blocks out, and as one
// that is asked slowly could go on for hours, patience bounds the time.
const (
	maxEmpty  = 1024
	manyEmpty = 16
)

// emptyAnswers counts the answers in a row that had no block.
type emptyAnswers struct {
	n     int
	since time.Time
}

func (e *emptyAnswers) add(now time.Time) {
	if e.n == 0 {
		e.since = now
	}
	e.n++
}

// tooMany tells whether the peer is to be given up.
func (e *emptyAnswers) tooMany(now time.Time) bool {
	return e.n >= maxEmpty || e.n >= manyEmpty && now.Sub(e.since) >= patience
}
