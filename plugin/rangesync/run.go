package rangesync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Source is a peer to sync from.
type Source struct {
	// Client asks the peer.
	Client *beacon.Client
	// Peer is whom to ask.
	Peer peer.ID
	// Status is what the peer told in the handshake. Its head is where the sync
	// ends.
	Status beacon.Status
}

// Run downloads the blocks between the store's head and the peer's, and returns
// when they are stored and the trusted root was found among them. Stored blocks stay
// stored whatever happens: run again to resume. Options may be nil.
//
// The error is that of the peer's last answer, see [beacon.Client], or one of
// this package's, the store's, or the context's. What the peer does not hold it
// does not deliver: if [Result].Last is below the peer's head and there is no error,
// its status promised too much, or its chain was reorganised.
//
// Other goroutines may use the store meanwhile. Several runs may fill it at once,
// but only get in each other's way.
func Run(ctx context.Context, from Source, into *store.Store, opts *Options) (Result, error) {
	network := from.Client.Family().Network()
	o, err := opts.withDefaults(network.MaxRequestBlocks(network.EpochOf(from.Status.HeadSlot)))
	if err != nil {
		return Result{}, err
	}
	r := &run{Source: from, network: network, store: into, opts: o}
	err = r.sync(ctx)
	r.result.Last, r.result.Head, _ = into.Head()
	r.result.Earliest = into.Info().Earliest
	return r.result, err
}

type run struct {
	Source
	network *ssz.Network
	store   *store.Store
	opts    Options

	earliest ssz.Slot // the slot from which on an empty store will be complete
	trying   bool     // whether the peer has blocks before the earliest slot that it tells
	last     ssz.Slot // the last slot dealt with
	empty    int      // how many answers in a row had no block
	retries  retries
	rewinds  int // how often blocks were given up
	result   Result
}

func (r *run) sync(ctx context.Context) error {
	if err := r.checkClock(time.Now()); err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.download(ctx); err != nil {
		return err
	}
	if err := r.confirm(ctx); err != nil {
		return err
	}
	return r.store.SetSource(ctx, r.Status)
}

// clockTolerance is how far the clocks of two hosts may be apart.
const clockTolerance = time.Minute

// checkClock refuses a status of the future: made-up blocks of its slots would
// stay above all real ones.
func (r *run) checkClock(now time.Time) error {
	if now.Before(r.network.GenesisTime()) {
		return nil // There are blocks, so it is the clock that is wrong.
	}
	latest := r.network.SlotAt(now.Add(clockTolerance))
	if r.Status.HeadSlot > latest {
		return fmt.Errorf("%w: head at slot %d, it is slot %d", ErrFuture, r.Status.HeadSlot, latest)
	}
	if r.network.StartSlot(r.Status.FinalizedEpoch) > latest {
		return fmt.Errorf("%w: finalized epoch %d, it is slot %d", ErrFuture, r.Status.FinalizedEpoch, latest)
	}
	return nil
}

// maxEmpty is how many answers in a row may have no block. With the default batch
// this is nine days of mainnet.
const maxEmpty = 1024

func (r *run) download(ctx context.Context) error {
	for r.last < r.Status.HeadSlot {
		if r.empty == maxEmpty {
			return fmt.Errorf("%w: none up to slot %d, with the head at slot %d", ErrGap, r.last, r.Status.HeadSlot)
		}
		err := r.batch(ctx)
		if link, ok := errors.AsType[*store.LinkError](err); ok {
			// Of its errors only this one has not been retried already.
			if err = r.rewind(ctx, link); err != nil && !errors.Is(err, ErrGap) {
				return err
			}
		}
		if err == nil {
			continue
		}
		if err := r.retry(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// batch asks for the next slots and stores what comes, also if less comes than
// was asked for.
func (r *run) batch(ctx context.Context) error {
	count := min(r.opts.Batch, uint64(r.Status.HeadSlot-r.last))
	end := r.last + ssz.Slot(count)
	w := writer{run: r}
	var failed error
	for block, err := range r.Client.BlocksByRange(ctx, r.Peer, r.last+1, count) {
		if err == nil && r.trying {
			r.tried(block.Slot)
		}
		if err == nil {
			err = w.add(ctx, block)
		}
		if err != nil {
			failed = err
			break
		}
	}
	// What came before a failure is as good as ever, unless it was storing that failed.
	if err := w.flush(ctx); err != nil && (failed == nil || isTransient(failed) || beacon.IsRateLimited(failed)) {
		failed = err
	}
	if failed == nil && w.blocks == 0 {
		r.skip(end)
	}
	r.report()
	return failed
}

// tried takes note of the first block, which a peer may have sent of more slots than it has.
func (r *run) tried(first ssz.Slot) {
	if r.trying = false; first >= r.Status.EarliestAvailableSlot {
		r.earliest = r.Status.EarliestAvailableSlot
	}
}

// skip takes note of an empty answer. It is one to the whole range; after blocks the
// peer may have cut its answer short, so the rest is asked for again.
func (r *run) skip(end ssz.Slot) {
	r.last = end
	r.empty++
	r.retries.gave()
	if _, _, ok := r.store.Head(); !ok {
		// No block will show whether it was true.
		r.earliest = end + 1
	}
}

func (r *run) report() {
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{
			Slot:   r.last,
			Target: r.Status.HeadSlot,
			Blocks: r.result.Blocks,
			Bytes:  r.result.Bytes,
		})
	}
}
