package integration_test

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A parcel is a response; as a request it is how many of them are wanted.
type parcel uint32

// MaxChunks implements reqresp.BoundedRequest.
func (p *parcel) MaxChunks() int { return int(*p) }

// parcelCodec lays out a request as four bytes and a response as netChunk of
// them, of which the first is zero. An error is one byte.
type parcelCodec struct{}

func (parcelCodec) Name() string { return "" }

func (parcelCodec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(*req.(*parcel))), nil
}

func (parcelCodec) ReadRequest(r reqresp.Reader, _ protocol.ID, _ int, req any) error {
	b, err := io.ReadAll(io.LimitReader(r, 5))
	if err == nil && len(b) != 4 {
		err = fmt.Errorf("request of %d bytes", len(b))
	}
	if err != nil {
		return err
	}
	*req.(*parcel) = parcel(binary.BigEndian.Uint32(b))
	return nil
}

func (parcelCodec) AppendResponse(dst []byte, _ protocol.ID, _ any) ([]byte, error) {
	return append(dst, make([]byte, netChunk)...), nil
}

func (parcelCodec) AppendError(dst []byte, _ protocol.ID, e *reqresp.Error) ([]byte, error) {
	return append(dst, byte(e.Code)), nil
}

func (parcelCodec) ReadResponse(r reqresp.Reader, _ protocol.ID, _ int, _ any) error {
	code, err := r.ReadByte()
	if err != nil {
		return err
	}
	if code != 0 {
		return &reqresp.Error{Code: reqresp.Code(code), Remote: true}
	}
	var b [netChunk - 1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	return nil
}

var parcels = reqresp.NewStream[parcel, parcel](
	reqresp.Family{Prefix: "/test", Codec: parcelCodec{}}, "parcels", 1)
