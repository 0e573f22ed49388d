package snappy

import (
	"errors"
	"fmt"
	"io"
)

const (
	// minAlloc is the least number of bytes that a buffer grows to, unless fewer
	// are enough for the payload.
	minAlloc = 1 << 10

	// skipStep is how many bytes of a skippable chunk are read at a time.
	skipStep = 4 << 10
)

// A frameReader reads the frames of one payload from a stream.
type frameReader struct {
	r      io.Reader
	frames []byte // The canonical frames so far if keep, else scratch for one chunk.
	ssz    []byte // What they decode to, appended to what the caller had.
	keep   bool

	missing   int // SSZ bytes still to come.
	budget    int // Bytes that may yet be read.
	maxFrames int // The largest capacity that frames can need.
	maxSSZ    int // The capacity that ssz needs in the end.
}

// readPayload reads the frames of n SSZ bytes.
func (f *frameReader) readPayload(n int) error {
	if err := (Bounds{Max: MaxPayloadSize}).check(uint64(n)); err != nil {
		return err
	}
	f.missing, f.budget = n, MaxCompressedLen(n)
	f.maxFrames, f.maxSSZ = f.budget, len(f.ssz)+n
	for first := true; f.missing > 0; first = false {
		if err := f.readChunk(first); err != nil {
			return err
		}
	}
	return nil
}

// readChunk reads one chunk and takes its data.
func (f *frameReader) readChunk(first bool) error {
	start := len(f.frames)
	header, err := f.read(chunkHeaderSize)
	if err != nil {
		return err
	}
	kind, size, err := parseChunkHeader(header, first)
	if err != nil {
		return err
	}
	if kind == typeUncompressed && size-checksumSize > f.missing {
		return f.exceeded(size - checksumSize)
	}
	if size > f.budget {
		return fmt.Errorf("%w: chunk of %d bytes, %d are left", ErrMaxCompressedLen, size, f.budget)
	}
	if kind >= typeSkippable && kind != typeStreamIdentifier {
		f.frames = f.frames[:start]
		return f.skip(size)
	}
	body, err := f.read(size)
	if err != nil {
		return err
	}
	kept, err := f.take(chunk{kind: kind, body: body}, first)
	if !kept || !f.keep {
		f.frames = f.frames[:start]
	}
	return err
}

// take appends what c decodes to, and tells whether c is part of the canonical
// frames.
func (f *frameReader) take(c chunk, first bool) (kept bool, err error) {
	if !c.isData() {
		return first, c.checkIdentifier()
	}
	n, err := c.decodedLen()
	if err != nil {
		return false, err
	}
	if n > f.missing {
		return false, f.exceeded(n)
	}
	f.ssz = grow(f.ssz, n, f.maxSSZ)
	end := len(f.ssz) + n
	if err := c.decode(f.ssz[len(f.ssz):end]); err != nil {
		return false, err
	}
	f.ssz = f.ssz[:end]
	f.missing -= n
	return n > 0, nil
}

// exceeded returns the error for a chunk that decodes to n bytes, too many.
func (f *frameReader) exceeded(n int) error {
	return fmt.Errorf("%w: chunk of %d, %d are missing", ErrLengthExceeded, n, f.missing)
}

// read reads exactly n bytes to the end of f.frames and returns them.
func (f *frameReader) read(n int) ([]byte, error) {
	if n > f.budget {
		return nil, fmt.Errorf("%w: %d SSZ bytes are missing", ErrMaxCompressedLen, f.missing)
	}
	f.budget -= n
	f.frames = grow(f.frames, n, f.maxFrames)
	end := len(f.frames) + n
	b := f.frames[len(f.frames):end]
	if _, err := io.ReadFull(f.r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	f.frames = f.frames[:end]
	return b, nil
}

// skip reads n bytes and drops them, in steps that leave the buffer small.
func (f *frameReader) skip(n int) error {
	start := len(f.frames)
	for n > 0 {
		b, err := f.read(min(n, skipStep))
		if err != nil {
			return err
		}
		n -= len(b)
		f.frames = f.frames[:start]
	}
	return nil
}

// grow returns b with spare capacity for n more bytes. It doubles, so that growing
// is linear in total and follows what b holds, but never beyond the limit, which
// is at least len(b)+n.
func grow(b []byte, n, limit int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	c := min(max(2*len(b), len(b)+n, minAlloc), limit)
	return append(make([]byte, 0, c), b...)
}
