package reqresp

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Defaults of [ServerOptions].
const (
	DefaultMaxStreams        = 1024
	DefaultMaxStreamsPerPeer = 64
	DefaultMaxMemory         = 256 << 20
)

// ServerOptions are the optional settings of a [Server]. The zero value is
// ready.
type ServerOptions struct {
	// Middleware wraps every exchange, the first outermost.
	Middleware []Middleware
	// Limiter decides when exchanges may go on. Nil lets them go on at once.
	Limiter Limiter
	// MaxStreams bounds the streams served at a time. As it is reached, a peer that
	// has fewer than others on average is still served: the peer with most gives up
	// the last of its streams whose exchange is not admitted yet, if there is one. Zero
	// means DefaultMaxStreams.
	MaxStreams int
	// MaxStreamsPerConn bounds those on one connection. Zero leaves it to
	// MaxStreamsPerPeer.
	MaxStreamsPerConn int
	// MaxStreamsPerPeer bounds those of one peer. Without others giving up theirs, a
	// peer never gets more than a sixteenth of the streams that are left, though
	// always one while there is any, so that no few peers can keep all others out.
	// Zero means DefaultMaxStreamsPerPeer.
	MaxStreamsPerPeer int
	// MaxMemory bounds the bytes of the messages held at a time: what was received of each
	// request, from its first byte until its exchange ends, and 4 KiB to read it with, and each
	// chunk while it is encoded and written. A peer never gets more than a sixteenth of what is
	// left, though always one exchange while it fits. What is beyond is refused. Buffers may be
	// up to twice as large as what they hold. Zero means DefaultMaxMemory.
	MaxMemory int
	// Trace is called as exchanges go on. Nil calls nothing.
	Trace *Trace
	// Logger gets failures of handlers at level warn and of peers at level debug.
	// Nil discards them.
	Logger *slog.Logger
}

func (o ServerOptions) withDefaults() ServerOptions {
	mustNotBeNegative("ServerOptions",
		setting[int]{"MaxStreams", o.MaxStreams},
		setting[int]{"MaxStreamsPerConn", o.MaxStreamsPerConn},
		setting[int]{"MaxStreamsPerPeer", o.MaxStreamsPerPeer},
		setting[int]{"MaxMemory", o.MaxMemory})
	o.MaxStreams = cmp.Or(o.MaxStreams, DefaultMaxStreams)
	o.MaxStreamsPerPeer = cmp.Or(o.MaxStreamsPerPeer, DefaultMaxStreamsPerPeer)
	o.MaxStreamsPerConn = cmp.Or(o.MaxStreamsPerConn, o.MaxStreamsPerPeer)
	o.MaxMemory = cmp.Or(o.MaxMemory, DefaultMaxMemory)
	o.Middleware = slices.Clone(o.Middleware)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

// A Server serves protocols to the peers of a host. Of several on one host each has protocols of
// its own: libp2p calls the handler that was set for a protocol last, and removes it with the first
// server that stops.
type Server struct {
	host      Host
	opts      ServerOptions
	log       *slog.Logger
	protect   *protector
	memory    *memoryPool
	refused   atomic.Uint64
	ctx       context.Context // the exchanges'; cancelled when draining is over
	cancel    context.CancelCauseFunc
	exchanges sync.WaitGroup
	notifiee  *network.NotifyBundle
	lastID    atomic.Uint64

	// lifecycle orders the calls to the host, which may wait for its listeners.
	lifecycle sync.Mutex
	handlers  []Handler // guarded by lifecycle and mu: either is enough to read them

	mu    sync.Mutex
	state serverState
	slots slots
	conns map[network.Conn]*servedConn
}

type serverState uint8

const (
	stateNew serverState = iota
	stateRunning
	stateStopped
)

// NewServer returns a server of h's peers. Nothing is served before Start.
// Options may be nil. It panics if a bound in opts is negative.
func NewServer(h Host, opts *ServerOptions) *Server {
	var o ServerOptions
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	s := &Server{
		host:    h,
		opts:    o,
		log:     o.Logger,
		protect: newProtector(h.ConnManager()),
		memory:  newMemoryPool(o.MaxMemory),
		slots:   newSlots(o),
		conns:   make(map[network.Conn]*servedConn),
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.notifiee = &network.NotifyBundle{DisconnectedF: s.disconnected}
	return s
}

// Start begins to serve. It fails with ErrClosed after Stop, and does nothing
// if the server already runs.
func (s *Server) Start() error {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	switch s.transition(stateRunning) {
	case stateStopped:
		return ErrClosed
	case stateRunning:
		return nil
	case stateNew:
	}
	s.host.Network().Notify(s.notifiee)
	for _, m := range s.handlers {
		s.announce(m)
	}
	return nil
}

// transition enters a state, unless the server was stopped, and returns the one
// before.
func (s *Server) transition(to serverState) (from serverState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from = s.state
	if from != stateStopped {
		s.state = to
	}
	return from
}

// Stop accepts no more streams, waits for those in flight until ctx ends, resets
// the rest with network.StreamShutdown, and returns when every handler has. A
// handler that ignores its context and its failing stream is waited for. The
// error is the context's if streams had to be reset. The host stays open.
func (s *Server) Stop(ctx context.Context) error {
	running := s.silence()
	drained := make(chan struct{})
	go func() {
		s.exchanges.Wait()
		close(drained)
	}()
	var err error
	select {
	case <-drained:
	case <-ctx.Done():
		if len(s.Streams()) > 0 {
			err = ctx.Err()
		}
	}
	s.cancel(ErrClosed)
	<-drained
	if running {
		s.host.Network().StopNotify(s.notifiee)
	}
	return err
}

// silence has the host accept no more streams, and reports whether it did before.
func (s *Server) silence() bool {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	if s.transition(stateStopped) != stateRunning {
		return false
	}
	for _, m := range s.handlers {
		s.withdraw(m)
	}
	return true
}

// Register adds handlers. On a server that runs they serve, and their protocols are announced to peers, from now
// on. It panics if one lacks its spec or function or a protocol ID is
// already registered, as only a programming mistake can cause any of these.
func (s *Server) Register(handlers ...Handler) {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	all := slices.Clone(s.handlers)
	for _, m := range handlers {
		if m.Spec == nil || m.Serve == nil {
			panic("reqresp: Register of a Handler without Spec or Serve")
		}
		for _, id := range m.Spec.ids {
			if serves(all, id) {
				panic(fmt.Sprintf("reqresp: protocol %s is registered twice", id))
			}
		}
		all = append(all, m)
	}
	if s.setHandlers(all) {
		for _, m := range handlers {
			s.announce(m)
		}
	}
}

func serves(handlers []Handler, id protocol.ID) bool {
	return slices.ContainsFunc(handlers, func(m Handler) bool { return slices.Contains(m.Spec.ids, id) })
}

// setHandlers replaces the handlers and reports whether the server runs. lifecycle must be held.
func (s *Server) setHandlers(handlers []Handler) (running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers = handlers
	return s.state == stateRunning
}

// Unregister removes the handlers of protocols, which peers learn of. Exchanges in flight go on.
// Protocols that are not registered are ignored.
func (s *Server) Unregister(specs ...*Spec) {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	var kept, removed []Handler
	for _, m := range s.handlers {
		if slices.Contains(specs, m.Spec) {
			removed = append(removed, m)
		} else {
			kept = append(kept, m)
		}
	}
	if s.setHandlers(kept) {
		for _, m := range removed {
			s.withdraw(m)
		}
	}
}

// announce has the host accept streams of a protocol.
func (s *Server) announce(m Handler) {
	handler := wrap(m.Serve, s.opts.Middleware)
	for _, id := range m.Spec.ids {
		s.host.SetStreamHandler(id, func(stream network.Stream) { s.serve(m.Spec, handler, stream) })
	}
}

// withdraw undoes announce.
func (s *Server) withdraw(m Handler) {
	for _, id := range m.Spec.ids {
		s.host.RemoveStreamHandler(id)
	}
}

// Specs yields the protocols that are registered.
func (s *Server) Specs() iter.Seq[*Spec] {
	return func(yield func(*Spec) bool) {
		s.mu.Lock()
		handlers := slices.Clone(s.handlers)
		s.mu.Unlock()
		for _, m := range handlers {
			if !yield(m.Spec) {
				return
			}
		}
	}
}

// Streams returns how many streams of each peer are being served.
func (s *Server) Streams() map[peer.ID]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.slots.peers)
}

