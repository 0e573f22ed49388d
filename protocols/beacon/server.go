package beacon

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ServerOptions are the optional settings of a [Server]. The zero value is
// ready.
type ServerOptions struct {
	// Limiter limits the rate at which peers are served, see package limits. Nil means no limit.
	Limiter reqresp.Limiter
	// Middleware wraps every exchange, the first outermost.
	Middleware []reqresp.Middleware
	// MaxStreams and MaxMemory bound the streams served at a time and the bytes of their
	// messages; see reqresp.ServerOptions. Zero means its defaults. Package resources
	// has them for a host's memory.
	MaxStreams, MaxMemory int
	// MetaData is what metadata and ping requests are answered from. It is called
	// for every such request, concurrently. Nil answers with sequence number 0, no
	// subnets and CUSTODY_REQUIREMENT, the smallest custody group count allowed.
	MetaData func() ssz.MetaDataV3
	// Trace has the hooks that are called for the exchanges that are served and for the calls of the server's own
	// client. The sizes in it are those of the SSZ. Nil means none.
	Trace *reqresp.Trace
	// CallLimiter limits the rate of the server's own client; see [ClientOptions]. Nil means no limit.
	CallLimiter reqresp.CallLimiter
	// PeerTrace has the hooks that are called with what peers say of themselves. Nil means none.
	PeerTrace *PeerTrace
	// Now is the clock, from which the current fork follows. Nil means time.Now.
	Now func() time.Time
	// Logger gets what happens to peers. Nil discards it.
	Logger *slog.Logger
}

// A Server takes part in the Req/Resp domain of a network: it answers peers from
// a [Chain], sends a status to every peer that this host dials, and disconnects
// peers whose status shows another network or chain. A program that only asks needs a Server too, of [NoChain].
// It is safe for concurrent use.
type Server struct {
	host    host.Host
	chain   Chain
	sources Sources
	family  *Family
	opts    ServerOptions
	log     *slog.Logger
	engine  *reqresp.Server
	client  *Client
	all     []offer
	nodeID  func() (NodeID, error)

	kept      []*Protocol // by range, of the kinds whose earliest slots the chain tells
	frontiers []*frontier

	ctx      context.Context // of everything in the background
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
	notify   *network.NotifyBundle
	watching sync.Once
	done     chan struct{} // closed when nothing runs any more

	mu            sync.Mutex
	stopped       bool
	peers         map[peer.ID]Status
	disconnecting map[peer.ID]chan struct{} // receives when the peer's last connection ends
	// handshakes are those in flight.
	handshakes map[peer.ID]*handshake
}

