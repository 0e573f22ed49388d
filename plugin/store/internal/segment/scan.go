package segment

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

// An Object is one that a file holds.
type Object struct {
	// Offset is that of the object's record.
	Offset int64
	// Frames are the data of the record. They are valid until the next object.
	Frames []byte
}

// magic is what frames begin with: the stream identifier.
var magic = []byte("\xff\x06\x00\x00sNaPpY")

// maxFrames is the most that the frames of an object that can be sent take.
var maxFrames = int64(snappy.MaxCompressedLen(snappy.MaxPayloadSize))

// Objects yields the objects of a file in the order of their records, the ones beyond what was committed among them. It
// trusts nothing: what it yields may not be what was written. Where record headers are damaged it looks for the frames
// themselves, so that a damaged header costs no object, and damaged frames cost only theirs. There, it may yield an
// object twice, or with another end than it has first. An error, of the file or
// of ctx, is the last pair.
func (d *Dir) Objects(ctx context.Context, id ID) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		f, err := os.Open(d.file(id))
		if err != nil {
			yield(Object{}, err)
			return
		}
		defer func() { _ = f.Close() }() // it has been read only
		stat, err := f.Stat()
		if err != nil {
			yield(Object{}, err)
			return
		}
		src := e2store.NewSource(f, stat.Size())
		s := scan{id: id, src: src, reader: e2store.NewReader(src, 0, src.Size())}
		for {
			object, err := s.next(ctx)
			if err == io.EOF || !yield(object, err) || err != nil {
				return
			}
		}
	}
}

// A scan is one use of Objects.
type scan struct {
	id     ID
	src    e2store.Source
	reader *e2store.Reader
	pos    int64 // of the next record
	buf    []byte

	chunk, decoded []byte // Buffers.

	doubtful bool // What the header at pos says has been tried, and may be wrong.
}

// next returns the next object, io.EOF after the last one.
func (s *scan) next(ctx context.Context) (Object, error) {
	for {
		if s.pos == s.src.Size() {
			return Object{}, io.EOF
		}
		r, ok, err := s.header(ctx, s.pos)
		if err != nil {
			return Object{}, err
		}
		if !ok || s.doubtful {
			s.doubtful = false
			return s.search(ctx)
		}
		if r.End() < s.src.Size() {
			if _, ok, err = s.header(ctx, r.End()); err != nil {
				return Object{}, err
			}
		}
		if ok {
			s.pos = r.End()
		} else {
			s.doubtful = true // It is this header that is damaged, or what follows.
		}
		if r.Type != forms[s.id.Kind].typ {
			continue
		}
		s.buf, err = e2store.AppendData(ctx, s.src, s.buf[:0], r, maxFrames)
		return Object{r.Offset, s.buf}, err
	}
}

// header returns the record at an offset. It reports false if there is none that can be.
func (s *scan) header(ctx context.Context, off int64) (r e2store.Record, ok bool, err error) {
	s.reader.SkipTo(off)
	r, err = s.reader.Next(ctx)
	switch {
	case errors.Is(err, e2store.ErrTruncated), errors.Is(err, e2store.ErrReserved):
		return r, false, nil
	case err != nil:
		return r, false, err
	}
	switch r.Type {
	case forms[s.id.Kind].typ:
		return r, int64(r.Length) <= maxFrames, nil
	case e2store.Version, info:
		return r, r.Length <= maxHead, nil
	default:
		return r, false, nil
	}
}

// maxHead is the most data that a record has which is no object.
const maxHead = 4096

// search returns the object whose frames are the next that begin, whatever the headers say. They end where no sound
// chunk follows: frames may contain what looks like the beginning of others.
func (s *scan) search(ctx context.Context) (Object, error) {
	begin, err := s.find(ctx, max(s.pos, e2store.HeaderSize))
	if err != nil {
		return Object{}, err
	}
	if begin == s.src.Size() {
		s.pos = begin
		return Object{}, io.EOF
	}
	s.buf = append(s.buf[:0], magic...)
	s.pos = begin + int64(len(magic))
	for more := true; more && err == nil; {
		more, err = s.appendChunk(ctx)
	}
	return Object{begin - e2store.HeaderSize, s.buf}, err
}

// A chunk of frames has a header: its type and, in three bytes, the length of what follows.
const (
	chunkHeader  = 4
	maxChunkType = 1 // of those with data
)

// maxChunk is the most that a chunk takes, with its header.
var maxChunk = int64(snappy.MaxCompressedLen(64 << 10))

// appendChunk appends the chunk at s.pos to the frames in s.buf, and goes on behind it. It reports false if there is no
// sound one.
func (s *scan) appendChunk(ctx context.Context) (ok bool, err error) {
	left := min(s.src.Size()-s.pos, maxFrames-int64(len(s.buf)))
	if left < chunkHeader {
		return false, nil
	}
	s.chunk, err = e2store.AppendRange(ctx, s.src, s.chunk[:0], s.pos, chunkHeader)
	if err != nil {
		return false, err
	}
	n := chunkHeader + (int64(s.chunk[1]) | int64(s.chunk[2])<<8 | int64(s.chunk[3])<<16)
	if s.chunk[0] > maxChunkType || n > min(left, maxChunk) {
		return false, nil
	}
	s.chunk, err = e2store.AppendRange(ctx, s.src, append(s.chunk[:0], magic...), s.pos, n)
	if err != nil {
		return false, err
	}
	size, err := snappy.DecodedLen(s.chunk)
	if err == nil {
		s.decoded, err = snappy.AppendDecoded(s.decoded[:0], s.chunk, size)
	}
	if err != nil {
		return false, nil
	}
	s.buf = append(s.buf, s.chunk[len(magic):]...)
	s.pos += n
	return true, nil
}

// findWindow is how much is read at a time by find.
const findWindow = 256 << 10

// find returns where the next frames begin, from an offset on, or the size of the file.
func (s *scan) find(ctx context.Context, off int64) (int64, error) {
	window := make([]byte, 0, findWindow)
	for ; off < s.src.Size(); off += int64(findWindow - len(magic) + 1) {
		var err error
		window, err = e2store.AppendRange(ctx, s.src, window[:0], off, min(findWindow, s.src.Size()-off))
		if err != nil {
			return 0, err
		}
		if at := bytes.Index(window, magic); at >= 0 {
			return off + int64(at), nil
		}
	}
	return s.src.Size(), nil
}
