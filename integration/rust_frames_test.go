//go:build peers

package integration_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// frame is a message of the protocols bytes, oneway and versions of the Rust peers.
type frame []byte

// frames lays a message out as its length, a varint, and its bytes.
type frames struct{}

func (frames) Name() string { return "" }

func (frames) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	f := *req.(*frame)
	return append(binary.AppendUvarint(dst, uint64(len(f))), f...), nil
}

func (frames) ReadRequest(r reqresp.Reader, id protocol.ID, limit int, req any) error {
	err := frames{}.ReadResponse(r, id, limit, req)
	if err != nil {
		return err
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return errors.New("bytes after the request")
	}
	return nil
}

func (frames) AppendResponse(dst []byte, id protocol.ID, resp any) ([]byte, error) {
	return frames{}.AppendRequest(dst, id, resp)
}

func (frames) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return err
	}
	if size > uint64(limit) {
		return fmt.Errorf("%d bytes, the limit is %d", size, limit)
	}
	f := make(frame, size)
	if _, err := io.ReadFull(r, f); err != nil {
		return fmt.Errorf("after %d bytes: %w", size, io.ErrUnexpectedEOF)
	}
	*resp.(*frame) = f
	return nil
}

// maxFrame is the largest message of a Rust peer.
const maxFrame = 16 << 20

// frameFamily has the protocols whose messages are frames.
var (
	frameFamily   = reqresp.Family{Prefix: "/reqresp-test", Codec: frames{}}
	frameLimits   = reqresp.Limits{MaxRequest: maxFrame, MaxResponse: maxFrame}
	bytesProtocol = reqresp.NewUnary[frame, frame](frameFamily, "bytes", 1).WithLimits(frameLimits)
	oneWay        = reqresp.NewOneWay[frame](frameFamily, "oneway", 1).WithLimits(frameLimits)
	versions      = reqresp.NewUnary[frame, frame](frameFamily, "versions", 2, 1).WithLimits(frameLimits)
)

// pattern is what the messages of the protocol bytes are made of, in Rust too: byte n is
// n modulo 251.
var pattern = func() frame {
	p := make(frame, maxFrame)
	for n := range p {
		p[n] = byte(n % 251)
	}
	return p
}()

// bytesRequest is a request of size bytes, at least 8, for so many bytes in response.
func bytesRequest(size, response int) *frame {
	f := make(frame, 0, size)
	f = binary.BigEndian.AppendUint64(f, uint64(response))
	f = append(f, pattern[:size-8]...)
	return &f
}

// bytesResponse is what a request asks for.
func bytesResponse(req *frame) (*frame, error) {
	if len(*req) < 8 {
		return nil, reqresp.Errorf(reqresp.CodeInvalidRequest, "%d bytes, want 8", len(*req))
	}
	size := binary.BigEndian.Uint64(*req)
	if size > maxFrame {
		return nil, reqresp.Errorf(reqresp.CodeInvalidRequest, "asks for %d bytes, the limit is %d", size, maxFrame)
	}
	return new(pattern[:size]), nil
}
