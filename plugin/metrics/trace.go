package metrics

import (
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Trace returns the hooks that count exchanges, those that are served and calls.
func (m *Metrics) Trace() *reqresp.Trace {
	return &reqresp.Trace{
		Start: func(x *reqresp.Exchange) {
			m.method(x).active.Inc()
			if s := m.stage(x, x.Phase); s != nil {
				s.waiting.Inc()
			}
		},
		Phase: func(x *reqresp.Exchange, left reqresp.Phase, spent time.Duration) {
			if s := m.stage(x, left); s != nil {
				s.end(spent)
			}
			if s := m.stage(x, x.Phase); s != nil {
				s.waiting.Inc()
			}
			if x.Phase == reqresp.PhaseResponse && left != reqresp.PhaseReserve {
				m.method(x).firstByteSeconds.Observe(time.Since(x.Began).Seconds())
			}
		},
		Chunk: func(x *reqresp.Exchange, bytes, size int) {
			series := m.method(x)
			series.chunks.Inc()
			series.wireResponses.Add(float64(bytes))
			series.sszResponses.Add(float64(size))
		},
		Done: func(x *reqresp.Exchange) {
			if s := m.stage(x, x.Phase); s != nil {
				s.end(time.Since(x.Since))
			}
			m.method(x).end(x)
			if x.Inbound && reqresp.ReasonOf(x.Err) == reqresp.ReasonOverLimit {
				of(m.refused, x.Spec.Name())[refusalOf(x)].Inc()
			}
		},
	}
}

// method returns the series of an exchange.
func (m *Metrics) method(x *reqresp.Exchange) *method {
	if x.Inbound {
		return of(m.inbound, x.Spec.Name())
	}
	return of(m.outbound, x.Spec.Name())
}

// stage returns the series of a phase in which an exchange is made to wait, nil for the others.
func (m *Metrics) stage(x *reqresp.Exchange, p reqresp.Phase) *stage {
	switch p {
	case reqresp.PhaseQueue:
		return of(m.queue, x.Spec.Name())
	case reqresp.PhaseAdmit:
		return of(m.admission, x.Spec.Name())
	case reqresp.PhaseReserve:
		return of(m.chunks, x.Spec.Name())
	default:
		return nil
	}
}

// end counts an exchange that need not wait any longer.
func (s *stage) end(waited time.Duration) {
	s.waiting.Dec()
	s.delay.Observe(waited.Seconds())
}

// end counts an exchange that has ended. The bytes of an error response, and of a message that was cut off,
// are on the wire, too.
func (m *method) end(x *reqresp.Exchange) {
	m.active.Dec()
	m.outcomes[reqresp.ReasonOf(x.Err)].Inc()
	m.duration.Observe(time.Since(x.Began).Seconds())
	m.wireRequests.Add(float64(x.RequestBytes))
	m.sszRequests.Add(float64(x.RequestSize))
	m.wireResponses.Add(float64(x.ResponseBytes - x.ChunkBytes))
}

// Reasons for which an exchange is refused, as labels have them.
const (
	refusedStreams = "streams"
	refusedOther   = "other"
)

// causes are those of a refusal that an error tells, and their labels.
var causes = []struct {
	cause error
	label string
}{
	{limits.ErrQueueFull, "queue full"},
	{limits.ErrOverdrawn, "overdrawn"},
	{limits.ErrOverCapacity, "over capacity"},
	{limits.ErrTooManyPeers, "too many peers"},
	{score.ErrBanned, "banned"},
	// MaxMemory of the server, or any limit of the host's resource manager: of memory, or of streams.
	{network.ErrResourceLimitExceeded, "resources"},
}

func refusalLabels() []string {
	labels := []string{refusedStreams, refusedOther}
	for _, r := range causes {
		labels = append(labels, r.label)
	}
	return labels
}

// refusalOf returns why an exchange was refused: by the limiter, the scores, or the server's bounds.
func refusalOf(x *reqresp.Exchange) string {
	for _, r := range causes {
		if errors.Is(x.Err, r.cause) {
			return r.label
		}
	}
	if x.Phase <= reqresp.PhaseAdmit {
		return refusedStreams
	}
	return refusedOther
}
