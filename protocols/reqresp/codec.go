package reqresp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/protocol"
)

// ErrTooLarge is wrapped by the error of a codec that was sent a message over its
// limit.
var ErrTooLarge = errors.New("reqresp: message over its limit")

// Reader is what a codec reads from. It is buffered, so reading byte by byte
// costs little.
type Reader interface {
	io.Reader
	io.ByteReader
}

// A Codec encodes and decodes the messages of a family. It keeps no state
// between calls and is safe for concurrent use.
//
// Messages are passed as the pointers that the descriptors name: a codec of a
// Unary[Req, Resp] gets *Req and *Resp. Those to be read into are zero. The
// protocol ID is the one negotiated, for versions that differ on the wire.
//
// The appending methods extend dst and return it; dst belongs to the engine,
// which reuses it. What a reading method keeps must not alias what it read from.
type Codec interface {
	// Name is the last element of the protocol IDs, such as "ssz_snappy". It may be
	// empty.
	Name() string

	// AppendRequest appends req as the only message of the request side.
	AppendRequest(dst []byte, id protocol.ID, req any) ([]byte, error)

	// ReadRequest reads one request of at most limit decoded bytes. It returns as soon as
	// the request is complete; bytes that follow are for the engine to find. Only where the end of
	// the stream is the end of the request does it read up to that, and bytes that do not belong
	// to the request are an error.
	ReadRequest(r Reader, id protocol.ID, limit int, req any) error

	// AppendResponse appends resp as one response chunk.
	AppendResponse(dst []byte, id protocol.ID, resp any) ([]byte, error)

	// ReadResponse reads the next chunk, of at most limit decoded bytes. It returns io.EOF
	// only where the stream ended before the chunk's first byte, and an *Error
	// with Remote set where the chunk is an error.
	ReadResponse(r Reader, id protocol.ID, limit int, resp any) error
}

// A WholeStreamCodec is a [Codec] whose messages end where their stream does. As
// that leaves no place for a second chunk, [NewStream] panics if it is given
// one. [ReadWhole] reads such messages.
type WholeStreamCodec interface {
	Codec

	// WholeStream does nothing. It marks the codec.
	WholeStream()
}

// A TrailerCodec is a [Codec] of a wire format of which some encoders let bytes follow a complete request that mean
// nothing.
type TrailerCodec interface {
	Codec

	// Trailer returns the bytes that may follow req, which was read, once. The engine ignores them if they arrive
	// with the request. It is called only if bytes follow; nil means that none may.
	Trailer(id protocol.ID, req any) []byte
}

// ReadWhole reads r to its end and passes what it read, a whole message of at
// most limit bytes, to decode, whose error it returns. The bytes belong to the
// engine, which reuses them once decode has returned.
//
// Memory grows with what was received, and no more than limit+1 bytes are read. A
// message that is longer fails with an error that wraps ErrTooLarge. If there is
// none, not even a byte, the error is io.EOF.
func ReadWhole(r io.Reader, limit int, decode func(data []byte) error) error {
	buf := getBuffer()
	defer putBuffer(buf)
	for {
		if len(*buf) == cap(*buf) {
			*buf = slices.Grow(*buf, 512)
		}
		free := (*buf)[len(*buf):cap(*buf)]
		if rest := limit - len(*buf); len(free) > rest {
			free = free[:rest+1]
		}
		n, err := r.Read(free)
		*buf = (*buf)[:len(*buf)+n]
		switch {
		case len(*buf) > limit:
			return fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
		case err == io.EOF && len(*buf) > 0:
			return decode(*buf)
		case err != nil:
			return err
		}
	}
}

// An ErrorCodec is a [Codec] whose wire format can carry an error in place of a
// response. A server whose codec cannot resets the stream instead.
type ErrorCodec interface {
	Codec

	// AppendError appends an error chunk with e.Code and e.Message, the
	// latter cut to what the format allows.
	AppendError(dst []byte, id protocol.ID, e *Error) ([]byte, error)
}

// A SizeCodec is a [Codec] that knows how large messages are before they are encoded. The sizes are for
// the [Trace] only.
type SizeCodec interface {
	Codec

	// Size returns the size of a request or response in bytes.
	Size(msg any) int
}

func sizeOf(c Codec, msg any) int {
	if sizes, ok := c.(SizeCodec); ok {
		return sizes.Size(msg)
	}
	return 0
}

// A BoundedRequest is a request which knows how many chunks may answer it. A
// caller accepts no more than that, nor more than the protocol's
// [Limits].MaxChunks.
type BoundedRequest interface {
	// MaxChunks returns the bound, zero or more.
	MaxChunks() int
}

// maxPooledBuffer keeps one rare, large chunk from pinning its memory.
const maxPooledBuffer = 1 << 20

var bufferPool = sync.Pool{New: func() any { return new([]byte) }}

func getBuffer() *[]byte { return bufferPool.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) > maxPooledBuffer {
		return
	}
	*b = (*b)[:0]
	bufferPool.Put(b)
}

// readerSize holds any request and a chunk's header; larger reads bypass it.
const readerSize = 4 << 10

var readerPool = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readerSize) }}

func getReader(r io.Reader) *bufio.Reader {
	br := readerPool.Get().(*bufio.Reader)
	br.Reset(r)
	return br
}

func putReader(br *bufio.Reader) {
	br.Reset(nil)
	readerPool.Put(br)
}
