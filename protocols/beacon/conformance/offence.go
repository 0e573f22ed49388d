package conformance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
)

// watchTime is for how long an identity is watched after it has tried a hostile rule. Lodestar bans at its next
// heartbeat, and those are 30 s apart.
const watchTime = 40 * time.Second

// mostWatched are how many identities are watched at a time before a result is waited for.
const mostWatched = int(watchTime/(5*time.Second)) + 1

// offend tries a hostile rule by an identity of its own. The result comes when it is known whether the
// peer has banned that.
func (s *session) offend(
	ctx context.Context, r *Rule, identity func() (host.Host, error), watches *sync.WaitGroup,
) <-chan Result {
	skip := func(err error) <-chan Result { return at(Result{Rule: r, Outcome: Skip, Saw: err.Error()}) }
	if !s.offers(s.row(r.Method, r.Version).ID()) {
		return skip(skipped("not offered"))
	}
	if err := s.pace.wait(ctx, dialing, 1); err != nil {
		return skip(err)
	}
	h, err := identity()
	if err != nil {
		return skip(fmt.Errorf("no identity: %w", err))
	}
	other := s.as(h)
	if _, err := other.greet(ctx); err != nil {
		_ = h.Close()
		return skip(fmt.Errorf("a new identity is refused, the peer may have banned the address: %w", err))
	}
	result := other.try(ctx, r)
	result.Identity = h.ID()
	done := make(chan Result, 1)
	watches.Go(func() {
		defer func() { _ = h.Close() }()
		result.Banned = other.watch(ctx)
		done <- result
	})
	return done
}

// watch tells how the peer bans the session's identity, if it does so in time.
func (s *session) watch(ctx context.Context) string {
	begin := time.Now()
	if hungUp, err := s.hungUp(ctx, watchTime); err != nil || !hungUp {
		return ""
	}
	after := time.Since(begin).Round(time.Millisecond)
	_, err := s.greet(ctx)
	if err == nil || ctx.Err() != nil {
		return "" // whom it has banned it does not talk to
	}
	return fmt.Sprintf("hung up after %v, then %v", after, err)
}

// hungUp waits until the peer hangs up, but no longer than a time. It fails with the context's error.
func (s *session) hungUp(ctx context.Context, most time.Duration) (bool, error) {
	ended := time.NewTimer(most)
	defer ended.Stop()
	tick := time.NewTicker(most / 100)
	defer tick.Stop()
	for s.host.Network().Connectedness(s.to) == network.Connected {
		select {
		case <-tick.C:
		case <-ended.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return true, nil
}
