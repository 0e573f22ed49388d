package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// sidecarKinds are the kinds of objects that belong to blocks.
var sidecarKinds = [...]beacon.Kind{
	beacon.KindBlobSidecar, beacon.KindDataColumnSidecar, beacon.KindExecutionPayloadEnvelope,
}

// firstFork returns the first fork whose blocks have objects of a kind.
func firstFork(kind beacon.Kind) ssz.Fork {
	switch kind {
	case beacon.KindBlobSidecar:
		return ssz.Deneb
	case beacon.KindDataColumnSidecar:
		return ssz.Fulu
	default:
		return ssz.Gloas
	}
}

// haveKind reports whether blocks of a fork have objects of a kind.
func haveKind(fork ssz.Fork, kind beacon.Kind) bool {
	return fork >= firstFork(kind) && (kind != beacon.KindBlobSidecar || fork < ssz.Fulu)
}

// A sidecarRecord describes what is stored of one kind of a block.
type sidecarRecord struct {
	kind    beacon.Kind
	slot    ssz.Slot
	root    ssz.Root // of the block
	objects []object // ascending by index
	damage  error    // why the record cannot be read, nil if it can
}

// An object describes a sidecar or an envelope.
type object struct {
	index      uint16
	size       uint32 // of the SSZ
	framesSize uint32
	place      place
}

const (
	sidecarKeySize       = 1 + 1 + 8
	sidecarFramesKeySize = sidecarKeySize + 2

	sidecarHeader = sumSize + 8 + rootSize
	objectSize    = 2 + 4 + 4 + 4 + 2 + 8
)

// sidecarKey returns the key of the record of a kind and a slot.
func sidecarKey(kind beacon.Kind, slot ssz.Slot) []byte {
	key := append(make([]byte, 0, sidecarKeySize), sidecarPrefix, byte(kind))
	return binary.BigEndian.AppendUint64(key, uint64(slot))
}

// sidecarFramesKey returns the key of the frames of an object in the database.
func sidecarFramesKey(kind beacon.Kind, slot ssz.Slot, index uint16) []byte {
	return appendSidecarFramesKey(make([]byte, 0, sidecarFramesKeySize), kind, slot, index)
}

func appendSidecarFramesKey(dst []byte, kind beacon.Kind, slot ssz.Slot, index uint16) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, sidecarFramesPrefix, byte(kind)), uint64(slot))
	return binary.BigEndian.AppendUint16(dst, index)
}

// find returns the object of an index, or nil.
func (r *sidecarRecord) find(index uint64) *object {
	for i := range r.objects {
		if uint64(r.objects[i].index) == index {
			return &r.objects[i]
		}
	}
	return nil
}

// ref returns the ref of an object of the record.
func (r *sidecarRecord) ref(o *object) beacon.Ref {
	return beacon.Ref{
		Kind: r.kind, Slot: r.slot, Root: r.root, Index: uint64(o.index),
		Size: int(o.size), FramesSize: int(o.framesSize), Handle: &o.place,
	}
}

// end returns where the last of the objects that are in a segment file ends there.
func (r *sidecarRecord) end(number uint16) (end int64) {
	for _, o := range r.objects {
		if o.place.file == number {
			end = max(end, o.place.offset+e2store.HeaderSize+int64(o.framesSize))
		}
	}
	return end
}

// value returns the value of the record.
func (r *sidecarRecord) value() []byte {
	b := make([]byte, sumSize, sidecarHeader+objectSize*len(r.objects))
	b = binary.BigEndian.AppendUint64(b, uint64(r.slot))
	b = append(b, r.root[:]...)
	for _, o := range r.objects {
		b = binary.BigEndian.AppendUint16(b, o.index)
		b = binary.BigEndian.AppendUint32(b, o.size)
		b = binary.BigEndian.AppendUint32(b, o.framesSize)
		b = binary.BigEndian.AppendUint32(b, o.place.sum)
		b = binary.BigEndian.AppendUint16(b, o.place.file)
		b = binary.BigEndian.AppendUint64(b, uint64(o.place.offset))
	}
	return seal(b)
}

