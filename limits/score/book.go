package score

import (
	"math"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
)

// Options are the optional settings of a [Book]. The zero value is ready.
type Options struct {
	// Config is how to score.
	Config Config
	// Trusted are peers that are exempt: they are not penalised. It is copied.
	Trusted []peer.ID
	// Observe is told of every change, by the goroutine that caused it and with nothing locked. It may be called
	// concurrently. Nil tells nobody.
	Observe func(Change)
}

// A Change is a change of a peer's score.
type Change struct {
	// Peer is whose score changed.
	Peer peer.ID
	// Before and After are the scores. They are the same if a cap was reached.
	Before, After float64
	// Class is that of a penalty, zero for a reward.
	Class Class
	// Reason is what was given as such.
	Reason string
	// Action is what is now to be done about the peer.
	Action Action
	// First is whether the action is graver than that of the change before: the time to say goodbye.
	First bool
}

// A Book keeps scores. It implements [limits.Scores], is safe for concurrent use and needs no closing.
type Book struct {
	observe func(Change)

	mu      sync.Mutex
	config  Config
	records map[peer.ID]*record
	swept   time.Time // when records were last searched for room
}

var _ limits.Scores = (*Book)(nil)

// New returns a book without any scores. Options may be nil. It fails if a setting is outside its range.
func New(opts *Options) (*Book, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	config, err := o.Config.Effective()
	if err != nil {
		return nil, err
	}
	b := &Book{config: config, observe: o.Observe, records: make(map[peer.ID]*record)}
	for _, id := range o.Trusted {
		b.records[id] = &record{trusted: true}
	}
	return b, nil
}

// Apply replaces the configuration. Scores and bans remain. It fails, and changes nothing, if a setting is outside its
// range.
func (b *Book) Apply(c Config) error {
	c, err := c.Effective()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.config = c
	return nil
}

// Config returns the configuration in effect, with every default filled in.
func (b *Book) Config() Config {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.config
}

// Penalize lowers a peer's score, unless it is trusted, and returns what is to be done about it. The reason is for
// people. It panics if there is no such class.
func (b *Book) Penalize(id peer.ID, class Class, reason string) Action {
	if class < Fatal || class >= reward {
		panic("score: no " + class.String())
	}
	return b.change(id, class, reason)
}

// Reward raises a peer's score by half a point, for a useful answer.
func (b *Book) Reward(id peer.ID, reason string) Action {
	return b.change(id, reward, reason)
}

func (b *Book) change(id peer.ID, class Class, reason string) Action {
	c := b.changeLocked(id, class, reason)
	if b.observe != nil {
		c.Peer, c.Reason = id, reason
		if class != reward {
			c.Class = class
		}
		b.observe(c)
	}
	return c.Action
}

func (b *Book) changeLocked(id peer.ID, class Class, reason string) Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	r := b.record(id, now)
	c := Change{Before: r.at(now, &b.config)}
	if class == reward || !r.trusted {
		r.add(now, class, reason, &b.config)
	}
	c.After, c.Action = r.at(now, &b.config), r.action(now, &b.config)
	c.First = c.Action > r.last
	r.last = c.Action
	return c
}

// record returns a peer's record, which is made if there is none. The book is locked.
func (b *Book) record(id peer.ID, now time.Time) *record {
	r := b.records[id]
	if r == nil {
		b.makeRoom(now)
		r = new(record)
		b.records[id] = r
	}
	return r
}

// Score returns a peer's score, from -100 to 100.
func (b *Book) Score(id peer.ID) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.records[id]; r != nil {
		return r.at(time.Now(), &b.config)
	}
	return 0
}

// Action returns what is to be done about a peer.
func (b *Book) Action(id peer.ID) Action {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.records[id]; r != nil {
		return r.action(time.Now(), &b.config)
	}
	return Keep
}

// halfWeight is the loss of score that halves a weight: one penalty of MidTolerance. At the threshold of Disconnect a
// sixteenth is left.
const halfWeight = 5

// Weight implements [limits.Scores]. It is one for strangers, grows linearly to two for the best and is halved by every
// 5 points below zero.
func (b *Book) Weight(id peer.ID) float64 {
	score := b.Score(id)
	if score >= 0 {
		return 1 + score/Max
	}
	return math.Exp2(score / halfWeight)
}

// Overran implements [limits.Scores]. Requests beyond those that may run and wait are a breach of
// MAX_CONCURRENT_REQUESTS, several times over.
func (b *Book) Overran(id peer.ID, method string) {
	b.Penalize(id, MidTolerance, "too many requests at a time: "+method)
}

// AppScore returns a peer's score for gossipsub's application-specific score (P5), from -100 to 100. It is -100 for a
// peer that is banned, by its score or by [Book.Ban].
func (b *Book) AppScore(id peer.ID) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, now := b.records[id], time.Now()
	switch {
	case r == nil:
		return 0
	case r.action(now, &b.config) == Ban:
		return -Max
	}
	return r.at(now, &b.config)
}

const (
	// lookPerPeer is how many records are looked at for each that is added, others each time as Go ranges over maps at
	// random.
	lookPerPeer = 32
	// sweepInterval is how often all may be looked at.
	sweepInterval = time.Second
)

// makeRoom forgets what is negligible, and if need be the least of what is not: the score next to zero of some, or else
// the ban that ends first. The book is locked.
func (b *Book) makeRoom(now time.Time) {
	n := lookPerPeer
	if len(b.records) >= b.config.MaxPeers && now.Sub(b.swept) >= sweepInterval {
		b.swept, n = now, len(b.records)
	}
	least, found := b.forget(now, n)
	if len(b.records) >= b.config.MaxPeers && found {
		delete(b.records, least)
	}
}

// forget looks at n records, forgets the negligible ones, and returns the least of the others.
func (b *Book) forget(now time.Time, n int) (least peer.ID, found bool) {
	lowest := math.Inf(1)
	for id, r := range b.records {
		if n--; n < 0 {
			break
		}
		if r.trusted {
			continue
		}
		worth := math.Abs(r.at(now, &b.config))
		if r.isBanned(now) {
			worth = Max + float64(r.banned.Sub(now))
		} else if worth < negligible {
			delete(b.records, id)
			continue
		}
		if worth < lowest {
			least, lowest, found = id, worth, true
		}
	}
	return least, found
}
