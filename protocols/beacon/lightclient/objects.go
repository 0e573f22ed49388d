package lightclient

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// How many objects are kept: the updates of a year on mainnet, of which 129 periods have to be served, and bootstraps
// of the blocks that were trusted. Together they are no more than 10 MiB.
const (
	maxUpdates    = 320
	maxBootstraps = 64
)

// A Key names an object that [Objects] has: a bootstrap by the root of its block, an update by its sync committee
// period. There is one finality update and one optimistic update.
type Key struct {
	Kind   beacon.Kind
	Root   ssz.Root // of bootstraps; zero in other kinds
	Period uint64   // of updates; 0 in other kinds
}

// A Record is an object as it is kept: the snappy frames of its encoding as a fork has it.
type Record struct {
	Key    Key
	Fork   ssz.Fork
	Frames []byte
}

// A Backend keeps the records of [Objects] where they outlive the program.
type Backend interface {
	// Records yields all records that are kept, in any order. An error is the last pair.
	Records(ctx context.Context) iter.Seq2[Record, error]
	// Put keeps a record in place of the one with the same key. It is durable when Put returns. The frames are shared.
	Put(ctx context.Context, r Record) error
	// Delete deletes a record if it is there.
	Delete(ctx context.Context, k Key) error
}

// Objects has the light client objects of one chain that were verified: bootstraps, the best update of each sync
// committee period, and the latest finality update and optimistic update. It is a beacon.LightClientSource, so that a
// light client serves others; AppendFrames completes the beacon.Chain. It has the latest 320 periods and 64 bootstraps,
// and is safe for concurrent use.
type Objects struct {
	network *ssz.Network
	backend Backend

	writing sync.Mutex // held while an object is put, also in the backend
	mu      sync.Mutex // guards entries
	entries map[Key]*entry
}

// An entry is an object that is kept. It is immutable.
type entry struct {
	Record
	slot  ssz.Slot // of the attested, or only, header
	size  int      // of the encoding
	merit merit    // of an update
}