// A Serving is an exchange that is being served.
type Serving struct {
	Info
	// Written is how many bytes of the answer the stream has taken so far.
	Written uint64
}

// Serving returns the exchanges that are being served, the latest first. The slice is the caller's.
func (s *Server) Serving() []Serving {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Serving, 0, len(s.slots.taken))
	for at := range s.slots.taken {
		all = append(all, Serving{at.inbound.exchange.Info, at.inbound.timer.written.Load()})
	}
	slices.SortFunc(all, func(a, b Serving) int { return cmp.Compare(b.ID, a.ID) })
	return all
}

// Refused returns how many streams were reset because a bound of ServerOptions, or of
// the host's resource manager, was reached: unread, or at least without an answer, if it
// was one of streams.
func (s *Server) Refused() uint64 { return s.refused.Load() }

// Memory returns how many bytes the messages in flight take, of
// [ServerOptions].MaxMemory.
func (s *Server) Memory() int { return s.memory.used() }

// enter gives an exchange a slot, whose context is the exchange's from now on.
func (s *Server) enter(conn network.Conn, to *slot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateRunning {
		return ErrClosed
	}
	id := to.inbound.Peer()
	err := s.slots.check(id)
	connFull := s.onConnLocked(conn) >= s.opts.MaxStreamsPerConn
	switch {
	case err == nil && connFull:
		err = errStreamsPerConn
	case err != nil && !connFull && s.evictLocked(id):
		err = nil
	}
	if err != nil {
		s.refused.Add(1)
		return err
	}
	to.ctx, to.cancel = context.WithCancelCause(s.enterConnLocked(conn))
	s.slots.take(to)
	s.exchanges.Add(1)
	return nil
}

// evictLocked makes room for a peer's exchange at the cost of another peer's, and
// reports whether it could.
func (s *Server) evictLocked(id peer.ID) bool {
	evicted := s.slots.evict(id)
	if evicted == nil {
		return false
	}
	s.refused.Add(1)
	evicted.cancel(errEvicted)
	return true
}

// admitted marks an exchange as admitted by the limiter. It fails if its slot was evicted.
func (s *Server) admitted(at *slot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.evicted {
		return errEvicted
	}
	s.slots.admit(at)
	return nil
}

func (s *Server) leave(conn network.Conn, left *slot) {
	left.cancel(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots.release(left)
	s.leaveConnLocked(conn)
	s.exchanges.Done()
}
