package snappy

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// A Payload is what ReadPayload receives. Both slices belong to the caller, who
// may keep them, or pass the Payload to ReadPayload again to reuse their memory.
// The zero Payload is ready for use.
type Payload struct {
	Frames []byte // Frames are the canonical frames of SSZ, ready to be stored and sent on.
	SSZ    []byte // SSZ are the decoded bytes.
}

// ReadPayload reads from r the frames that carry n SSZ bytes, as announced by the
// header, decodes and verifies them, and replaces the contents of p. The capacity
// of p's slices is reused. Upon an error, p's contents are undefined but still
// good for reuse.
//
// ReadPayload reads up to the end of the chunk that completes the n bytes and not
// one byte further, and in no case more than MaxCompressedLen(n) bytes. If n is 0
// it reads nothing. Skippable chunks, padding, repeated stream identifiers and
// empty data chunks on the way are checked and left out of p.Frames, which are
// canonical. Memory is taken for what has been received, at most twice as much,
// and for the one chunk being received, of which no more than 76494 bytes are
// stored. Bodies are read straight into p.Frames; r should be buffered for the
// sake of the small reads between them.
//
// Frames that are not valid or not of n bytes are one of the errors of this
// package. If r ends early, even before the first byte, the error is
// io.ErrUnexpectedEOF. Other errors of r are returned as they are. An n that no
// payload may have is a *LengthError; nothing has been read then.
func ReadPayload(r io.Reader, n int, p *Payload) error {
	f := frameReader{r: r, frames: p.Frames[:0], ssz: p.SSZ[:0], keep: true}
	err := f.readPayload(n)
	p.Frames, p.SSZ = f.frames, f.ssz
	return err
}

// AppendPayload is ReadPayload for those who have no use for the frames: it appends
// the n SSZ bytes read from r to dst and returns the extended buffer. Upon an
// error it returns dst with its length unchanged.
func AppendPayload(dst []byte, r io.Reader, n int) ([]byte, error) {
	scratch := scratchPool.Get().(*[]byte)
	defer scratchPool.Put(scratch)
	f := frameReader{r: r, frames: (*scratch)[:0], ssz: dst}
	err := f.readPayload(n)
	*scratch = f.frames
	if err != nil {
		return f.ssz[:len(dst)], err
	}
	return f.ssz, nil
}

// scratchPool holds buffers for one chunk. None is ever larger than the largest
// chunk, hence none needs to be dropped.
var scratchPool = sync.Pool{New: func() any { return new([]byte) }}

// ReadEnd verifies that r is at its end, as it must be after the payload of a
// request. The n is the SSZ length of that payload: after an empty one, a single
// stream identifier is accepted as well, because some encoders write it although
// no data follows. Anything else is ErrTrailing; errors of r other than
// io.EOF are returned as they are.
//
// ReadEnd waits until r tells its end or delivers bytes: reading from a peer,
// bound the wait by a deadline.
func ReadEnd(r io.Reader, n int) error {
	scratch := scratchPool.Get().(*[]byte)
	defer scratchPool.Put(scratch)
	limit := 1
	if n == 0 {
		limit = len(streamIdentifier) + 1
	}
	*scratch = grow((*scratch)[:0], limit, limit)
	m, err := io.ReadFull(r, (*scratch)[:limit])
	rest := (*scratch)[:m]
	switch {
	case m == 0 && errors.Is(err, io.EOF):
		return nil
	case err != nil && (m == 0 || !errors.Is(err, io.ErrUnexpectedEOF)):
		return err
	case string(rest) == streamIdentifier:
		return nil
	}
	return fmt.Errorf("%w: beginning with %#x", ErrTrailing, rest)
}
