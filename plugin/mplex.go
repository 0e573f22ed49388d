package plugin

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// An mplexMuxer is an mplex whose connections survive refused streams. go-mplex has four receive buffers
// for all streams of a connection, and a stream that is reset with data unread keeps those which hold it for good:
// four streams for which there is no slot stall everything, and hide what a peer does from the manager
// of the resources.
type mplexMuxer struct{ network.Multiplexer }

func (m mplexMuxer) NewConn(c net.Conn, isServer bool, scope network.PeerScope) (network.MuxedConn, error) {
	conn, err := m.Multiplexer.NewConn(c, isServer, scope)
	if err != nil {
		return nil, err
	}
	return mplexConn{conn}, nil
}

type mplexConn struct{ network.MuxedConn }

func (c mplexConn) AcceptStream() (network.MuxedStream, error) {
	s, err := c.MuxedConn.AcceptStream()
	if err != nil {
		return nil, err
	}
	return &mplexStream{MuxedStream: s}, nil
}

// refusedGrace is how long the first bytes of a refused stream are waited for, which a peer sends along with the
// stream. What comes later is skipped. The peer's next stream waits meanwhile.
const refusedGrace = 5 * time.Millisecond

// An mplexStream is a stream that a peer has opened.
type mplexStream struct {
	network.MuxedStream
	read atomic.Bool
}

func (s *mplexStream) Read(b []byte) (int, error) {
	s.read.Store(true)
	return s.MuxedStream.Read(b)
}

func (s *mplexStream) Reset() error {
	s.drain()
	return s.MuxedStream.Reset()
}

func (s *mplexStream) ResetWithError(code network.StreamErrorCode) error {
	s.drain()
	return s.MuxedStream.ResetWithError(code)
}

// drain reads what a stream has received that nobody has read from: one that is refused.
func (s *mplexStream) drain() {
	if s.read.Swap(true) {
		return
	}
	_ = s.SetReadDeadline(time.Now().Add(refusedGrace))
	_, _ = io.Copy(io.Discard, s.MuxedStream)
}
