package limits

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// An Observer is told what a limiter decides, as it happens. It is called by the
// goroutines of exchanges, many at a time, with nothing locked; what it takes
// delays them.
type Observer interface {
	// Observe is told of one decision.
	Observe(Event)
}

// An EventKind tells what happened.
type EventKind uint8

// Kinds of events.
const (
	// EventAdmitted is an exchange that may be worked on.
	EventAdmitted EventKind = iota + 1
	// EventRefused is an exchange that was not admitted.
	EventRefused
	// EventGranted is a chunk that may be fetched and sent.
	EventGranted
	// EventSent is a chunk that was sent, or some of it.
	EventSent
)

// String returns the kind's name, such as "admitted".
func (k EventKind) String() string {
	switch k {
	case EventAdmitted:
		return "admitted"
	case EventRefused:
		return "refused"
	case EventGranted:
		return "granted"
	case EventSent:
		return "sent"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// An Event is one decision.
type Event struct {
	// Kind tells what happened.
	Kind EventKind
	// Peer is whose exchange it is.
	Peer peer.ID
	// Method is the method's name.
	Method string
	// Cost is what was wanted when granted, and what was used when sent.
	Cost reqresp.Cost
	// Delay is for how long it was withheld.
	Delay time.Duration
	// Queued is how many exchanges of the peer with the method waited before an
	// admission.
	Queued int
	// Overdue is whether a chunk was granted at the floor, on overdraft.
	Overdue bool
	// Weight is the peer's weight at an admission.
	Weight float64
	// Err is why an exchange was refused, or a chunk not granted.
	Err error
}

func (p *pace) observe(e Event) {
	e.Peer, e.Method = p.account.member.id, p.account.method.name
	p.limiter.observer.Observe(e)
}

// refused counts an exchange that was not admitted, and tells of it.
func (l *Limiter) refused(sh *shard, m *method, from peer.ID, asked time.Duration, err error) {
	sh.mu.Lock()
	sh.count(m).refuse(err)
	sh.mu.Unlock()
	if l.observer != nil {
		l.observer.Observe(Event{Kind: EventRefused, Peer: from, Method: m.name, Delay: l.now() - asked, Err: err})
	}
}
