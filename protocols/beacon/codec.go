package beacon

import (
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The result bytes of a response chunk. Everything but success is followed by an
// error message.
const resultSuccess = 0

// maxErrorMessage is the limit of ErrorMessage, List[byte, 256].
const maxErrorMessage = 256

// codec is the ssz_snappy encoding strategy of the specs for one protocol: a request is the SSZ
// length as a varint and snappy frames; a response chunk is the same behind a
// result byte and, where the protocol says so, four context bytes.
type codec struct{ protocol *Protocol }

var (
	_ reqresp.ErrorCodec   = (*codec)(nil)
	_ reqresp.TrailerCodec = (*codec)(nil)
	_ reqresp.SizeCodec    = (*codec)(nil)
)

// Name implements reqresp.Codec.
func (c *codec) Name() string { return "ssz_snappy" }

// AppendRequest implements reqresp.Codec.
func (c *codec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	if bounded, ok := req.(*boundedRequest); ok {
		req = bounded.request
	}
	switch req := req.(type) {
	case *struct{}:
		return dst, nil
	case marshaler:
		return appendMessage(dst, req)
	default:
		return nil, fmt.Errorf("beacon: %T is no request", req)
	}
}

// ReadRequest implements reqresp.Codec.
func (c *codec) ReadRequest(r reqresp.Reader, _ protocol.ID, limit int, req any) error {
	switch req := req.(type) {
	case *struct{}:
		return nil
	case unmarshaler:
		return invalid(readMessage(r, limit, c.protocol.request, req))
	default:
		return fmt.Errorf("beacon: %T is no request", req)
	}
}

// Size implements reqresp.SizeCodec.
func (c *codec) Size(msg any) int {
	switch msg := msg.(type) {
	case *boundedRequest:
		return c.Size(msg.request)
	case object:
		return len(msg.chunk().SSZ)
	case interface{ SizeSSZ() int }:
		return msg.SizeSSZ()
	}
	return 0
}

// Trailer implements reqresp.TrailerCodec: some encoders let a stream identifier follow a list without elements.
func (c *codec) Trailer(_ protocol.ID, req any) []byte {
	if list, ok := req.(marshaler); ok {
		if b, err := list.MarshalSSZTo(nil); err == nil && len(b) == 0 {
			return []byte("\xff\x06\x00\x00sNaPpY")
		}
	}
	return nil
}

// AppendResponse implements reqresp.Codec. A server encodes the objects of a chain itself, see query.send.
func (c *codec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	switch resp := resp.(type) {
	case object:
		return c.appendObject(append(dst, resultSuccess), resp.chunk()), nil
	case ssz.Message:
		return appendMessage(append(dst, resultSuccess), resp)
	default:
		return nil, fmt.Errorf("beacon: %T is no response", resp)
	}
}

func (c *codec) appendObject(dst []byte, chunk Chunk) []byte {
	if c.protocol.Context {
		dst = append(dst, chunk.Digest[:]...)
	}
	dst = snappy.AppendHeader(dst, len(chunk.SSZ))
	if chunk.Frames == nil {
		return snappy.AppendFrames(dst, chunk.SSZ)
	}
	return append(dst, chunk.Frames...)
}

// ReadResponse implements reqresp.Codec.
func (c *codec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	result, err := r.ReadByte()
	if err != nil {
		return err // io.EOF here is the response's clean end
	}
	if result != resultSuccess {
		return noEOF(readError(r, reqresp.Code(result)))
	}
	switch resp := resp.(type) {
	case object:
		err = c.readObject(r, limit, resp)
	case ssz.Message:
		err = readMessage(r, limit, resp.Shape(), resp)
	default:
		return fmt.Errorf("beacon: %T is no response", resp)
	}
	return noEOF(err)
}

// AppendError implements reqresp.ErrorCodec. An error response without text gets its
// code's: some decoders fail on an empty message.
func (c *codec) AppendError(dst []byte, _ protocol.ID, e *reqresp.Error) ([]byte, error) {
	text := e.Message
	if text == "" {
		text = e.Code.String()
	}
	text = text[:min(len(text), maxErrorMessage)]
	dst = append(dst, byte(e.Code))
	dst = snappy.AppendHeader(dst, len(text))
	return snappy.AppendFrames(dst, []byte(text)), nil
}

// readError returns the peer's error response, or why it cannot be read.
func readError(r reqresp.Reader, code reqresp.Code) error {
	n, err := snappy.ReadHeader(r, snappy.Bounds{Max: maxErrorMessage})
	if err == io.EOF {
		// Some clients send an empty message as no bytes at all.
		return &reqresp.Error{Code: code, Remote: true}
	}
	if err != nil {
		return fmt.Errorf("error message: %w", err)
	}
	text, err := snappy.AppendPayload(nil, r, n)
	if err != nil {
		return fmt.Errorf("error message: %w", err)
	}
	return &reqresp.Error{Code: code, Message: string(text), Remote: true}
}

// readObject reads what follows the result byte of an object's chunk.
func (c *codec) readObject(r reqresp.Reader, limit int, into object) error {
	chunk, err := c.readContext(r)
	if err != nil {
		return err
	}
	t := c.protocol.ResponseType(chunk.Fork)
	if t == nil {
		return fmt.Errorf("%w: %v, of %v, which has no %s",
			ErrUnknownDigest, chunk.Digest, chunk.Fork, c.protocol.Response)
	}
	least, most := c.protocol.SizeBounds(chunk.Fork)
	n, err := snappy.ReadHeader(r, snappy.Bounds{Min: least, Max: min(most, limit)})
	if err != nil {
		return err
	}
	var payload snappy.Payload
	if err := snappy.ReadPayload(r, n, &payload); err != nil {
		return err
	}
	chunk.SSZ, chunk.Frames = payload.SSZ, payload.Frames
	slot, err := into.decode(t, chunk)
	if err != nil {
		return err
	}
	return c.checkSlot(chunk, slot)
}

// readContext reads the context bytes, which tell the fork. Where there are none, the protocol does.
func (c *codec) readContext(r reqresp.Reader) (Chunk, error) {
	chunk := Chunk{Fork: c.protocol.First}
	if !c.protocol.Context {
		chunk.Digest = c.protocol.network.DigestAt(0)
		return chunk, nil
	}
	if _, err := io.ReadFull(r, chunk.Digest[:]); err != nil {
		return chunk, err
	}
	var ok bool
	if chunk.Fork, ok = c.protocol.network.ForkOf(chunk.Digest); !ok {
		return chunk, fmt.Errorf("%w: %v", ErrUnknownDigest, chunk.Digest)
	}
	return chunk, nil
}

// checkSlot compares context bytes with those of the object's slot.
func (c *codec) checkSlot(chunk Chunk, slot ssz.Slot) error {
	n := c.protocol.network
	if want := n.PeriodAt(n.EpochOf(slot)); chunk.Digest != want.Digest || chunk.Fork != want.Fork {
		return fmt.Errorf("%w: %v, %v, at slot %d, want %v, %v",
			ErrWrongDigest, chunk.Digest, chunk.Fork, slot, want.Digest, want.Fork)
	}
	return nil
}

// noEOF keeps an end inside a chunk from being taken for a clean one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// invalid makes a reading error the error response to a malformed request.
// The text is this module's own.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return reqresp.Errorf(reqresp.CodeInvalidRequest, "%w", noEOF(err))
}

