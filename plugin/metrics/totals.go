package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Totals is what one method has come to in one direction, since the metrics were made.
type Totals struct {
	// Method is one of the table's, or Other.
	Method string
	// Direction is Inbound or Outbound.
	Direction string
	// Outcomes counts the exchanges that have ended, by their reqresp.Reason's name. Those
	// that never occurred are missing.
	Outcomes map[string]uint64
	// Active is how many exchanges are under way.
	Active int
	// Waiting is how many of these are made to wait: calls in the queue, requests for
	// their admission, responses for the next chunk.
	Waiting int
	// Delay is for how long they were made to wait, all together. Waits that have not
	// ended are not in it.
	Delay time.Duration
	// Chunks are the response chunks.
	Chunks uint64
	// WireBytes is the size of requests and responses on the stream, SSZBytes before
	// compression.
	WireBytes, SSZBytes uint64
	// FirstByte and Duration are the mean times to the first byte and to the end. Zero if
	// there was none.
	FirstByte, Duration time.Duration
}

// Totals returns what all methods have come to, in the order of the table, inbound first.
func (m *Metrics) Totals() []Totals {
	var all []Totals
	for _, name := range m.methods {
		in := m.inbound[name].totals()
		in.Method, in.Direction = name, Inbound
		in.wait(m.admission[name])
		in.wait(m.chunks[name])
		out := m.outbound[name].totals()
		out.Method, out.Direction = name, Outbound
		out.wait(m.queue[name])
		all = append(all, in, out)
	}
	return all
}

func (m *method) totals() Totals {
	return Totals{
		Outcomes:  m.byOutcome(),
		Active:    int(read(m.active).GetGauge().GetValue()),
		Chunks:    count(m.chunks),
		WireBytes: count(m.wireRequests) + count(m.wireResponses),
		SSZBytes:  count(m.sszRequests) + count(m.sszResponses),
		FirstByte: mean(m.firstByteSeconds),
		Duration:  mean(m.duration),
	}
}

func (m *method) byOutcome() map[string]uint64 {
	ended := make(map[string]uint64)
	for reason, c := range m.outcomes {
		if n := count(c); n > 0 {
			ended[reqresp.Reason(reason).String()] = n
		}
	}
	return ended
}

func (t *Totals) wait(s *stage) {
	t.Waiting += int(read(s.waiting).GetGauge().GetValue())
	t.Delay += duration(read(s.delay).GetHistogram().GetSampleSum())
}

// read returns what a metric holds. All of them are metrics, as the interfaces that
// Prometheus hands out do not tell.
func read(m any) *dto.Metric {
	var held dto.Metric
	if metric, ok := m.(prometheus.Metric); ok {
		_ = metric.Write(&held) // Those of the library that fail were made with an error.
	}
	return &held
}

func count(c prometheus.Counter) uint64 { return uint64(read(c).GetCounter().GetValue()) }

func mean(o prometheus.Observer) time.Duration {
	h := read(o).GetHistogram()
	if h.GetSampleCount() == 0 {
		return 0
	}
	return duration(h.GetSampleSum() / float64(h.GetSampleCount()))
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
