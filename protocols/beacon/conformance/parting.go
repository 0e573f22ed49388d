package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Where things lie in a status.
const (
	finalizedRootAt  = 4
	finalizedEpochAt = 4 + 32
)

func tryOtherDigest(ctx context.Context, s *session, r *Rule) (string, error) {
	status := s.status(r.Version)
	status[0] ^= 0xff
	return s.parting(ctx, r, status)
}

func tryOtherFinalized(ctx context.Context, s *session, r *Rule) (string, error) {
	if s.theirs.FinalizedEpoch == 0 {
		return "", skipped("nothing is final")
	}
	status := s.status(r.Version)
	copy(status[finalizedRootAt:], nowhere[:])
	binary.LittleEndian.PutUint64(status[finalizedEpochAt:], uint64(s.theirs.FinalizedEpoch))
	return s.parting(ctx, r, status)
}

// partingTime is how long a disconnect is waited for.
const partingTime = 15 * time.Second

// parting tells a status that has the peer hang up, waits for that, and connects again.
func (s *session) parting(ctx context.Context, r *Rule, status []byte) (string, error) {
	if err := s.pace.wait(ctx, r.Method, 1); err != nil {
		return "", err
	}
	if _, err := s.raw(ctx, r, payload(status)); err != nil {
		return "", err
	}
	begin := time.Now()
	tick := time.NewTicker(partingTime / 100)
	defer tick.Stop()
	for s.host.Network().Connectedness(s.to) == network.Connected {
		if time.Since(begin) > partingTime {
			return "", broken("still connected after %v", partingTime)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	saw := fmt.Sprintf("a disconnect after %v", time.Since(begin).Round(time.Millisecond))
	if err := s.host.Connect(ctx, peer.AddrInfo{ID: s.to}); err != nil {
		return saw + fmt.Sprintf("; no connection any more: %v", err), nil
	}
	return saw, nil
}
