package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// AppendSidecars stores what belongs to blocks: blob sidecars, data column sidecars and execution payload envelopes.
// Blocks that are not held yet are stored along, as by Append; of one that is held, Slot and Root are enough. What is
// stored already, by block, kind and index, is passed over, and more columns of a block may come later. All is stored
// for good when AppendSidecars returns nil, else none of it is.
//
// An object that is not of its block or of the block's fork, or whose inclusion proof is wrong, is [ErrSidecar]. KZG
// proofs are not verified: that is for Verify of package plugin/sidecar, which takes the same arguments. Without a
// network the error is [ErrNoNetwork]; the other errors are those of Append. AppendSidecars keeps no reference to the
// objects.
func (s *Store) AppendSidecars(ctx context.Context, of ...beacon.Sidecars) error {
	blocks := make([]*beacon.Block, len(of))
	for i := range of {
		blocks[i] = of[i].Block
	}
	return s.append(ctx, blocks, of)
}

// A given object is one that is to be stored.
type given struct {
	beacon.Chunk

	kind  beacon.Kind
	index uint64
}

// objectsOf returns the objects of a block, by kind.
func objectsOf(s beacon.Sidecars) (objects []given) {
	for _, b := range s.Blobs {
		objects = append(objects, given{b.Chunk, beacon.KindBlobSidecar, b.Index})
	}
	for _, d := range s.Columns {
		objects = append(objects, given{d.Chunk, beacon.KindDataColumnSidecar, d.Index})
	}
	if e := s.Envelope; e != nil {
		objects = append(objects, given{e.Chunk, beacon.KindExecutionPayloadEnvelope, 0})
	}
	return objects
}

// check returns the frames to store of an object, after verifying that it is that of a block.
func (g *given) check(n *ssz.Network, b *beacon.Block) ([]byte, error) {
	fork := n.ForkAt(n.EpochOf(b.Slot))
	slot, root, index, err := decodeSidecar(n, g.kind, g.Chunk)
	switch {
	case err != nil:
	case g.Fork != fork || !haveKind(fork, g.kind):
		err = fmt.Errorf("it is of %v, the block is of %v", g.Fork, fork)
	case slot != b.Slot || root != b.Root:
		err = fmt.Errorf("it is of slot %d, root %v", slot, root)
	case index != g.index:
		err = fmt.Errorf("its SSZ has index %d", index)
	case len(g.SSZ) > snappy.MaxPayloadSize:
		err = fmt.Errorf("%d bytes of SSZ, at most %d can be sent", len(g.SSZ), snappy.MaxPayloadSize)
	}
	if err == nil {
		var frames []byte
		if frames, err = framesToStore(g.SSZ, g.Frames); err == nil {
			return frames, nil
		}
	}
	return nil, fmt.Errorf("%w: %v %d of slot %d, root %v: %w", ErrSidecar, g.kind, g.index, b.Slot, b.Root, err)
}

// decodeSidecar returns which object a chunk holds, after verifying its inclusion proof, if it has one.
func decodeSidecar(n *ssz.Network, kind beacon.Kind, c beacon.Chunk) (ssz.Slot, ssz.Root, uint64, error) {
	switch kind {
	case beacon.KindBlobSidecar:
		b, err := beacon.DecodeBlobSidecar(n, c)
		if err == nil {
			err = b.Verify(n)
		}
		if err != nil {
			return 0, ssz.Root{}, 0, err
		}
		return b.Slot, b.BlockRoot, b.Index, nil
	case beacon.KindDataColumnSidecar:
		d, err := beacon.DecodeDataColumnSidecar(n, c)
		if err == nil {
			err = d.Verify(n)
		}
		if err != nil {
			return 0, ssz.Root{}, 0, err
		}
		return d.Slot, d.BlockRoot, d.Index, nil
	default:
		e, err := beacon.DecodeExecutionPayloadEnvelope(n, c)
		if err != nil {
			return 0, ssz.Root{}, 0, err
		}
		return e.Slot, e.BlockRoot, 0, nil
	}
}

// A freshSidecars is what is to be stored of one kind of a block.
type freshSidecars struct {
	held   sidecarRecord // what is stored already
	record sidecarRecord // of the new objects, which have no place yet
	frames [][]byte      // of the objects
}

