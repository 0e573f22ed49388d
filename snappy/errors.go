package snappy

import (
	"errors"
	"fmt"
)

// The errors of headers.
var (
	// ErrVarintOverflow is returned when the length varint of a header is longer
	// than ten bytes or its value does not fit into 64 bits.
	ErrVarintOverflow = errors.New("snappy: length varint overflows 64 bits")

	// ErrVarintNotMinimal is returned when the length varint of a header has
	// more bytes than its value needs.
	ErrVarintNotMinimal = errors.New("snappy: length varint is not minimal")

	// ErrTooSmall is what a [LengthError] unwraps to when the SSZ length is below
	// its bounds.
	ErrTooSmall = errors.New("snappy: SSZ length below the bounds")

	// ErrTooLarge is what a [LengthError] unwraps to when the SSZ length is above
	// its bounds.
	ErrTooLarge = errors.New("snappy: SSZ length above the bounds")
)

// The errors of frames.
var (
	// ErrNoStreamIdentifier is returned when frames begin with anything other
	// than a stream identifier.
	ErrNoStreamIdentifier = errors.New("snappy: no stream identifier")

	// ErrBadStreamIdentifier is returned when the body of a stream identifier,
	// the first or a repeated one, is not "sNaPpY".
	ErrBadStreamIdentifier = errors.New("snappy: bad stream identifier")

	// ErrChunkType is returned for the reserved chunk types that a decoder may not
	// skip, 0x02 to 0x7f.
	ErrChunkType = errors.New("snappy: unknown unskippable chunk type")

	// ErrChunkTooLarge is returned when a data chunk holds, or claims to decode
	// to, more than the 65536 bytes that the framing format allows.
	ErrChunkTooLarge = errors.New("snappy: chunk too large")

	// ErrCorrupt is returned when the body of a data chunk is too short for its
	// checksum or does not decode to the length it begins with.
	ErrCorrupt = errors.New("snappy: corrupt chunk")

	// ErrChecksum is returned when a chunk decodes to bytes that its checksum does
	// not match.
	ErrChecksum = errors.New("snappy: checksum mismatch")

	// ErrLengthExceeded is returned when frames decode to more bytes than expected.
	ErrLengthExceeded = errors.New("snappy: frames decode to more than the expected length")

	// ErrMaxCompressedLen is returned when frames are longer than
	// [MaxCompressedLen] of what they decode to, or have not delivered the
	// expected length by then.
	ErrMaxCompressedLen = errors.New("snappy: frames longer than the maximum compressed length")

	// ErrNotCanonical is returned by [CheckFrames] for frames that are valid but
	// hold chunks without data.
	ErrNotCanonical = errors.New("snappy: frames are not canonical")

	// ErrTrailing is returned by [ReadEnd] when bytes follow the payload.
	ErrTrailing = errors.New("snappy: trailing bytes after the payload")
)

// A LengthError is returned when an SSZ length is out of bounds. It unwraps to
// [ErrTooSmall] or [ErrTooLarge].
type LengthError struct {
	Length uint64 // Length is the SSZ length, as claimed by the header or found in the frames.
	Bounds Bounds // Bounds are the inclusive bounds that it violates, with Max at most MaxPayloadSize.
}

// Error tells the length and the bounds.
func (e *LengthError) Error() string {
	return fmt.Sprintf("%v: %d, allowed are %d to %d", e.Unwrap(), e.Length, e.Bounds.Min, e.Bounds.Max)
}

// Unwrap returns ErrTooSmall for a length below Bounds.Min, and ErrTooLarge
// otherwise.
func (e *LengthError) Unwrap() error {
	if e.Bounds.Min > 0 && e.Length < uint64(e.Bounds.Min) {
		return ErrTooSmall
	}
	return ErrTooLarge
}
