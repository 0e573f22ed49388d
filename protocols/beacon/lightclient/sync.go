package lightclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	// maxRequestUpdates is MAX_REQUEST_LIGHT_CLIENT_UPDATES.
	maxRequestUpdates = 128
	// maxAnswers is how many peers are asked for a latest update as long as none has a newer one.
	maxAnswers = 3
)

var (
	errNoPeers   = errors.New("there are no peers")
	errNotEnough = errors.New("too few have signed what it has")
)

// A backendError is an error that no other peer can help with.
type backendError struct{ error }

// ask asks one peer after the other, each by a call of f, until f reports that nothing more is needed. Errors of f are
// those of the peer. The error is ErrNotServed with the last of them, that of ctx, or a backend's.
func (c *Client) ask(ctx context.Context, what string, f func(id peer.ID) (done bool, err error)) error {
	peers := c.peers()
	c.turn++
	last := errNoPeers
	for i := range peers {
		id := peers[(c.turn+i)%len(peers)]
		done, err := f(id)
		if fatal, ok := errors.AsType[backendError](err); ok {
			return fatal.error
		}
		if done {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if last = err; err == nil {
			last = fmt.Errorf("peer %v: %w", id, errNotEnough)
		}
	}
	return fmt.Errorf("%w: %s: asked %d peers: %w", ErrNotServed, what, len(peers), last)
}

// begin makes the store, of what Objects has or of a peer's bootstrap.
func (c *Client) begin(ctx context.Context) error {
	if c.restore() {
		return nil
	}
	return c.ask(ctx, "bootstrap of "+c.trusted.String(), func(id peer.ID) (bool, error) {
		answer, err := c.caller.LightClientBootstrap(ctx, id, c.trusted)
		if err != nil {
			return false, err
		}
		b, err := c.bootstrap(answer.Chunk)
		if err != nil {
			return false, c.blame(id, err)
		}
		if c.opts.Objects == nil {
			return true, nil
		}
		return true, orBackend(c.opts.Objects.PutBootstrap(ctx, b))
	})
}

func (c *Client) bootstrap(chunk beacon.Chunk) (*Bootstrap, error) {
	b, err := DecodeBootstrap(c.network, chunk)
	if err != nil {
		return nil, err
	}
	if c.store, err = NewStore(c.network, c.trusted, b); err != nil {
		return nil, err
	}
	c.publish()
	return b, nil
}

// restore makes the store of what Objects has, which is verified again. It reports false if the bootstrap is not there.
func (c *Client) restore() bool {
	o := c.opts.Objects
	if o == nil {
		return false
	}
	chunk, ok := o.chunk(Key{Kind: beacon.KindLightClientBootstrap, Root: c.trusted})
	if !ok {
		return false
	}
	if _, err := c.bootstrap(chunk); err != nil {
		return false
	}
	for k := (Key{Kind: beacon.KindLightClientUpdate, Period: c.store.Period()}); ; k.Period++ {
		if chunk, ok = o.chunk(k); !ok || c.verify(k.Kind, chunk) != nil {
			break
		}
	}
	for _, kind := range []beacon.Kind{beacon.KindLightClientFinalityUpdate, beacon.KindLightClientOptimisticUpdate} {
		if chunk, ok := o.chunk(Key{Kind: kind}); ok {
			_ = c.verify(kind, chunk) // peers have a better one then
		}
	}
	return true
}

// verify has the store process what Objects had.
func (c *Client) verify(kind beacon.Kind, chunk beacon.Chunk) error {
	u, err := DecodeUpdate(c.network, kind, chunk)
	if err != nil {
		return err
	}
	defer c.publish()
	return c.store.Process(u, c.slot())
}

// followCommittees asks for the updates of the periods whose sync committees are missing.
func (c *Client) followCommittees(ctx context.Context) error {
	for {
		start, count := c.missing()
		if count == 0 {
			return nil
		}
		period, known := c.store.Period(), c.store.KnowsNextCommittee()
		what := fmt.Sprintf("update of period %d", start)
		err := c.ask(ctx, what, func(id peer.ID) (bool, error) {
			err := c.updates(ctx, id, start, min(count, maxRequestUpdates))
			return c.store.Period() != period || c.store.KnowsNextCommittee() != known, err
		})
		current := periodOf(c.network, c.slot())
		if errors.Is(err, ErrNotServed) && start == current {
			return nil // it may come later in the period
		}
		if err != nil {
			return err
		}
	}
}

// missing returns the periods whose updates are needed, which are none beyond the current one: servers fail a request
// for those.
func (c *Client) missing() (start, count uint64) {
	slot := c.slot()
	current, start := periodOf(c.network, slot), c.store.Period()
	switch {
	case c.store.KnowsNextCommittee():
		start++ // the current period's update is not needed to verify what it signs
	case start == current && c.next.isDue(c.network, slot):
		return start, 1
	}
	return start, max(current, start) - start
}

// A nextCommittee says when the next sync committee of the current period is asked for: in a random slot, so that not
// all light clients ask at once, and from then on once an epoch.
type nextCommittee struct {
	period uint64 // that due is in; 0 at first
	due    ssz.Slot
}

func (d *nextCommittee) isDue(n *ssz.Network, slot ssz.Slot) bool {
	perEpoch := ssz.Slot(n.Preset().SlotsPerEpoch())
	period, slots := periodOf(n, slot), perEpoch*ssz.Slot(n.Preset().EpochsPerSyncCommitteePeriod())
	if d.due == 0 || d.period != period {
		d.period, d.due = period, slot+1+rand.N(max(1, slots-slot%slots-1))
	}
	if slot < d.due {
		return false
	}
	d.due = slot + perEpoch
	return true
}

// updates asks a peer for the updates of some periods, and has the store process them.
func (c *Client) updates(ctx context.Context, id peer.ID, start, count uint64) error {
	for answer, err := range c.caller.LightClientUpdatesByRange(ctx, id, start, count) {
		if err != nil {
			return err
		}
		if err := c.process(ctx, id, beacon.KindLightClientUpdate, answer.Chunk); err != nil {
			return err
		}
	}
	return nil
}

// latest asks for a latest update, until a peer has one that is newer.
func (c *Client) latest(
	ctx context.Context, kind beacon.Kind, call func(context.Context, peer.ID) (*beacon.LightClientUpdate, error),
) error {
	answers := 0
	err := c.ask(ctx, kind.String(), func(id peer.ID) (bool, error) {
		answer, err := call(ctx, id)
		if err != nil {
			return false, err
		}
		before := c.View()
		if err := c.process(ctx, id, kind, answer.Chunk); err != nil && !errors.Is(err, ErrIrrelevant) {
			return false, err
		}
		answers++
		return answers == maxAnswers || c.View() != before, nil
	})
	if errors.Is(err, ErrNotServed) && answers > 0 {
		return nil // nobody has a newer one
	}
	return err
}

// process has the store process an update of a peer, and keeps it.
func (c *Client) process(ctx context.Context, id peer.ID, kind beacon.Kind, chunk beacon.Chunk) error {
	u, err := DecodeUpdate(c.network, kind, chunk)
	if err == nil {
		err = c.store.Process(u, c.slot())
	}
	if err != nil {
		return c.blame(id, err)
	}
	c.publish()
	if c.opts.Objects == nil {
		return nil
	}
	return orBackend(c.opts.Objects.PutUpdate(ctx, u))
}

func orBackend(err error) error {
	if err == nil {
		return nil
	}
	return backendError{err}
}

// blame reports a peer whose object breaks a rule, and returns the error with the peer's ID.
func (c *Client) blame(id peer.ID, err error) error {
	if errors.Is(err, reqresp.ErrViolation) && c.opts.Invalid != nil {
		c.opts.Invalid(id, err)
	}
	return fmt.Errorf("peer %v: %w", id, err)
}

// publish makes what the store has the view.
func (c *Client) publish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view = View{Finalized: c.store.Finalized(), Checkpoint: c.store.Checkpoint(), Head: c.store.Optimistic()}
	c.checkpoints.add(c.network, c.view)
}
