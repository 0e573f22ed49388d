package metrics

import (
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// ServerTrace returns the hooks for one server: it tells exchanges apart by their IDs.
func (m *Metrics) ServerTrace() *reqresp.ServerTrace {
	serving := newOngoing[reqresp.InboundRequestID]()
	return &reqresp.ServerTrace{
		Start: func(info reqresp.InboundInfo) {
			serving.begin(info.ID, of(m.inbound, info.Spec.Name).begin())
		},
		GotRequest: func(info reqresp.InboundInfo, n int) {
			of(m.inbound, info.Spec.Name).wireRequests.Add(float64(n))
			serving.update(info.ID, func(e *exchange) { e.request += uint64(n) })
		},
		WroteChunk: func(info reqresp.InboundInfo, n int) {
			method := of(m.inbound, info.Spec.Name)
			method.chunks.Inc()
			method.wireResponses.Add(float64(n))
			method.answer(serving.update(info.ID, func(e *exchange) {
				e.answered = true
				e.response += uint64(n)
			}))
		},
		Done: func(info reqresp.InboundInfo, r reqresp.Result) {
			of(m.inbound, info.Spec.Name).end(serving.end(info.ID), r)
		},
	}
}

// ClientTrace returns the hooks for one client: it tells calls apart by their IDs.
func (m *Metrics) ClientTrace() *reqresp.ClientTrace {
	calling := newOngoing[reqresp.OutboundRequestID]()
	return &reqresp.ClientTrace{
		Start: func(info reqresp.OutboundInfo) {
			e := of(m.outbound, info.Spec.Name).begin()
			e.waits = true
			of(m.turn, info.Spec.Name).waiting.Inc()
			calling.begin(info.ID, e)
		},
		Turn: func(info reqresp.OutboundInfo) {
			of(m.turn, info.Spec.Name).end(calling.update(info.ID, func(e *exchange) { e.waits = false }).began)
		},
		WroteRequest: func(info reqresp.OutboundInfo, n int) {
			of(m.outbound, info.Spec.Name).wireRequests.Add(float64(n))
			calling.update(info.ID, func(e *exchange) { e.request += uint64(n) })
		},
		GotFirstByte: func(info reqresp.OutboundInfo) {
			of(m.outbound, info.Spec.Name).answer(calling.update(info.ID, answered))
		},
		GotChunk: func(info reqresp.OutboundInfo, n int) {
			method := of(m.outbound, info.Spec.Name)
			method.chunks.Inc()
			method.wireResponses.Add(float64(n))
			calling.update(info.ID, func(e *exchange) { e.response += uint64(n) })
		},
		Done: func(info reqresp.OutboundInfo, r reqresp.Result) {
			e := calling.end(info.ID)
			if e.waits {
				of(m.turn, info.Spec.Name).end(e.began)
			}
			of(m.outbound, info.Spec.Name).end(e, r)
		},
	}
}

// begin counts an exchange that begins to wait.
func (s *stage) begin() time.Time {
	s.waiting.Inc()
	return time.Now()
}

// end counts an exchange that need not wait any longer.
func (s *stage) end(since time.Time) {
	s.waiting.Dec()
	s.delay.Observe(seconds(time.Since(since)))
}
