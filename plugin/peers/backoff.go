package peers

import (
	"math/rand/v2"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// Backoff returns for how long a peer is not dialed after a goodbye with a reason, whoever
// said it. The values are in the range of those of deployed clients. Static peers are dialed again
// within five minutes.
func Backoff(reason beacon.GoodbyeReason) time.Duration {
	switch reason {
	case beacon.GoodbyeClientShutdown:
		return 5 * time.Minute // A restart takes less, but may not be what happens.
	case beacon.GoodbyeIrrelevantNetwork:
		return 4 * time.Hour
	case beacon.GoodbyeFault:
		return 2 * time.Minute
	case beacon.GoodbyeUnableToVerifyNetwork, beacon.GoodbyeTooManyPeers:
		return 5 * time.Minute
	case beacon.GoodbyeBadScore:
		return time.Hour
	case beacon.GoodbyeBanned:
		return 4 * time.Hour
	default:
		return 10 * time.Minute
	}
}

// forkBackoff is what an irrelevant peer gets close to a fork: it may just be late.
const forkBackoff = 2 * time.Minute

// A schedule is by how much longer a peer is not dialed with each time that it could not be
// reached.
type schedule struct{ first, most time.Duration }

var (
	staticSchedule = schedule{10 * time.Second, 5 * time.Minute}
	knownSchedule  = schedule{time.Minute, 4 * time.Hour}
)

// after returns the pause after so many failures, of which there was at least one, with a jitter that keeps peers
// which failed together from being dialed together.
func (s schedule) after(fails int) time.Duration {
	d := min(s.first<<min(fails-1, 16), s.most)
	return jitter(d*4/5, d)
}

// jitter returns a duration between two others.
func jitter(least, most time.Duration) time.Duration {
	return least + rand.N(most-least+1)
}
