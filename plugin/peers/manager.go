package peers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// A Manager manages the peers of a host. It is safe for concurrent use.
type Manager struct {
	host   host.Host
	opts   Options
	log    *slog.Logger
	pace   *rate.Limiter // of dials
	wake   chan struct{} // has the next round come early
	wanted chan struct{} // tells WaitWanted

	ctx    context.Context // of everything in the background
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	server *beacon.Server // set by Start, then constant
	saved  time.Time      // belongs to the loop

	mu     sync.Mutex
	state  state
	known  *table
	conns  map[peer.ID]*connected
	trials map[peer.ID]trial // of peers that have gone
	dials  int               // under way
	ours   view
}

type state uint8

const (
	stateNew state = iota
	stateRunning
	stateStopped
)

// New returns a manager of h's peers, which does nothing before Start. It reads the file of
// Options. The host is borrowed. Options may be nil. The error names the field that is wrong.
func New(h host.Host, opts *Options) (*Manager, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if o.Addr == nil {
		o.Addr = limits.HostAddr(h)
	}
	m := &Manager{
		host:   h,
		opts:   o,
		log:    o.Logger,
		pace:   rate.NewLimiter(dialRate, dialBurst),
		wake:   make(chan struct{}, 1),
		wanted: make(chan struct{}, 1),
		conns:  make(map[peer.ID]*connected),
		trials: make(map[peer.ID]trial),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.loadKnown()
	return m, nil
}

// loadKnown fills the table from the file and the options.
func (m *Manager) loadKnown() {
	now := time.Now()
	known, err := load(m.opts.File, now)
	if err != nil {
		// What it held can be found again: no reason not to start.
		m.log.Warn("peer file unreadable, starting empty", "err", err)
	}
	m.known = known
	for _, info := range m.opts.Static {
		m.known.addStatic(info, now)
	}
}

// Start begins to manage the peers of a server that has the manager's Trace, also those that are
// connected already. It does nothing but the first time.
func (m *Manager) Start(server *beacon.Server) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != stateNew {
		return
	}
	m.state = stateRunning
	m.server = server
	m.tasks.Go(m.run)
}

// Stop ends what is under way, remembers the peers, and returns when nothing runs any more. It leaves
// no peer: that is up to the server.
func (m *Manager) Stop() {
	if !m.stop() {
		return
	}
	m.cancel()
	m.tasks.Wait()
	m.unprotectAll()
	m.save(time.Now())
}

func (m *Manager) stop() (running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	running = m.state == stateRunning
	m.state = stateStopped
	return running
}

func (m *Manager) unprotectAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		m.protectLocked(c, false)
	}
}

// A round looks after all peers. Rounds come regularly, and early if something has happened, but
// never without a pause.
const (
	roundInterval = 2 * time.Second
	roundPause    = 200 * time.Millisecond
	saveInterval  = 5 * time.Minute
)

func (m *Manager) run() {
	m.saved = time.Now()
	tick := time.NewTicker(roundInterval)
	defer tick.Stop()
	for m.ctx.Err() == nil {
		m.round(time.Now())
		m.pauseRound()
		select {
		case <-tick.C:
		case <-m.wake:
		case <-m.ctx.Done():
		}
	}
}

func (m *Manager) pauseRound() {
	pause := time.NewTimer(roundPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-m.ctx.Done():
	}
}

func (m *Manager) round(now time.Time) {
	m.updateStatus(now)
	standings := m.standings()
	m.maintain(now, standings)
	m.prune(now, standings)
	m.dial(now)
	if now.Sub(m.saved) >= saveInterval {
		m.save(now)
	}
}

// wakeUp has the next round come early.
func (m *Manager) wakeUp() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// spawnLocked runs a task that Stop cancels and waits for. It reports false after Stop.
func (m *Manager) spawnLocked(task func(ctx context.Context)) bool {
	if m.state != stateRunning {
		return false
	}
	m.tasks.Go(func() { task(m.ctx) })
	return true
}

// save writes the file of Options, with the addresses that are known by now.
func (m *Manager) save(now time.Time) {
	m.saved = now
	if m.opts.File == "" {
		return
	}
	if err := save(m.opts.File, m.recordsAt(now)); err != nil {
		m.log.Warn("writing the peer file failed", "err", fmt.Errorf("peers: %w", err))
	}
}

func (m *Manager) recordsAt(now time.Time) []record {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, c := range m.conns {
		if c.met() {
			m.meetLocked(id, now)
		}
	}
	return m.known.records(now)
}

// Errors of what an operator may want.
var (
	// ErrNotConnected is returned for a peer that is not connected.
	ErrNotConnected = errors.New("peers: peer is not connected")
	// ErrBanned is returned for a peer that is banned.
	ErrBanned = errors.New("peers: peer is banned")
	// ErrNotRunning is returned before Start and after Stop.
	ErrNotRunning = errors.New("peers: manager is not running")
)

// Connect dials a peer now, whatever the target, the pace and its back-off, and exchanges statuses with
// it. A peer of another network or chain is left, and its status returned beside an error that
// wraps beacon.ErrIrrelevant. It fails with an error that wraps ErrBanned, and dials nobody, if the peer is banned.
func (m *Manager) Connect(ctx context.Context, info peer.AddrInfo) (beacon.Status, error) {
	if err := validate(info); err != nil {
		return beacon.Status{}, fmt.Errorf("peers: %w", err)
	}
	if !m.running() {
		return beacon.Status{}, ErrNotRunning
	}
	if m.opts.Scores.Banned(info.ID) {
		return beacon.Status{}, fmt.Errorf("%w: %v", ErrBanned, info.ID)
	}
	m.AddCandidate(info)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := m.host.Connect(ctx, info); err != nil {
		return beacon.Status{}, fmt.Errorf("peers: no connection: %w", err)
	}
	return m.server.Handshake(ctx, info.ID)
}

func (m *Manager) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state == stateRunning
}

// Disconnect says goodbye to a peer with a reason, and hangs up. It waits for the peer's answer, but no longer than two
// seconds. The peer is not dialed for as long as the reason asks. A static peer stays one. It fails with ErrNotRunning
// or an error that wraps ErrNotConnected.
func (m *Manager) Disconnect(ctx context.Context, id peer.ID, reason beacon.GoodbyeReason) error {
	if !m.running() {
		return ErrNotRunning
	}
	if m.host.Network().Connectedness(id) != network.Connected {
		return fmt.Errorf("%w: %v", ErrNotConnected, id)
	}
	m.server.Disconnect(ctx, id, reason)
	return nil
}

// AddStatic makes a peer static until RemoveStatic or for as long as there is the manager, and dials it soon. It fails
// if the peer has no address.
func (m *Manager) AddStatic(info peer.AddrInfo) error {
	if err := validate(info); err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.addStatic(info, time.Now()).until = time.Time{}
	m.wakeUp()
	return nil
}

// RemoveStatic makes a static peer like any other. It stays connected.
func (m *Manager) RemoveStatic(id peer.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.known.peers[id]; k != nil {
		k.static = false
	}
	m.wakeUp()
}
