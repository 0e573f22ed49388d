package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// Where things lie in a status.
const (
	finalizedRootAt  = 4
	finalizedEpochAt = 4 + 32
)

func tryOtherDigest(ctx context.Context, s *session, r *Rule) (string, error) {
	status := s.ownStatus(r.Version)
	status[0] ^= 0xff
	return s.parting(ctx, r, status)
}

func tryOtherFinalized(ctx context.Context, s *session, r *Rule) (string, error) {
	if s.theirs.FinalizedEpoch == 0 {
		return "", skipped("nothing is final")
	}
	status := s.ownStatus(r.Version)
	copy(status[finalizedRootAt:], nowhere[:])
	binary.LittleEndian.PutUint64(status[finalizedEpochAt:], uint64(s.theirs.FinalizedEpoch))
	return s.parting(ctx, r, status)
}

// partingTime is how long a disconnect is waited for.
const partingTime = 15 * time.Second

// parting tells a status that has the peer hang up, and waits for that.
func (s *session) parting(ctx context.Context, r *Rule, status []byte) (string, error) {
	if _, err := s.paced(ctx, r, payload(status)); err != nil {
		return "", err
	}
	begin := time.Now()
	hungUp, err := s.hungUp(ctx, partingTime)
	switch {
	case err != nil:
		return "", err
	case !hungUp:
		return "", broken("still connected after %v", partingTime)
	}
	return fmt.Sprintf("a disconnect after %v", time.Since(begin).Round(time.Millisecond)), nil
}