// What the codec needs of a message. All those of ssz have it.
type (
	marshaler interface {
		MarshalSSZTo(dst []byte) ([]byte, error)
	}
	unmarshaler interface {
		UnmarshalSSZ(b []byte) error
	}
)

// appendMessage appends the length and the frames of a message.
// Messages are small and few, so the detour over a slice of their own is good enough.
func appendMessage(dst []byte, msg marshaler) ([]byte, error) {
	b, err := msg.MarshalSSZTo(nil)
	if err != nil {
		return nil, err
	}
	dst = snappy.AppendHeader(dst, len(b))
	return snappy.AppendFrames(dst, b), nil
}

// readMessage reads the length and the frames of a message and decodes it, once its
// bytes were held against the shape: fastssz alone would believe them.
func readMessage(r reqresp.Reader, limit int, shape *ssz.Shape, msg unmarshaler) error {
	least, most := shape.Bounds()
	n, err := snappy.ReadHeader(r, snappy.Bounds{Min: least, Max: min(most, limit)})
	if err != nil {
		return noEOF(err)
	}
	b, err := snappy.AppendPayload(nil, r, n)
	if err != nil {
		return err
	}
	if err := shape.Check(b); err != nil {
		return err
	}
	return msg.UnmarshalSSZ(b)
}
