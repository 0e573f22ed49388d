package beacon

import (
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/network"
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

// codec is the ssz_snappy encoding strategy of the specs: a request is the SSZ
// length as a varint and snappy frames; a response chunk is the same behind a
// result byte and, for blocks, four context bytes.
type codec struct {
	network *ssz.Network
	// rootsShape is that of requests by root before deneb, which allowed for more roots. How
	// many are allowed now is for the server to say.
	rootsShape *ssz.Shape
	// payloads is told of every message that was read or laid out, unless nil.
	payloads func(Payload)
}

var _ reqresp.ErrorCodec = (*codec)(nil)

// Name implements reqresp.Codec.
func (c *codec) Name() string { return "ssz_snappy" }

// AppendRequest implements reqresp.Codec.
func (c *codec) AppendRequest(dst []byte, id protocol.ID, req any) ([]byte, error) {
	var msg marshaler
	switch req := req.(type) {
	case *Empty:
		return dst, nil
	case *BlocksByRootRequest:
		msg = &req.Roots
	case ssz.Message:
		msg = req
	default:
		return nil, fmt.Errorf("beacon: %T is no request", req)
	}
	dst, n, err := appendMessage(dst, msg)
	c.tell(id, network.DirOutbound, false, n)
	return dst, err
}

// ReadRequest implements reqresp.Codec.
func (c *codec) ReadRequest(r reqresp.Reader, id protocol.ID, limit int, req any) error {
	var n int
	var err error
	switch req := req.(type) {
	case *Empty:
		return invalid(readEmpty(r))
	case *BlocksByRootRequest:
		n, err = readRequest(r, limit, c.rootsShape, &req.Roots)
	case ssz.Message:
		n, err = readRequest(r, limit, req.Shape(), req)
	default:
		return fmt.Errorf("beacon: %T is no request", req)
	}
	c.tell(id, network.DirInbound, false, n)
	return invalid(err)
}

// AppendResponse implements reqresp.Codec. Blocks are not its business: a server
// appends them from its chain, see blockWriter.
func (c *codec) AppendResponse(dst []byte, id protocol.ID, resp any) ([]byte, error) {
	msg, ok := resp.(ssz.Message)
	if !ok {
		return nil, fmt.Errorf("beacon: %T is no response", resp)
	}
	dst, n, err := appendMessage(append(dst, resultSuccess), msg)
	c.tell(id, network.DirInbound, true, n)
	return dst, err
}

// ReadResponse implements reqresp.Codec.
func (c *codec) ReadResponse(r reqresp.Reader, id protocol.ID, limit int, resp any) error {
	result, err := r.ReadByte()
	if err != nil {
		return err // io.EOF here is the response's clean end
	}
	if result != resultSuccess {
		return noEOF(readError(r, reqresp.Code(result)))
	}
	var n int
	switch resp := resp.(type) {
	case *Block:
		err = c.readBlock(r, limit, resp)
		n = len(resp.SSZ)
	case ssz.Message:
		n, err = readMessage(r, limit, resp.Shape(), resp)
	default:
		return fmt.Errorf("beacon: %T is no response", resp)
	}
	c.tell(id, network.DirOutbound, true, n)
	return noEOF(err)
}

// AppendError implements reqresp.ErrorCodec. A verdict without text gets its
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

// readError returns the peer's verdict, or why it cannot be read.
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

// readBlock reads what follows the result byte of a block's chunk. Root is left
// for the caller to compute.
func (c *codec) readBlock(r reqresp.Reader, limit int, b *Block) error {
	if _, err := io.ReadFull(r, b.Digest[:]); err != nil {
		return err
	}
	fork, ok := c.network.ForkOf(b.Digest)
	if !ok {
		return fmt.Errorf("%w: %v", ErrUnknownDigest, b.Digest)
	}
	b.Fork = fork
	least, most := c.network.BlockBounds(fork)
	if most == 0 {
		most = limit // a fork whose blocks are not known here, which decoding will tell
	}
	n, err := snappy.ReadHeader(r, snappy.Bounds{Min: least, Max: min(most, limit)})
	if err != nil {
		return err
	}
	var payload snappy.Payload
	if err := snappy.ReadPayload(r, n, &payload); err != nil {
		return err
	}
	b.SSZ, b.Frames = payload.SSZ, payload.Frames
	return c.readHeader(b)
}

// readHeader fills in what the block's bytes tell, and holds its context bytes
// against its slot.
func (c *codec) readHeader(b *Block) error {
	header, err := ssz.PeekBlock(b.SSZ)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformedBlock, err)
	}
	b.Slot, b.ParentRoot = header.Slot, header.ParentRoot
	if want := c.network.DigestAt(c.network.EpochOf(b.Slot)); b.Digest != want {
		return fmt.Errorf("%w: %v at slot %d, want %v", ErrWrongDigest, b.Digest, b.Slot, want)
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

// invalid makes a reading error the verdict that a malformed request deserves.
// The text is this module's own.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return reqresp.Errorf(reqresp.CodeInvalidRequest, "%w", noEOF(err))
}
