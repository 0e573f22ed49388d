package e2store

import (
	"context"
	"errors"
	"io"
	"slices"
)

// A Source is a file to read from, wherever it is. Its methods may be called concurrently.
type Source interface {
	// ReadAt reads len(p) bytes from an offset on, as that of [io.ReaderAt] does: it returns an error, which may
	// be [io.EOF], if it reads fewer. It returns early if ctx ends.
	ReadAt(ctx context.Context, p []byte, off int64) (n int, err error)
	// Size returns the number of bytes in the file.
	Size() int64
}

// NewSource returns the source that r is the bytes of. Reads do not begin after their context has ended, but those
// that have begun run to their end. The source closes r by its Close method, if r is an [io.Closer].
func NewSource(r io.ReaderAt, size int64) Source {
	return &readerAt{r: r, size: size}
}

type readerAt struct {
	r    io.ReaderAt
	size int64
}

func (s *readerAt) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, context.Cause(ctx)
	}
	return s.r.ReadAt(p, off)
}

func (s *readerAt) Size() int64 { return s.size }

func (s *readerAt) Close() error {
	if c, ok := s.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// firstPiece is the most that is allocated before any byte of it has arrived.
const firstPiece = 1 << 20

// AppendRange appends n bytes of a source to dst, from an offset on, and returns the extended buffer. Up to 1 MiB is
// one read; more is read in pieces that double, so that memory grows with what the source really holds.
//
// If the source ends early the error is [io.ErrUnexpectedEOF]; other errors are the source's. Upon an error it
// returns dst as it was.
func AppendRange(ctx context.Context, src Source, dst []byte, off, n int64) ([]byte, error) {
	before := len(dst)
	for piece := int64(firstPiece); n > 0; piece *= 2 {
		m := int(min(n, piece))
		dst = slices.Grow(dst, m)
		p := dst[len(dst) : len(dst)+m]
		if err := readFull(ctx, src, p, off); err != nil {
			return dst[:before], err
		}
		dst, off, n = dst[:len(dst)+m], off+int64(m), n-int64(m)
	}
	return dst, nil
}

// readFull fills p from a source. It takes an early end for an error.
func readFull(ctx context.Context, src Source, p []byte, off int64) error {
	n, err := src.ReadAt(ctx, p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	default:
		return err
	}
}
