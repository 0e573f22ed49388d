package reqresp

import (
	"context"

	"github.com/libp2p/go-libp2p/core/network"
)

// A servedConn is a connection on which exchanges are being served. An exchange
// that waits, for its pacer or in its handler, would not notice otherwise that there is nobody
// left to wait for it.
type servedConn struct {
	ctx       context.Context
	cancel    context.CancelCauseFunc
	exchanges int
}

// enterConnLocked returns the context of the exchanges on a connection.
func (s *Server) enterConnLocked(conn network.Conn) context.Context {
	c := s.conns[conn]
	if c == nil {
		c = new(servedConn)
		c.ctx, c.cancel = context.WithCancelCause(s.ctx)
		s.conns[conn] = c
	}
	c.exchanges++
	if conn.IsClosed() {
		// Its end may have been notified before there was anyone to tell.
		c.cancel(ErrDisconnected)
	}
	return c.ctx
}

// onConnLocked returns how many exchanges are being served on a connection.
func (s *Server) onConnLocked(conn network.Conn) int {
	if c := s.conns[conn]; c != nil {
		return c.exchanges
	}
	return 0
}

func (s *Server) leaveConnLocked(conn network.Conn) {
	c := s.conns[conn]
	c.exchanges--
	if c.exchanges == 0 {
		c.cancel(nil)
		delete(s.conns, conn)
	}
}

// disconnected ends the exchanges on a connection that is gone.
func (s *Server) disconnected(_ network.Network, conn network.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.conns[conn]; c != nil {
		c.cancel(ErrDisconnected)
	}
}
