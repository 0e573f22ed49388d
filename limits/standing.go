package limits

import "time"

const (
	// newFor is how much useful time leaves a peer new, and stays is how much gives it its full weight, which
	// grows from one to the other.
	newFor = 5 * time.Second
	stays  = 15 * time.Second
	// usefulStep is the most that counts between two chunks.
	usefulStep = 2 * time.Second
	// waitingStep is the same for a chunk that waited its turn, and waitingPart what counts of it: who comes in
	// numbers has all wait, and must not earn weight by that.
	waitingStep = nextChunkWithin + usefulStep
	waitingPart = 60
	// newShare is the part of one peer that all new peers have together which wait at a time, however many
	// they are: identities cost nothing.
	newShare = 1.0 / 4
	// standingKept is for how long a peer that is not new is remembered, while there is room.
	standingKept = 10 * time.Minute
)

// A standing is for how long a peer was useful: it read answers, one chunk after the other. The zero
// standing is a new peer's.
type standing struct {
	useful time.Duration
	since  time.Duration // when the last chunk was read, or the first exchange began; zero if none did
}

// begin notes that an exchange begins.
func (s *standing) begin(now time.Duration) {
	if s.since == 0 {
		s.since = now
	}
}

// read notes that a chunk was read, which may have waited its turn.
func (s *standing) read(now time.Duration, waited bool) {
	useful := min(now-s.since, usefulStep)
	if waited {
		useful = min(now-s.since, waitingStep) / waitingPart
	}
	s.useful, s.since = s.useful+useful, now
}

// isNew reports whether the peer has less than its full weight.
func (s *standing) isNew() bool { return s.useful < stays }

// factor is the part of its weight that the peer has while some new peers wait, it among them if it is new.
func (s *standing) factor(newPeers int) float64 {
	if !s.isNew() {
		return 1
	}
	return max(float64(s.useful-newFor)/float64(stays-newFor), newShare/float64(max(newPeers, 1)))
}

// kept reports whether the peer is worth remembering.
func (s *standing) kept(now time.Duration) bool {
	return s.useful > newFor && now-s.since < standingKept
}
