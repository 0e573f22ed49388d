package peers

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// answers are the exchanges of data of each peer that are being served, with what of them was written.
type answers map[peer.ID]map[reqresp.InboundRequestID]uint64

// answering returns the exchanges under way.
func (m *Manager) answering() answers {
	all := make(answers)
	for _, e := range m.server.Answering() {
		if all[e.Peer] == nil {
			all[e.Peer] = make(map[reqresp.InboundRequestID]uint64)
		}
		all[e.Peer][e.ID] = e.Written
	}
	return all
}

// A departure is what a peer that is to be left for lack of room waits for: the end of the answers that were under
// way as it was chosen, while it reads.
type departure struct {
	// under is those answers, with what was written of each at its mark, in the last of those times that it
	// had grown enough.
	under map[reqresp.InboundRequestID]mark
	// until is when the last answer has had time to be delivered.
	until time.Time
}

// delivery is how long an answer that is written may be on its way: what is in buffers is lost with the connection.
const delivery = 10 * time.Second

type mark struct {
	written uint64
	at      time.Time
}

// newDeparture is of a peer with answers under way, and one before that ended some time, if it is not zero.
func newDeparture(under map[reqresp.InboundRequestID]uint64, ended, now time.Time) *departure {
	d := &departure{under: make(map[reqresp.InboundRequestID]mark, len(under)), until: ended.Add(delivery)}
	for id, written := range under {
		d.under[id] = mark{written, now}
	}
	return d
}

// over reports whether the peer can be left, as its answers are now.
func (d *departure) over(under map[reqresp.InboundRequestID]uint64, now time.Time) bool {
	for id, last := range d.under {
		written, ok := under[id]
		switch {
		case !ok:
			delete(d.under, id)
			d.until = now.Add(delivery)
		case written-last.written >= reqresp.ProgressFloor:
			d.under[id] = mark{written, now}
		case now.Sub(last.at) >= reqresp.DefaultProgressTimeout:
			delete(d.under, id) // It hardly reads.
		}
	}
	return len(d.under) == 0 && !now.Before(d.until)
}
