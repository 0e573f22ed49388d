package reqresp_test

import (
	"sync"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/protocols/requestresponse"
)

// A tally counts what is told of the exchanges of one event face, by their IDs.
type tally struct {
	mu sync.Mutex

	requests   map[requestresponse.OutboundRequestID]int // that SendRequest took
	outEnds    map[requestresponse.OutboundRequestID]int // last events
	outStarted map[requestresponse.OutboundRequestID]int // by the trace
	outDone    map[requestresponse.OutboundRequestID]int

	delivered map[requestresponse.InboundRequestID]int
	inEnds    map[requestresponse.InboundRequestID]int
	inStarted map[requestresponse.InboundRequestID]int
	inDone    map[requestresponse.InboundRequestID]int

	reasons map[reqresp.Reason]int
}

func newTally() *tally {
	out := func() map[requestresponse.OutboundRequestID]int {
		return make(map[requestresponse.OutboundRequestID]int)
	}
	in := func() map[requestresponse.InboundRequestID]int { return make(map[requestresponse.InboundRequestID]int) }
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

func (c *tally) sent(id requestresponse.OutboundRequestID) { count(c, c.requests, id) }

func (c *tally) received(event requestresponse.Event) {
	switch e := event.(type) {
	case textMsg:
		if e.Request != nil {
			count(c, c.delivered, e.Request.ID)
			return
		}
		count(c, c.outEnds, e.Response.ID)
		count(c, c.reasons, reqresp.ReasonSuccess)
	case requestresponse.OutboundFailure:
		count(c, c.outEnds, e.ID)
		count(c, c.reasons, e.Reason)
	case requestresponse.ResponseSent:
		count(c, c.inEnds, e.ID)
	case requestresponse.InboundFailure:
		count(c, c.inEnds, e.ID)
	}
}

func (c *tally) trace() *reqresp.Trace {
	return &reqresp.Trace{
		Start: func(x *reqresp.Exchange) {
			if x.Inbound {
				count(c, c.inStarted, requestresponse.InboundRequestID(x.ID))
			} else {
				count(c, c.outStarted, requestresponse.OutboundRequestID(x.ID))
			}
		},
		Done: func(x *reqresp.Exchange) {
			if x.Inbound {
				count(c, c.inDone, requestresponse.InboundRequestID(x.ID))
			} else {
				count(c, c.outDone, requestresponse.OutboundRequestID(x.ID))
			}
		},
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
