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

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Defaults of [ServerOptions].
const (
	DefaultMaxStreams        = 1024
	DefaultMaxStreamsPerPeer = 64
)

// ServerOptions are the optional settings of a [Server]. The zero value is
// ready.
type ServerOptions struct {
	// Middleware wraps every exchange, the first outermost.
	Middleware []Middleware
	// Pacer decides when exchanges may go on. Nil lets them go on at once.
	Pacer Pacer
	// MaxStreams bounds the streams served at a time. Zero means
	// DefaultMaxStreams.
	MaxStreams int
	// MaxStreamsPerPeer bounds those of one peer. A peer never gets more than a
	// sixteenth of the streams that are left, though always one while there is
	// any, so that no few peers can keep all others out. Zero means
	// DefaultMaxStreamsPerPeer.
	MaxStreamsPerPeer int
	// Logger gets failures of handlers at level warn and of peers at level debug.
	// Nil discards them.
	Logger *slog.Logger
}

// A Server serves methods to the peers of a host.
type Server struct {
	host     Host
	opts     ServerOptions
	log      *slog.Logger
	protect  *protector
	ctx      context.Context // the exchanges'; cancelled when draining is over
	cancel   context.CancelCauseFunc
	exchange sync.WaitGroup
	notifiee *network.NotifyBundle

	mu      sync.Mutex
	state   serverState
	methods []Method
	streams map[peer.ID]int
	conns   map[network.Conn]*servedConn
	total   int
	refused uint64
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
	if o.MaxStreams < 0 || o.MaxStreamsPerPeer < 0 {
		panic(fmt.Sprintf("reqresp: stream bounds %d and %d must not be negative", o.MaxStreams, o.MaxStreamsPerPeer))
	}
	o.MaxStreams = cmp.Or(o.MaxStreams, DefaultMaxStreams)
	o.MaxStreamsPerPeer = cmp.Or(o.MaxStreamsPerPeer, DefaultMaxStreamsPerPeer)
	o.Middleware = slices.Clone(o.Middleware)
	s := &Server{
		host:    h,
		opts:    o,
		log:     cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		protect: newProtector(h.ConnManager()),
		streams: make(map[peer.ID]int),
		conns:   make(map[network.Conn]*servedConn),
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.notifiee = &network.NotifyBundle{DisconnectedF: s.disconnected}
	return s
}

// Register adds methods. It panics if a method lacks its spec or handler, a
// protocol ID is already registered or the server was started, as only a
// programming mistake can cause any of these.
func (s *Server) Register(methods ...Method) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateNew {
		panic("reqresp: Register after Start")
	}
	for _, m := range methods {
		if m.Spec == nil || m.Handler == nil {
			panic("reqresp: Register of a method without spec or handler")
		}
		for _, other := range s.methods {
			for _, id := range m.Spec.Protocols {
				if slices.Contains(other.Spec.Protocols, id) {
					panic(fmt.Sprintf("reqresp: protocol %s is registered twice", id))
				}
			}
		}
		s.methods = append(s.methods, m)
	}
}

// Specs yields the protocols that are registered.
func (s *Server) Specs() iter.Seq[*Spec] {
	return func(yield func(*Spec) bool) {
		s.mu.Lock()
		methods := slices.Clone(s.methods)
		s.mu.Unlock()
		for _, m := range methods {
			if !yield(m.Spec) {
				return
			}
		}
	}
}

// Start begins to serve. It fails with ErrClosed after Stop, and does nothing
// if the server already runs.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateStopped:
		return ErrClosed
	case stateRunning:
		return nil
	case stateNew:
	}
	s.state = stateRunning
	s.host.Network().Notify(s.notifiee)
	for _, m := range s.methods {
		handler := wrap(m.Handler, s.opts.Middleware)
		for _, id := range m.Spec.Protocols {
			s.host.SetStreamHandler(id, func(stream network.Stream) { s.serve(m.Spec, handler, stream) })
		}
	}
	return nil
}

// Stop takes no more streams, waits for those under way until ctx ends, resets
// the rest with network.StreamShutdown, and returns when every handler has. A
// handler that ignores its context and its failing stream is waited for. The
// error is the context's if streams had to be reset. The host stays open.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	running := s.state == stateRunning
	s.state = stateStopped
	s.mu.Unlock()
	if running {
		for _, m := range s.methods {
			for _, id := range m.Spec.Protocols {
				s.host.RemoveStreamHandler(id)
			}
		}
	}
	drained := make(chan struct{})
	go func() {
		s.exchange.Wait()
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

// Streams returns how many streams of each peer are being served.
func (s *Server) Streams() map[peer.ID]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.streams)
}

// Refused returns how many streams were reset unread because a bound of
// ServerOptions was reached.
func (s *Server) Refused() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// enter counts an exchange in and returns the context it runs in.
func (s *Server) enter(conn network.Conn) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := conn.RemotePeer()
	if s.state != stateRunning {
		return nil, ErrClosed
	}
	if s.total >= s.opts.MaxStreams || s.streams[from] >= s.peerBoundLocked() {
		s.refused++
		return nil, ErrRefused
	}
	s.total++
	s.streams[from]++
	s.exchange.Add(1)
	return s.enterConnLocked(conn), nil
}

// shareOfFree is the part of the streams left that one peer may hold.
const shareOfFree = 16

// peerBoundLocked returns how many streams a peer may have for another to be
// served. It shrinks as streams get scarce: peers that take all they can leave
// room for those who have none.
func (s *Server) peerBoundLocked() int {
	free := s.opts.MaxStreams - s.total
	return min(s.opts.MaxStreamsPerPeer, max(1, free/shareOfFree))
}

func (s *Server) leave(conn network.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := conn.RemotePeer()
	s.leaveConnLocked(conn)
	s.total--
	s.streams[from]--
	if s.streams[from] == 0 {
		delete(s.streams, from)
	}
	s.exchange.Done()
}
