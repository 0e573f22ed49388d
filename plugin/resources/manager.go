package resources

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
)

// Errors with which a [Manager] refuses streams. Both wrap network.ErrResourceLimitExceeded.
var (
	// ErrNegotiating is returned for an inbound stream when its peer has no free slot to negotiate it in.
	ErrNegotiating error = &limitError{"resources: too many streams in negotiation"}
	// ErrEvicted is returned when a stream negotiates its protocol after its slot was taken.
	ErrEvicted error = &limitError{"resources: stream took too long to negotiate"}
)

type limitError struct{ text string }

func (e *limitError) Error() string { return e.text }
func (e *limitError) Unwrap() error { return network.ErrResourceLimitExceeded }

// ManagerOptions are the optional settings of a [Manager]. The zero value is ready.
type ManagerOptions struct {
	// Inner is the resource manager that keeps all other limits. If nil, it is libp2p's with
	// [Plan.HostLimits] and [Plan.AddressLimits]. The Manager closes it.
	Inner network.ResourceManager
	// Unnegotiated, if not nil, is called with a peer that has left too many streams without a protocol: once each
	// time it exceeds the bound, from one goroutine at a time, with no lock held. It should return soon.
	Unnegotiated func(id peer.ID)
}

// A Manager is a resource manager that shares the slots for inbound streams in negotiation among peers.
//
// libp2p gives a peer ten seconds to negotiate the protocol of a stream, and a slot for each stream
// meanwhile. A few peers that leave streams without a protocol can take all slots, so that nobody else can
// open a stream. A Manager bounds what one peer holds to a fourth of the free slots, and to a sixteenth once
// it has opened many more streams than it has negotiated, though always one while there is any. Without a
// free slot, a peer that negotiates its streams evicts a stream of the peer that has left most of them. A
// stream without a protocol is reset after at most five seconds, and after two when slots run short.
//
// Its methods may be called concurrently.
type Manager struct {
	// ResourceManager is ManagerOptions.Inner, which keeps all other limits.
	network.ResourceManager

	unnegotiated func(peer.ID)

	reaper sync.WaitGroup
	stop   chan struct{}
	once   sync.Once
	// wake has the reaper look for evicted streams at once.
	wake chan struct{}

	mu    sync.Mutex
	slots slots
	stats NegotiationStats
}

// NegotiationStats counts what became of the inbound streams of a [Manager].
type NegotiationStats struct {
	// Negotiating is how many streams are in negotiation now.
	Negotiating int
	// Negotiated is how many streams got a protocol.
	Negotiated uint64
	// Refused is how many streams were reset because their peer had no free slot.
	Refused uint64
	// Evicted is how many streams were reset before they had a protocol, as they took too long or
	// another peer needed the slot.
	Evicted uint64
}

// NewManager returns the resource manager of a host with a plan. Options may be nil. The error is that of
// making libp2p's resource manager.
//
// The host owns the manager and closes it. [Manager.Start] must be called once the host is made: before
// that no stream is reset for taking too long.
func NewManager(plan *Plan, opts *ManagerOptions) (*Manager, error) {
	var o ManagerOptions
	if opts != nil {
		o = *opts
	}
	if o.Inner == nil {
		options := append(plan.AddressLimits(), rcmgr.WithMetricsDisabled())
		inner, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(plan.HostLimits()), options...)
		if err != nil {
			return nil, err
		}
		o.Inner = inner
	}
	return &Manager{
		ResourceManager: o.Inner,
		unnegotiated:    o.Unnegotiated,
		stop:            make(chan struct{}),
		wake:            make(chan struct{}, 1),
		slots:           newSlots(plan.negotiationSlots()),
	}, nil
}

// Start begins to reset streams that take too long to negotiate, on the host's network. It must be called
// once at most, and not after Close.
func (m *Manager) Start(n network.Network) {
	m.reaper.Go(func() { m.reap(n) })
}

