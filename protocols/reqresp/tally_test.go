package reqresp_test

import (
	"sync"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A tally counts what is told of the exchanges of one event face, by their IDs.
type tally struct {
	mu sync.Mutex

	requests   map[reqresp.OutboundRequestID]int // that SendRequest took
	outEnds    map[reqresp.OutboundRequestID]int // last events
	outStarted map[reqresp.OutboundRequestID]int // by the trace
	outDone    map[reqresp.OutboundRequestID]int

	delivered map[reqresp.InboundRequestID]int
	inEnds    map[reqresp.InboundRequestID]int
	inStarted map[reqresp.InboundRequestID]int
	inDone    map[reqresp.InboundRequestID]int

	reasons map[reqresp.Reason]int
}

func newTally() *tally {
	out := func() map[reqresp.OutboundRequestID]int { return make(map[reqresp.OutboundRequestID]int) }
	in := func() map[reqresp.InboundRequestID]int { return make(map[reqresp.InboundRequestID]int) }
	return &tally{
		requests: out(), outEnds: out(), outStarted: out(), outDone: out(),
		delivered: in(), inEnds: in(), inStarted: in(), inDone: in(),
		reasons: make(map[reqresp.Reason]int),
	}
}

func count[ID comparable](c *tally, m map[ID]int, id ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m[id]++
}

func (c *tally) sent(id reqresp.OutboundRequestID) { count(c, c.requests, id) }

func (c *tally) received(event reqresp.Event) {
	switch e := event.(type) {
	case textMsg:
		if e.Request != nil {
			count(c, c.delivered, e.Request.ID)
			return
		}
		count(c, c.outEnds, e.Response.ID)
		count(c, c.reasons, reqresp.ReasonSuccess)
	case reqresp.OutboundFailure:
		count(c, c.outEnds, e.ID)
		count(c, c.reasons, e.Reason)
	case reqresp.ResponseSent:
		count(c, c.inEnds, e.ID)
	case reqresp.InboundFailure:
		count(c, c.inEnds, e.ID)
	}
}

func (c *tally) clientTrace() *reqresp.ClientTrace {
	return &reqresp.ClientTrace{
		Start: func(i reqresp.OutboundInfo) { count(c, c.outStarted, i.ID) },
		Done:  func(i reqresp.OutboundInfo, _ reqresp.Result) { count(c, c.outDone, i.ID) },
	}
}

func (c *tally) serverTrace() *reqresp.ServerTrace {
	return &reqresp.ServerTrace{
		Start: func(i reqresp.InboundInfo) { count(c, c.inStarted, i.ID) },
		Done:  func(i reqresp.InboundInfo, _ reqresp.Result) { count(c, c.inDone, i.ID) },
	}
}

// check wants exactly one last event for each request, and one Done for each Start.
func (c *tally) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	onceEach(t, "last events of requests sent", c.requests, c.outEnds)
	onceEach(t, "calls started", c.requests, c.outStarted)
	onceEach(t, "calls done", c.outStarted, c.outDone)
	onceEach(t, "last events of requests delivered", c.delivered, c.inEnds)
	onceEach(t, "streams done", c.inStarted, c.inDone)
}

func onceEach[ID comparable](t *testing.T, what string, of, ends map[ID]int) {
	t.Helper()
	for id, n := range of {
		if n != 1 || ends[id] != 1 {
			t.Errorf("%s: %v begins %d times and ends %d times", what, id, n, ends[id])
		}
	}
	for id, n := range ends {
		if of[id] == 0 {
			t.Errorf("%s: %v, which is unknown, %d times", what, id, n)
		}
	}
}
