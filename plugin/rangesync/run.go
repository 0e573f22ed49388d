package rangesync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Source is a peer to sync from.
type Source struct {
	// Client asks the peer.
	Client *beacon.Client
	// Pacer is the client's, and says how many slots to ask this peer for at once, and
	// when. With nil it is Options.Batch of them, whatever the peer refuses.
	Pacer *outbound.Pacer
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
	watched, stop := r.watch(ctx)
	defer stop()
	err = r.sync(watched)
	if slow, ok := errors.AsType[*SlowError](context.Cause(watched)); ok && err != nil {
		err = slow
	}
	r.result.Last, r.result.Head, _ = into.Head()
	r.result.Earliest = into.Info().Earliest
	return r.result, err
}

type run struct {
	Source
	network *ssz.Network
	store   *store.Store
	opts    Options

	last    ssz.Slot // the last slot dealt with
	empty   emptyAnswers
	retries retries
	rewinds int // how often blocks were given up
	result  Result

	rate rate
}

func (r *run) sync(ctx context.Context) error {
	if err := r.checkClock(r.opts.Now()); err != nil {
		return err
	}
	// If the peer is wrong, they are discarded again.
	r.store.SetFinal(r.network.StartSlot(r.Status.FinalizedEpoch))
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

func (r *run) download(ctx context.Context) error {
	for r.last < r.Status.HeadSlot {
		if r.empty.tooMany(time.Now()) {
			return fmt.Errorf("%w: none up to slot %d, with the head at slot %d", ErrGap, r.last, r.Status.HeadSlot)
		}
		err := r.batch(ctx)
		if space, ok := errors.AsType[*store.SpaceError](err); ok {
			if err := r.waitForSpace(ctx, space); err != nil {
				return err
			}
			continue
		}
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
	count := r.count(uint64(r.Status.HeadSlot - r.last))
	end := r.last + ssz.Slot(count)
	w := writer{run: r}
	var failed error
	for block, err := range r.Client.BlocksByRange(ctx, r.Peer, r.last+1, count) {
		if err == nil {
			err = w.add(ctx, block)
		}
		if err != nil {
			failed = err
			break
		}
	}
	// What came before a failure, or before ctx has ended, is as good as ever, unless it was storing that failed.
	if err := w.flush(ctx); err != nil && (failed == nil || isTransient(failed) || beacon.IsRateLimited(failed)) {
		failed = err
	}
	if failed == nil && w.blocks == 0 {
		r.skip(end)
	}
	r.report()
	return failed
}

// byRange is the method that a sync asks by.
const byRange = "beacon_blocks_by_range"

// count returns how many of some slots to ask for at once.
func (r *run) count(slots uint64) uint64 {
	count := min(r.opts.Batch, slots)
	if r.Pacer != nil {
		count = uint64(r.Pacer.Batch(r.Peer, byRange, int(count)))
	}
	return count
}

// skip takes note of an empty answer. It is one to the whole range; after blocks the
// peer may have cut its answer short, so the rest is asked for again.
func (r *run) skip(end ssz.Slot) {
	r.rate.slots.Add(uint64(end - r.last))
	r.last = end
	r.empty.add(time.Now())
	r.retries.gave()
}

func (r *run) report() {
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{
			Slot:   r.last,
			Target: r.Status.HeadSlot,
			Blocks: r.result.Blocks,
			Bytes:  r.result.Bytes,

			Sidecars: r.result.Sidecars,
		})
	}
}

// maxPending bounds the SSZ bytes of blocks that wait to be stored. Storing syncs
// the disk, so it is done for many at once.
const maxPending = 16 << 20

// writer stores the blocks of one answer, several at a time.
type writer struct {
	run     *run
	pending []*beacon.Block
	size    int
	blocks  int
	failed  bool
}

func (w *writer) add(ctx context.Context, b *beacon.Block) error {
	if slot, ok := w.previous(b); ok {
		w.run.rate.slots.Add(uint64(b.Slot - slot))
	}
	w.pending = append(w.pending, b)
	w.size += len(b.SSZ)
	w.blocks++
	if w.size < maxPending {
		return nil
	}
	return w.flush(ctx)
}

// previous returns the slot of the block before b, and whether b links to it. It is the last slot dealt with if the
// store is empty.
func (w *writer) previous(b *beacon.Block) (ssz.Slot, bool) {
	if n := len(w.pending); n > 0 {
		return w.pending[n-1].Slot, b.ParentRoot == w.pending[n-1].Root
	}
	slot, root, ok := w.run.store.Head()
	if !ok {
		return w.run.last, true
	}
	return slot, b.ParentRoot == root && b.Slot > slot
}

// flush stores what is pending, with its sidecars. After a failure it does nothing more. When ctx has ended it stores the
// blocks before the first whose sidecars are not at hand: it would not be asked for them again.
func (w *writer) flush(ctx context.Context) error {
	if len(w.pending) == 0 || w.failed {
		return nil
	}
	err := w.store(ctx)
	w.failed = err != nil
	w.pending, w.size = w.pending[:0], 0
	return err
}

func (w *writer) store(ctx context.Context) error {
	r := w.run
	if !w.linked() {
		// Another run may have stored them. If not, they are none to get sidecars for.
		return r.append(context.WithoutCancel(ctx), withoutSidecars(w.pending), 0)
	}
	for rest := w.pending; len(rest) > 0; {
		g := r.nextGroup(rest)
		rest = rest[len(g.blocks):]
		of, lacking, err := r.fetchSidecars(ctx, g)
		if len(of) > 0 {
			err = errors.Join(r.append(context.WithoutCancel(ctx), of, lacking), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func withoutSidecars(blocks []*beacon.Block) []beacon.Sidecars {
	of := make([]beacon.Sidecars, len(blocks))
	for i, b := range blocks {
		of[i].Block = b
	}
	return of
}

// linked reports whether the pending blocks are a chain that goes on from the store's head.
func (w *writer) linked() bool {
	slot, root, ok := w.run.store.Head()
	for _, b := range w.pending {
		if ok && (b.ParentRoot != root || b.Slot <= slot) {
			return false
		}
		slot, root, ok = b.Slot, b.Root, true
	}
	return true
}

// append stores blocks with what belongs to them. Some are lacking sidecars.
func (r *run) append(ctx context.Context, of []beacon.Sidecars, lacking int) error {
	blocks := make([]*beacon.Block, len(of))
	var sidecars, size int
	for i, s := range of {
		blocks[i] = s.Block
		size += len(s.Block.SSZ)
		if sidecars += len(s.Blobs) + len(s.Columns); s.Envelope != nil {
			sidecars++
		}
	}
	var err error
	if sidecars == 0 {
		err = r.store.Append(ctx, blocks...) // which needs no network
	} else {
		err = r.store.AppendSidecars(ctx, of...)
	}
	if err != nil {
		return err
	}
	r.last = blocks[len(blocks)-1].Slot
	r.empty = emptyAnswers{}
	r.retries.gave()
	r.result.Blocks += uint64(len(blocks))
	r.result.Bytes += uint64(size)
	r.result.Sidecars += uint64(sidecars)
	r.result.Lacking += uint64(lacking)
	return nil
}