// Close ends what Start began and closes the inner resource manager.
func (m *Manager) Close() error {
	m.once.Do(func() { close(m.stop) })
	m.reaper.Wait()
	return m.ResourceManager.Close()
}

// Negotiations returns what became of the inbound streams so far.
func (m *Manager) Negotiations() NegotiationStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	stats := m.stats
	stats.Negotiating = m.slots.taken
	return stats
}

// OpenStream implements network.ResourceManager.
func (m *Manager) OpenStream(id peer.ID, dir network.Direction) (network.StreamManagementScope, error) {
	if dir != network.DirInbound {
		return m.ResourceManager.OpenStream(id, dir)
	}
	s := &negotiation{manager: m, peer: id}
	if err := m.enter(s); err != nil {
		return nil, err
	}
	inner, err := m.ResourceManager.OpenStream(id, dir)
	if err != nil {
		m.leave(s, false)
		return nil, err
	}
	s.StreamManagementScope = inner
	return s, nil
}

func (m *Manager) enter(s *negotiation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	evicted, ok := m.slots.take(s, time.Now())
	if evicted != nil {
		m.stats.Evicted++
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
	if !ok {
		m.stats.Refused++
		return ErrNegotiating
	}
	return nil
}

// leave frees the slot of a stream that was negotiated or has ended, and reports whether it had one.
func (m *Manager) leave(s *negotiation, negotiated bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.slots.leave(s, negotiated, time.Now()) {
		return false
	}
	if negotiated {
		m.stats.Negotiated++
	}
	return true
}

// A negotiation is the scope of an inbound stream, which has a slot until its protocol is known.
type negotiation struct {
	network.StreamManagementScope
	manager *Manager
	peer    peer.ID

	// The manager's lock guards the rest.
	opened int // in ticks
	state  negotiationState
}

type negotiationState uint8

const (
	slotHeld    negotiationState = iota
	slotEvicted                  // another stream has the slot, and this one is to be reset
	slotLeft                     // negotiated or ended
)

// SetProtocol implements network.StreamManagementScope.
func (s *negotiation) SetProtocol(id protocol.ID) error {
	if !s.manager.leave(s, true) {
		return ErrEvicted
	}
	return s.StreamManagementScope.SetProtocol(id)
}

// Done implements network.StreamManagementScope.
func (s *negotiation) Done() {
	s.manager.leave(s, false)
	s.StreamManagementScope.Done()
}

// reap resets streams that take too long, and those that were evicted, until Close.
func (m *Manager) reap(n network.Network) {
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	for {
		select {
		case <-m.stop:
			return
		case now := <-tick.C:
			m.expire(now)
		case <-m.wake:
		}
		m.reset(n)
		m.report()
	}
}

func (m *Manager) expire(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Evicted += uint64(m.slots.expire(now))
}

// reset resets the evicted streams.
func (m *Manager) reset(n network.Network) {
	m.mu.Lock()
	ids := m.slots.takeEvicted()
	m.mu.Unlock()
	for id := range ids {
		for _, conn := range n.ConnsToPeer(id) {
			for _, stream := range conn.GetStreams() {
				if s, ok := stream.Scope().(*negotiation); ok && m.isEvicted(s) {
					// A stream that is reset cannot fail in a way that matters.
					_ = stream.ResetWithError(network.StreamProtocolNegotiationFailed)
				}
			}
		}
	}
}

func (m *Manager) isEvicted(s *negotiation) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return s.state == slotEvicted
}

// report tells the owner about the peers that have left too many streams without a protocol.
func (m *Manager) report() {
	m.mu.Lock()
	ids := m.slots.takeOffenders()
	m.mu.Unlock()
	if m.unnegotiated == nil {
		return
	}
	for _, id := range ids {
		m.unnegotiated(id)
	}
}

var _ network.ResourceManager = (*Manager)(nil)
