package metrics

import (
	"sync"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// An exchange is what has to be known of one under way, until it is done.
type exchange struct {
	began    time.Time
	waits    bool   // for its turn
	answered bool   // its response has begun
	request  uint64 // bytes counted
	response uint64 // bytes counted
}

// ongoing are the exchanges under way, of one direction.
type ongoing[ID comparable] struct {
	mu sync.Mutex
	m  map[ID]*exchange
}

func newOngoing[ID comparable]() *ongoing[ID] {
	return &ongoing[ID]{m: make(map[ID]*exchange)}
}

func (o *ongoing[ID]) begin(id ID, e exchange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.m[id] = &e
}

// update changes what is known of an exchange, and returns it as it was before.
func (o *ongoing[ID]) update(id ID, change func(*exchange)) exchange {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.m[id]
	before := *e
	change(e)
	return before
}

func (o *ongoing[ID]) end(id ID) exchange {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.m[id]
	delete(o.m, id)
	return *e
}

func answered(e *exchange) { e.answered = true }

// begin counts an exchange that begins.
func (m *method) begin() exchange {
	m.active.Inc()
	return exchange{began: time.Now()}
}

// answer counts the begin of a response, given what was known of the exchange before.
func (m *method) answer(e exchange) {
	if !e.answered {
		m.firstByteSeconds.Observe(seconds(time.Since(e.began)))
	}
}

// end counts an exchange that has ended. What was sent or received of a message that was cut off
// is on the wire, too.
func (m *method) end(e exchange, r reqresp.Result) {
	m.active.Dec()
	m.outcomes[reqresp.ReasonOf(r.Err)].Inc()
	m.duration.Observe(seconds(time.Since(e.began)))
	m.wireRequests.Add(float64(r.RequestBytes - e.request))
	m.wireResponses.Add(float64(r.ResponseBytes - e.response))
}