// NewServer returns a server of h's peers on a network. Nothing is served before
// Start. The host is borrowed: Stop leaves it open. The chain of a node that holds none is [NoChain]. Options
// may be nil. It panics if chain is nil or a bound in opts is negative.
func NewServer(h host.Host, network *ssz.Network, chain Chain, opts *ServerOptions) *Server {
	if chain == nil {
		panic("beacon: NewServer with a nil chain, want NoChain for none")
	}
	var o ServerOptions
	if opts != nil {
		o = *opts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MetaData == nil {
		least := network.Config().CustodyRequirement
		o.MetaData = func() ssz.MetaDataV3 { return ssz.MetaDataV3{CustodyGroupCount: least} }
	}
	o.PeerTrace = cmp.Or(o.PeerTrace, new(PeerTrace))
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	family := NewFamily(network)
	o.Trace = reqresp.JoinTraces(o.PeerTrace.usedTrace(), o.Trace)
	s := &Server{
		host:          h,
		chain:         chain,
		sources:       chain.Sources(),
		family:        family,
		opts:          o,
		log:           o.Logger,
		engine:        reqresp.NewServer(h, engineOptions(o)),
		client:        NewClient(h, family, &ClientOptions{Limiter: o.CallLimiter, Trace: o.Trace}),
		peers:         make(map[peer.ID]Status),
		disconnecting: make(map[peer.ID]chan struct{}),
		done:          make(chan struct{}),
		nodeID:        sync.OnceValues(func() (NodeID, error) { return NodeIDOf(h.ID()) }),

		handshakes: make(map[peer.ID]*handshake),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.notify = s.notifiee()
	s.all = s.offers()
	s.sortEarliest()
	s.offerAt(s.CurrentEpoch())
	return s
}

func engineOptions(o ServerOptions) *reqresp.ServerOptions {
	return &reqresp.ServerOptions{
		Limiter:    o.Limiter,
		Middleware: o.Middleware,
		MaxStreams: o.MaxStreams,
		MaxMemory:  o.MaxMemory,
		Trace:      o.Trace,
		Logger:     o.Logger,
	}
}

// Start begins to serve, and sends a status to the peers that the host has dialed before. What is served
// changes with the forks of the network from then on: the versions
// of a protocol that a fork brings are added as it begins, those that it replaces go one epoch
// later. It fails with reqresp.ErrClosed after Stop, and does nothing if the
// server already runs.
func (s *Server) Start() error {
	if err := s.engine.Start(); err != nil {
		return err
	}
	s.watching.Do(func() {
		s.watch()
		s.spawn(s.followForks)
	})
	return nil
}

// Stop serves the exchanges in flight until ctx ends, says goodbye to all peers that a
// status was exchanged with, disconnects them, and returns when nothing runs any
// more. A goodbye may take two seconds longer than ctx. A context that has ended resets
// the exchanges in flight; one without an end waits for the slowest reader, up to
// half an hour. The error is the context's if streams had to be reset.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	s.mu.Unlock()
	err := s.engine.Stop(ctx)
	if first {
		s.disconnectAll(ctx)
		s.unwatch()
		s.cancel()
		s.tasks.Wait()
		close(s.done)
	}
	<-s.done
	return err
}

// Client returns the server's client, on the same host and network. While the server runs, the peers that it asks
// keep the connection.
func (s *Server) Client() *Client { return s.client }

// Streams returns how many streams of each peer are being served.
func (s *Server) Streams() map[peer.ID]int { return s.engine.Streams() }

// Answering returns the exchanges of the chain's data that are being served, the latest first. The slice is
// the caller's.
func (s *Server) Answering() []reqresp.Serving {
	return slices.DeleteFunc(s.engine.Serving(), func(e reqresp.Serving) bool { return !isData(e.Spec) })
}

// Refused returns how many streams were reset because too many were being served, in all or
// for one peer, or because there was no memory for their messages.
func (s *Server) Refused() uint64 { return s.engine.Refused() }

// Family returns the protocols served.
func (s *Server) Family() *Family { return s.family }

// Status returns what this node sends its peers: the chain's view, with the fork digest in force now. From Fulu
// on EarliestAvailableSlot is not before the slot after the last block whose sidecars have to be served and are
// not held. The first time that may take a look into many blocks, which Status finishes; peers are sent a later
// slot until then. A server of [NoChain] returns a head at slot 0, and sends each peer that peer's own view.
func (s *Server) Status(ctx context.Context) (Status, error) { return s.status(ctx, false) }

func (s *Server) status(ctx context.Context, quick bool) (Status, error) {
	status, err := s.chain.Status(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("beacon: status of own chain: %w", err)
	}
	now := s.CurrentEpoch()
	status.ForkDigest = s.family.network.DigestAt(now)
	if s.family.network.ForkAt(now) < ssz.Fulu {
		return status, nil
	}
	if status.EarliestAvailableSlot, err = s.earliest(ctx, status, quick); err != nil {
		return Status{}, fmt.Errorf("beacon: sidecars of own chain: %w", err)
	}
	return status, nil
}

// MetaData returns the metadata that this node sends.
func (s *Server) MetaData() ssz.MetaDataV3 { return s.opts.MetaData() }

func (s *Server) currentSlot() ssz.Slot { return s.family.network.SlotAt(s.opts.Now()) }

// CurrentEpoch returns the epoch that it is by the server's clock.
func (s *Server) CurrentEpoch() ssz.Epoch { return s.family.network.EpochOf(s.currentSlot()) }

// An offer is a handler, and the row that has the forks in which it is offered.
type offer struct {
	handler  reqresp.Handler
	protocol *Protocol
}

// offers returns all methods that are offered at some time: those that the chain can answer.
func (s *Server) offers() (all []offer) {
	for _, p := range s.family.protocols {
		if p.offeredIf == nil || p.offeredIf(s.sources) {
			all = append(all, offer{reqresp.Handler{Spec: p.spec, Serve: p.serve(s, p)}, p})
		}
	}
	return all
}

// offerAt offers the methods of an epoch, and no others.
func (s *Server) offerAt(e ssz.Epoch) {
	offered := make(map[*reqresp.Spec]bool)
	for spec := range s.engine.Specs() {
		offered[spec] = true
	}
	for _, o := range s.all {
		switch spec := o.handler.Spec; {
		case o.protocol.OfferedAt(e) && !offered[spec]:
			s.engine.Register(o.handler)
		case !o.protocol.OfferedAt(e) && offered[spec]:
			s.engine.Unregister(spec)
		}
	}
}

// followForks keeps what is offered to what is in force, until ctx ends.
func (s *Server) followForks(ctx context.Context) {
	// It looks at the clock in every slot: a clock may be set, and a machine may sleep.
	timer := time.NewTimer(s.untilNextSlot())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			s.offerAt(s.CurrentEpoch())
			timer.Reset(s.untilNextSlot())
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) untilNextSlot() time.Duration {
	n, now := s.family.network, s.opts.Now()
	return n.TimeAt(n.SlotAt(now) + 1).Sub(now)
}

// clockDisparity is MAXIMUM_GOSSIP_CLOCK_DISPARITY, by how much the clocks of honest peers
// differ.
const clockDisparity = 500 * time.Millisecond

// digestInForce reports whether a fork digest is in force by some honest clock.
func (s *Server) digestInForce(d ssz.ForkDigest) bool {
	n, now := s.family.network, s.opts.Now()
	at := func(t time.Time) ssz.ForkDigest { return n.DigestAt(n.EpochOf(n.SlotAt(t))) }
	return d == at(now.Add(-clockDisparity)) || d == at(now.Add(clockDisparity))
}
