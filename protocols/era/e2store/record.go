package e2store

import (
	"encoding/binary"
	"fmt"
	"math"
)

// HeaderSize is the number of bytes of a record's header.
const HeaderSize = 8

// MaxLength is the largest number of bytes of data in a record.
const MaxLength = math.MaxUint32

// A Type says what the data of a record is. Its value is as the specifications write it: the first byte in the
// file is the high one, so that blocks, whose records begin with the bytes 01 00, are of type 0x0100.
// Types from 0x8000 on are for applications.
type Type uint16

// The types that the specifications assign and that this module uses.
const (
	Empty                       Type = 0x0000 // no meaning; its data is to be skipped
	CompressedSignedBeaconBlock Type = 0x0100 // a SignedBeaconBlock as snappy frames of its SSZ encoding
	CompressedBeaconState       Type = 0x0200 // a BeaconState as snappy frames of its SSZ encoding
	Version                     Type = 0x6532 // begins a file, or a group of an era file; has no data
	SlotIndex                   Type = 0x6932 // the offsets of the records of consecutive slots
)

// String returns the name of a type that this package defines, and the number of others.
func (t Type) String() string {
	switch t {
	case Empty:
		return "Empty"
	case CompressedSignedBeaconBlock:
		return "CompressedSignedBeaconBlock"
	case CompressedBeaconState:
		return "CompressedBeaconState"
	case Version:
		return "Version"
	case SlotIndex:
		return "SlotIndex"
	default:
		return fmt.Sprintf("0x%04x", uint16(t))
	}
}

// A Header is what a record begins with.
type Header struct {
	Type   Type
	Length uint32 // the number of bytes of data, without the header
}

// ParseHeader reads the header that b begins with. It returns [ErrTruncated] if b has fewer than [HeaderSize]
// bytes and [ErrReserved] if the reserved bytes are not zero.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, ErrTruncated
	}
	if b[6] != 0 || b[7] != 0 {
		return Header{}, fmt.Errorf("%w: %#02x", ErrReserved, b[6:HeaderSize])
	}
	return Header{Type: Type(binary.BigEndian.Uint16(b)), Length: binary.LittleEndian.Uint32(b[2:])}, nil
}

// Append appends the header's 8 bytes to dst and returns the extended buffer.
func (h Header) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Type))
	dst = binary.LittleEndian.AppendUint32(dst, h.Length)
	return append(dst, 0, 0)
}

// A Record is a header and its place in a source.
type Record struct {
	Header

	Offset int64 // where the header begins
}

// DataOffset returns where the record's data begins.
func (r Record) DataOffset() int64 { return r.Offset + HeaderSize }

// End returns where the record ends and the next one begins.
func (r Record) End() int64 { return r.Offset + HeaderSize + int64(r.Length) }

// AppendRecord appends a record to dst and returns the extended buffer. It panics if data is longer than
// [MaxLength].
func AppendRecord(dst []byte, t Type, data []byte) []byte {
	if len(data) > MaxLength {
		panic(fmt.Sprintf("e2store: record of %d bytes", len(data)))
	}
	dst = Header{Type: t, Length: uint32(len(data))}.Append(dst)
	return append(dst, data...)
}