// NewObjects returns the objects that a backend has kept, or none if it is nil. Records that are damaged are deleted
// from the backend. The error is the backend's.
func NewObjects(ctx context.Context, n *ssz.Network, b Backend) (*Objects, error) {
	o := &Objects{network: n, backend: b, entries: make(map[Key]*entry)}
	if b == nil {
		return o, nil
	}
	var damaged []Key
	for r, err := range b.Records(ctx) {
		if err != nil {
			return nil, err
		}
		if e, err := o.restore(r); err == nil {
			o.entries[r.Key] = e
		} else {
			damaged = append(damaged, r.Key)
		}
	}
	for _, k := range damaged {
		if err := b.Delete(ctx, k); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// restore decodes a record, and checks that it is what its key says.
func (o *Objects) restore(r Record) (*entry, error) {
	if _, ok := typeNames[r.Key.Kind]; !ok {
		return nil, fmt.Errorf("lightclient: record of a %v", r.Key.Kind)
	}
	c, err := r.chunk()
	if err != nil {
		return nil, err
	}
	var e *entry
	if r.Key.Kind == beacon.KindLightClientBootstrap {
		bootstrap, err := DecodeBootstrap(o.network, c)
		if err != nil {
			return nil, err
		}
		e = o.bootstrapEntry(bootstrap)
	} else {
		update, err := DecodeUpdate(o.network, r.Key.Kind, c)
		if err != nil {
			return nil, err
		}
		e = o.updateEntry(update)
	}
	if e.Key != r.Key {
		return nil, fmt.Errorf("lightclient: record %v has the object %v", r.Key, e.Key)
	}
	return e, nil
}

// chunk decodes the frames, which have to be canonical.
func (r *Record) chunk() (beacon.Chunk, error) {
	size, err := snappy.CheckFrames(r.Frames)
	if err != nil {
		return beacon.Chunk{}, err
	}
	b, err := snappy.AppendDecoded(nil, r.Frames, size)
	return beacon.Chunk{Fork: r.Fork, SSZ: b, Frames: r.Frames}, err
}

func (o *Objects) bootstrapEntry(b *Bootstrap) *entry {
	return newEntry(Key{Kind: beacon.KindLightClientBootstrap, Root: b.Header.Root}, b.Chunk, b.Header.Slot)
}

func (o *Objects) updateEntry(u *Update) *entry {
	k := Key{Kind: u.Kind}
	if u.Kind == beacon.KindLightClientUpdate {
		k.Period = periodOf(o.network, u.Attested.Slot)
	}
	e := newEntry(k, u.Chunk, u.Attested.Slot)
	e.merit = meritOf(o.network, u)
	return e
}

func newEntry(k Key, c beacon.Chunk, slot ssz.Slot) *entry {
	frames := c.Frames
	if frames == nil {
		frames = snappy.AppendFrames(nil, c.SSZ)
	}
	return &entry{Record: Record{k, c.Fork, frames}, slot: slot, size: len(c.SSZ)}
}

// PutBootstrap keeps a bootstrap that a [Store] began with. The error is the backend's.
func (o *Objects) PutBootstrap(ctx context.Context, b *Bootstrap) error {
	return o.put(ctx, o.bootstrapEntry(b))
}

// PutUpdate keeps an update that a [Store] has processed, if it is better than what is kept: a LightClientUpdate of a
// period by is_better_update of the specs, the others if their attested slot is later, or as late and their signature
// slot later. A LightClientUpdate whose sync committee signed in another period than that of its attested slot is not
// kept. The error is the backend's.
func (o *Objects) PutUpdate(ctx context.Context, u *Update) error {
	if u.Kind == beacon.KindLightClientUpdate {
		if periodOf(o.network, u.Attested.Slot) != periodOf(o.network, u.SignatureSlot) {
			return nil
		}
	}
	return o.put(ctx, o.updateEntry(u))
}

// put keeps an entry unless there is one that is as good, and drops what is too much then.
func (o *Objects) put(ctx context.Context, e *entry) error {
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	old := o.entries[e.Key]
	o.mu.Unlock()
	if old != nil && !e.isBetter(old) {
		return nil
	}
	if o.backend != nil {
		if err := o.backend.Put(ctx, e.Record); err != nil {
			return err
		}
	}
	o.mu.Lock()
	o.entries[e.Key] = e
	surplus := o.surplus(e.Key.Kind)
	delete(o.entries, surplus)
	o.mu.Unlock()
	if surplus != (Key{}) && o.backend != nil {
		return o.backend.Delete(ctx, surplus)
	}
	return nil
}

func (e *entry) isBetter(old *entry) bool {
	switch e.Key.Kind {
	case beacon.KindLightClientBootstrap:
		return false
	case beacon.KindLightClientUpdate:
		return e.merit.compare(old.merit) > 0
	default:
		return e.slot > old.slot || e.slot == old.slot && e.merit.signature > old.merit.signature
	}
}

// surplus returns the key of the oldest object of a kind if there are too many, or the zero Key. mu must be held.
func (o *Objects) surplus(kind beacon.Kind) Key {
	most := maxUpdates
	if kind == beacon.KindLightClientBootstrap {
		most = maxBootstraps
	}
	count, oldest := 0, (*entry)(nil)
	for _, e := range o.entries {
		if e.Key.Kind != kind {
			continue
		}
		if count++; oldest == nil || e.slot < oldest.slot {
			oldest = e
		}
	}
	if count <= most {
		return Key{}
	}
	return oldest.Key
}

// LightClientBootstrap implements beacon.LightClientSource.
func (o *Objects) LightClientBootstrap(_ context.Context, root ssz.Root) (beacon.Ref, error) {
	return o.find(Key{Kind: beacon.KindLightClientBootstrap, Root: root})
}

// LightClientUpdates implements beacon.LightClientSource.
func (o *Objects) LightClientUpdates(_ context.Context, start, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for period, ok := o.firstPeriod(start); ok && period-start < count; period++ {
			ref, err := o.find(Key{Kind: beacon.KindLightClientUpdate, Period: period})
			if err != nil || !yield(ref, nil) {
				return
			}
		}
	}
}

// firstPeriod returns the first period from start on that there is an update of.
func (o *Objects) firstPeriod(start uint64) (first uint64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k := range o.entries {
		if k.Kind == beacon.KindLightClientUpdate && k.Period >= start && (!ok || k.Period < first) {
			first, ok = k.Period, true
		}
	}
	return first, ok
}

// LightClientFinalityUpdate implements beacon.LightClientSource.
func (o *Objects) LightClientFinalityUpdate(context.Context) (beacon.Ref, error) {
	return o.find(Key{Kind: beacon.KindLightClientFinalityUpdate})
}

// LightClientOptimisticUpdate implements beacon.LightClientSource.
func (o *Objects) LightClientOptimisticUpdate(context.Context) (beacon.Ref, error) {
	return o.find(Key{Kind: beacon.KindLightClientOptimisticUpdate})
}

// AppendFrames appends the frames of an object that a ref of this source names to dst. A beacon.Chain whose Sources
// have these objects calls it for their kinds.
func (o *Objects) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	e, ok := ref.Handle.(*entry)
	if !ok {
		return dst, beacon.ErrDiscarded
	}
	return append(dst, e.Frames...), nil
}

// chunk returns an object with its encoding. It reports false if there is none.
func (o *Objects) chunk(k Key) (beacon.Chunk, bool) {
	o.mu.Lock()
	e := o.entries[k]
	o.mu.Unlock()
	if e == nil {
		return beacon.Chunk{}, false
	}
	c, err := e.Record.chunk()
	return c, err == nil
}

func (o *Objects) find(k Key) (beacon.Ref, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entries[k]
	if e == nil {
		return beacon.Ref{}, beacon.ErrUnavailable
	}
	return beacon.Ref{
		Kind: k.Kind, Slot: e.slot, Root: k.Root, Index: k.Period,
		Size: e.size, FramesSize: len(e.Frames), Handle: e,
	}, nil
}