// checkSidecars returns what is not stored yet, and about how many bytes it takes. The blocks are held, or about to be.
// What is of one kind and block is one element, even if the block is given more than once.
func (s *Store) checkSidecars(n *network, of []beacon.Sidecars) (fresh []*freshSidecars, size int, err error) {
	if len(of) > 0 && n == nil {
		return nil, 0, ErrNoNetwork
	}
	type kindOf struct {
		root ssz.Root
		kind beacon.Kind
	}
	byKind := make(map[kindOf]*freshSidecars)
	for i := range of {
		b := of[i].Block
		for _, g := range objectsOf(of[i]) {
			f := byKind[kindOf{b.Root, g.kind}]
			if f == nil {
				held, err := s.storedOf(g.kind, b.Slot, b.Root)
				if err != nil {
					return nil, 0, err
				}
				f = &freshSidecars{held: held, record: sidecarRecord{kind: g.kind, slot: b.Slot, root: b.Root}}
				byKind[kindOf{b.Root, g.kind}] = f
				fresh = append(fresh, f)
			}
			if f.held.find(g.index) != nil || f.record.find(g.index) != nil {
				continue
			}
			frames, err := g.check(n.parsed, b)
			if err != nil {
				return nil, 0, err
			}
			size += sidecarHeader + objectSize + len(frames)
			f.frames = append(f.frames, frames)
			f.record.objects = append(f.record.objects, object{
				index: uint16(g.index), size: uint32(len(g.SSZ)), framesSize: uint32(len(frames)),
			})
		}
	}
	return slices.DeleteFunc(fresh, func(f *freshSidecars) bool { return len(f.frames) == 0 }), size, nil
}

// storedOf returns what is stored of a kind of a block. It is nothing if the record is damaged, so that it is stored
// anew. A record that the database cannot read is an error: what it names must not be lost.
func (s *Store) storedOf(kind beacon.Kind, slot ssz.Slot, root ssz.Root) (sidecarRecord, error) {
	r, err := s.readSidecars(kind, slot)
	if err != nil || r.damage != nil || r.root != root {
		return sidecarRecord{kind: kind, slot: slot, root: root}, err
	}
	return r, nil
}

// A sidecarWriter stores objects of all kinds along with a batch.
type sidecarWriter struct {
	store   *Store
	network *network
	batch   ethdb.Batch
	history map[beacon.Kind]*historyWriter
}

func (s *Store) newSidecarWriter(n *network, batch ethdb.Batch) *sidecarWriter {
	return &sidecarWriter{s, n, batch, make(map[beacon.Kind]*historyWriter)}
}

// appendHistory appends frames to the segment files of a kind.
func (w *sidecarWriter) appendHistory(kind beacon.Kind, slot ssz.Slot, frames []byte) (place, error) {
	h := w.history[kind]
	if h == nil {
		h = &historyWriter{store: w.store, network: w.network, kind: kind, batch: w.batch}
		w.history[kind] = h
	}
	return h.append(slot, frames)
}

// put stores new objects beside those of the block that there are: as history, or in the database.
func (w *sidecarWriter) put(f *freshSidecars, history bool) error {
	r := &f.record
	for i := range r.objects {
		o := &r.objects[i]
		var err error
		if history {
			o.place, err = w.appendHistory(r.kind, r.slot, f.frames[i])
		} else {
			o.place.file = inDatabase
			err = w.batch.Put(sidecarFramesKey(r.kind, r.slot, o.index), appendFramesValue(nil, r.root, f.frames[i]))
		}
		if err != nil {
			return err
		}
	}
	// What was stored may have been moved since it was looked up.
	held, err := w.store.storedOf(r.kind, r.slot, r.root)
	if err != nil {
		return err
	}
	r.objects = append(r.objects, held.objects...)
	slices.SortFunc(r.objects, func(a, b object) int { return cmp.Compare(a.index, b.index) })
	return w.batch.Put(sidecarKey(r.kind, r.slot), r.value())
}

// settle moves the objects of a slot that are in the database to segment files, and returns how many bytes these were.
// What is damaged stays where it is.
func (w *sidecarWriter) settle(v *view, slot ssz.Slot) (moved int, err error) {
	var frames []byte
	for _, kind := range sidecarKinds {
		r, err := w.store.sidecars(kind, slot)
		if err != nil {
			continue
		}
		some := false
		for i := range r.objects {
			o := &r.objects[i]
			if o.place.file != inDatabase {
				continue
			}
			ref := r.ref(o)
			if frames, err = w.store.readFrames(v, &ref, &o.place, frames[:0]); err != nil {
				continue
			}
			if o.place, err = w.appendHistory(kind, slot, frames); err != nil {
				return moved, err
			}
			if err := w.batch.Delete(sidecarFramesKey(kind, slot, o.index)); err != nil {
				return moved, err
			}
			some = true
			moved += len(frames)
		}
		if some {
			if err := w.batch.Put(sidecarKey(kind, slot), r.value()); err != nil {
				return moved, err
			}
		}
	}
	return moved, nil
}

// commit makes durable what was appended to segment files.
func (w *sidecarWriter) commit() (err error) {
	for _, h := range w.history {
		err = errors.Join(err, h.commit())
	}
	return err
}

// close closes the segment files. It may be called again.
func (w *sidecarWriter) close() (err error) {
	for _, h := range w.history {
		err = errors.Join(err, h.close())
	}
	return err
}

// deleteSidecars deletes what is stored of a kind of the slots from first to last.
func deleteSidecars(w ethdb.KeyValueRangeDeleter, kind beacon.Kind, first, last ssz.Slot) error {
	return errors.Join(
		w.DeleteRange(sidecarKey(kind, first), append(sidecarKey(kind, last), 0)),
		w.DeleteRange(sidecarFramesKey(kind, first, 0), append(sidecarFramesKey(kind, last, 1<<16-1), 0)),
	)
}