// decode reads the value that is stored for the record's kind and slot.
func (r *sidecarRecord) decode(value []byte) error {
	b, err := unseal(value)
	switch {
	case err != nil:
		return err
	case len(value) < sidecarHeader || (len(value)-sidecarHeader)%objectSize != 0:
		return fmt.Errorf("%w: %d bytes", errLength, len(value))
	}
	if slot := ssz.Slot(binary.BigEndian.Uint64(b)); slot != r.slot {
		return fmt.Errorf("%w: of slot %d", errPlace, slot)
	}
	r.root = ssz.Root(b[8:])
	b = b[8+rootSize:]
	r.objects = make([]object, 0, len(b)/objectSize)
	for ; len(b) > 0; b = b[objectSize:] {
		r.objects = append(r.objects, object{
			index: binary.BigEndian.Uint16(b), size: binary.BigEndian.Uint32(b[2:]),
			framesSize: binary.BigEndian.Uint32(b[6:]),
			place: place{
				sum: binary.BigEndian.Uint32(b[10:]), file: binary.BigEndian.Uint16(b[14:]),
				offset: int64(binary.BigEndian.Uint64(b[16:])),
			},
		})
	}
	return nil
}

// corrupt returns the error of a record.
func (r *sidecarRecord) corrupt(err error) error {
	return &CorruptError{r.slot, r.root, fmt.Errorf("%ss: %w", r.kind, err)}
}

// sidecars returns what is stored of a kind of the block of a slot: nothing if its objects are nil. A damaged record is
// an error.
func (s *Store) sidecars(kind beacon.Kind, slot ssz.Slot) (sidecarRecord, error) {
	r, err := s.readSidecars(kind, slot)
	return r, cmp.Or(err, r.damage)
}

// readSidecars is sidecars, but that a damaged record is returned as such. The error is the database's.
func (s *Store) readSidecars(kind beacon.Kind, slot ssz.Slot) (sidecarRecord, error) {
	r := sidecarRecord{kind: kind, slot: slot}
	it, ok := s.seek(sidecarKey(kind, slot))
	defer it.Release()
	if ok {
		r.read(it.Value())
	}
	if err := it.Error(); err != nil {
		return sidecarRecord{kind: kind, slot: slot}, r.corrupt(err)
	}
	return r, nil
}

// read decodes the value that is stored for the record's kind and slot, and notes its damage.
func (r *sidecarRecord) read(value []byte) {
	if err := r.decode(value); err != nil {
		r.damage = r.corrupt(err)
	}
}

// sidecarBatch is how many records are read through one iterator. They are up to 3 KiB each.
const sidecarBatch = 16

// scanSidecars yields what is stored of a kind in the slots from first to last, in ascending order. A damaged record is
// yielded along with a *CorruptError, and the scan goes on; any other error is the last pair. It holds no iterator
// while it yields.
func (s *Store) scanSidecars(kind beacon.Kind, first, last ssz.Slot) iter.Seq2[sidecarRecord, error] {
	return func(yield func(sidecarRecord, error) bool) {
		for first <= last {
			records, all, err := s.sidecarRecords(kind, first, last)
			for i := range records {
				if !yield(records[i], records[i].damage) {
					return
				}
			}
			if err != nil {
				yield(sidecarRecord{}, err)
				return
			}
			if all || records[len(records)-1].slot == last {
				return
			}
			first = records[len(records)-1].slot + 1
		}
	}
}

// sidecarRecords returns the records of a kind in the slots from first to last, a batch of them at most, and reports
// whether these were all. Those that cannot be read say why.
func (s *Store) sidecarRecords(kind beacon.Kind, first, last ssz.Slot) (found []sidecarRecord, all bool, err error) {
	start := binary.BigEndian.AppendUint64(nil, uint64(first))
	it := s.db.NewIterator([]byte{sidecarPrefix, byte(kind)}, start)
	defer it.Release()
	for len(found) < sidecarBatch {
		if !it.Next() {
			return found, true, it.Error()
		}
		key := it.Key()
		if len(key) != sidecarKeySize {
			continue // No key of ours.
		}
		r := sidecarRecord{kind: kind, slot: ssz.Slot(binary.BigEndian.Uint64(key[2:]))}
		if r.slot > last {
			return found, true, nil
		}
		r.read(it.Value())
		found = append(found, r)
	}
	return found, false, nil
}
