package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const schemaVersion = 1

// The keys, or the first byte of them. See the package documentation.
const (
	versionKey        = 'v'
	networkKey        = 'n'
	chainKey          = 'c'
	recordPrefix      = 'r'
	framesPrefix      = 'f'
	indexPrefix       = 'i'
	commitmentsPrefix = 'b'
	lowPrefix         = 'a'
	highPrefix        = 'z'
)

const (
	rootSize     = len(ssz.Root{})
	slotKeySize  = 1 + 8
	indexKeySize = 1 + rootSize

	sumSize         = 4
	recordSize      = sumSize + 8 + 2*rootSize + 4 + 4
	framesHeader    = sumSize + rootSize
	commitmentsSize = sumSize + rootSize + 4 + 2*rootSize
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

// A record describes a stored block.
type record struct {
	beacon.Ref
	parent ssz.Root
}

// appendTo appends the record's value to dst, which is empty.
func (r *record) appendTo(dst []byte) []byte {
	dst = append(dst, make([]byte, sumSize)...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Slot))
	dst = append(dst, r.Root[:]...)
	dst = append(dst, r.parent[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Size))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.FramesSize))
	return seal(dst)
}

// decode reads the value that is stored for a slot.
func (r *record) decode(slot ssz.Slot, value []byte) error {
	b, err := unseal(value)
	switch {
	case err != nil:
		return err
	case len(value) != recordSize:
		return fmt.Errorf("%w: %d bytes, want %d", errLength, len(value), recordSize)
	}
	if r.Slot = ssz.Slot(binary.BigEndian.Uint64(b)); r.Slot != slot {
		return fmt.Errorf("%w: of slot %d", errPlace, r.Slot)
	}
	b = b[8:]
	r.Root, r.parent = ssz.Root(b[:rootSize]), ssz.Root(b[rootSize:2*rootSize])
	b = b[2*rootSize:]
	r.Size, r.FramesSize = int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))
	return nil
}

// appendFramesValue appends the value that holds a block's frames to dst, which is empty.
func appendFramesValue(dst []byte, root ssz.Root, frames []byte) []byte {
	dst = append(dst, make([]byte, sumSize)...)
	dst = append(dst, root[:]...)
	return seal(append(dst, frames...))
}

// decodeIndex reads the slot that an index entry holds.
func decodeIndex(value []byte) (ssz.Slot, error) {
	b, err := unseal(value)
	switch {
	case err != nil:
		return 0, err
	case len(b) != 8:
		return 0, fmt.Errorf("%w: %d bytes, want %d", errLength, len(value), sumSize+8)
	}
	return ssz.Slot(binary.BigEndian.Uint64(b)), nil
}

// commitmentsValue returns the value that holds a block's commitments.
func commitmentsValue(root ssz.Root, c ssz.BlobCommitments) []byte {
	value := append(make([]byte, sumSize, commitmentsSize), root[:]...)
	value = binary.BigEndian.AppendUint32(value, uint32(c.Count))
	value = append(append(value, c.BlockHash[:]...), c.ParentBlockHash[:]...)
	return seal(value)
}

// decodeCommitments reads the commitments of the block with a root. It reports false if the value is damaged or
// another block's.
func decodeCommitments(root ssz.Root, value []byte) (c ssz.BlobCommitments, ok bool) {
	b, err := unseal(value)
	if err != nil || len(value) != commitmentsSize || ssz.Root(b[:rootSize]) != root {
		return c, false
	}
	b = b[rootSize:]
	c.Count = int(binary.BigEndian.Uint32(b))
	c.BlockHash, c.ParentBlockHash = ssz.Root(b[4:4+rootSize]), ssz.Root(b[4+rootSize:])
	return c, true
}
