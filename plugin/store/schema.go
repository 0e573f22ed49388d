package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The versions of the schema: the one that is written, and the one before, which is read and converted.
const (
	schemaVersion    = 2
	oldSchemaVersion = 1
)

// The keys, or the first byte of them. See the package documentation.
const (
	versionKey    = 'v'
	networkKey    = 'n'
	chainKey      = 'c'
	recordPrefix  = 'r'
	framesPrefix  = 'f'
	indexPrefix   = 'i'
	segmentPrefix = 's'

	sidecarPrefix       = 'k'
	sidecarFramesPrefix = 'g'

	lowPrefix  = 'a'
	highPrefix = 'z'

	oldCommitmentsPrefix = 'b' // of version 1
)

const (
	rootSize     = len(ssz.Root{})
	slotKeySize  = 1 + 8
	indexKeySize = 1 + rootSize

	sumSize         = 4
	oldRecordSize   = sumSize + 8 + 2*rootSize + 4 + 4
	recordSize      = oldRecordSize + 4 + 2 + 8
	commitmentsSize = 4 + 2*rootSize // behind a record
	framesHeader    = sumSize + rootSize
)

// copyKey returns the key under which the value of a key is stored a second time. It is at the other end of
// the database: whatever file, or block of a file, holds one of them should not hold the other.
func copyKey(key byte) []byte {
	if key == versionKey {
		return []byte{lowPrefix, key}
	}
	return []byte{highPrefix, key}
}

func slotKey(prefix byte, slot ssz.Slot) []byte {
	return appendSlotKey(make([]byte, 0, slotKeySize), prefix, slot)
}

func appendSlotKey(dst []byte, prefix byte, slot ssz.Slot) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefix), uint64(slot))
}

func indexKey(root ssz.Root) []byte {
	key := make([]byte, 1, indexKeySize)
	key[0] = indexPrefix
	return append(key, root[:]...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal puts the checksum into the first four bytes of a value.
func seal(value []byte) []byte {
	binary.BigEndian.PutUint32(value, crc32.Checksum(value[sumSize:], castagnoli))
	return value
}

// unseal verifies the checksum of a value and returns what follows it.
func unseal(value []byte) ([]byte, error) {
	if len(value) < sumSize {
		return nil, fmt.Errorf("%w: %d bytes", errShort, len(value))
	}
	payload := value[sumSize:]
	if want, got := binary.BigEndian.Uint32(value), crc32.Checksum(payload, castagnoli); got != want {
		return nil, fmt.Errorf("%w: %#08x, want %#08x", errChecksum, got, want)
	}
	return payload, nil
}

// A place is where the frames of a block are.
type place struct {
	file   uint16 // The number of the segment file in the slot's period, or inDatabase.
	sum    uint32 // The CRC-32C of the frames. Zero in the database, where it is beside the frames.
	offset int64  // That of the record in the file. Zero in the database.
}

// inDatabase is the file of frames that are in the database, under framesPrefix.
const inDatabase = math.MaxUint16

// A record describes a stored block.
type record struct {
	beacon.Ref
	parent ssz.Root
	place  place

	blobs      ssz.BlobCommitments
	blobsKnown bool // blobs is what the block says.
}

// end returns where the record of the block's frames ends in its segment file.
func (r *record) end() int64 { return r.place.offset + e2store.HeaderSize + int64(r.FramesSize) }

// appendTo appends the record's value to dst, which is empty.
func (r *record) appendTo(dst []byte) []byte {
	dst = append(dst, make([]byte, sumSize)...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Slot))
	dst = append(dst, r.Root[:]...)
	dst = append(dst, r.parent[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Size))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.FramesSize))
	dst = binary.BigEndian.AppendUint32(dst, r.place.sum)
	dst = binary.BigEndian.AppendUint16(dst, r.place.file)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.place.offset))
	if r.blobsKnown {
		dst = binary.BigEndian.AppendUint32(dst, uint32(r.blobs.Count))
		dst = append(append(dst, r.blobs.BlockHash[:]...), r.blobs.ParentBlockHash[:]...)
	}
	return seal(dst)
}

// decode reads the value that is stored for a slot.
func (r *record) decode(slot ssz.Slot, value []byte) error {
	b, err := unseal(value)
	switch {
	case err != nil:
		return err
	case len(value) != oldRecordSize && len(value) != recordSize && len(value) != recordSize+commitmentsSize:
		return fmt.Errorf("%w: %d bytes, want %d or %d", errLength, len(value), recordSize, recordSize+commitmentsSize)
	}
	if r.Slot = ssz.Slot(binary.BigEndian.Uint64(b)); r.Slot != slot {
		return fmt.Errorf("%w: of slot %d", errPlace, r.Slot)
	}
	b = b[8:]
	r.Root, r.parent = ssz.Root(b[:rootSize]), ssz.Root(b[rootSize:2*rootSize])
	b = b[2*rootSize:]
	r.Size, r.FramesSize = int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))
	if b = b[8:]; len(b) == 0 {
		r.place = place{file: inDatabase}
		return nil
	}
	r.place = place{
		sum: binary.BigEndian.Uint32(b), file: binary.BigEndian.Uint16(b[4:]),
		offset: int64(binary.BigEndian.Uint64(b[6:])),
	}
	if b = b[14:]; len(b) > 0 {
		r.blobsKnown, r.blobs.Count = true, int(binary.BigEndian.Uint32(b))
		r.blobs.BlockHash, r.blobs.ParentBlockHash = ssz.Root(b[4:4+rootSize]), ssz.Root(b[4+rootSize:])
	}
	return nil
}

// appendFramesValue appends the value that holds a block's frames to dst, which is empty.
func appendFramesValue(dst []byte, root ssz.Root, frames []byte) []byte {
	dst = append(dst, make([]byte, sumSize)...)
	dst = append(dst, root[:]...)
	return seal(append(dst, frames...))
}

// decodeUint reads the number that a value holds: the slot of an index entry, or the length of a segment file.
func decodeUint(value []byte) (uint64, error) {
	b, err := unseal(value)
	switch {
	case err != nil:
		return 0, err
	case len(b) != 8:
		return 0, fmt.Errorf("%w: %d bytes, want %d", errLength, len(value), sumSize+8)
	}
	return binary.BigEndian.Uint64(b), nil
}

// segmentKey returns the key of the length of a segment file.
func segmentKey(id segment.ID) []byte {
	key := append(make([]byte, 0, 1+1+8+2), segmentPrefix, byte(id.Kind))
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(key, id.Period), id.Number)
}

// segmentValue returns the value that holds the length of a segment file.
func segmentValue(length int64) []byte {
	return seal(binary.BigEndian.AppendUint64(make([]byte, sumSize), uint64(length)))
}
