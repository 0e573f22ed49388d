//go:build peers

package integration_test

import (
	"bufio"
	"context"
	"io"
	"sync"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// plainFrames is the protocol bytes without a library: streams of go-libp2p, and the codec.
const plainFrames = "/reqresp-bench/frames/1"

// plainBuffers are what messages are laid out in.
var plainBuffers = sync.Pool{New: func() any { return new([]byte) }}

func callPlain(ctx context.Context, h host.Host, to peer.ID, req *frame) (*frame, error) {
	stream, err := h.NewStream(ctx, to, plainFrames)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if err := writePlain(stream, req); err != nil {
		return nil, err
	}
	if err := stream.CloseWrite(); err != nil {
		return nil, err
	}
	var resp frame
	err = frames{}.ReadRequest(bufio.NewReader(stream), plainFrames, maxFrame, &resp)
	return &resp, err
}

func servePlain(stream network.Stream) {
	defer stream.Close()
	var req frame
	if err := (frames{}).ReadRequest(bufio.NewReader(stream), plainFrames, maxFrame, &req); err != nil {
		_ = stream.Reset()
		return
	}
	resp, err := bytesResponse(&req)
	if err == nil {
		err = writePlain(stream, resp)
	}
	if err != nil {
		_ = stream.Reset()
	}
}

// writePlain writes a message in one piece.
func writePlain(w io.Writer, f *frame) error {
	buffer := plainBuffers.Get().(*[]byte)
	defer plainBuffers.Put(buffer)
	var err error
	if *buffer, err = (frames{}).AppendRequest((*buffer)[:0], plainFrames, f); err != nil {
		return err
	}
	_, err = w.Write(*buffer)
	return err
}
