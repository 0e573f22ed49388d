package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const namespace = "reqresp"

// buckets are finer around 4, 5, 8 and 10 s: by then a first chunk and a next chunk are sent, and
// by then deployed requesters give up.
var buckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 4, 5, 8, 10, 15, 30, 60, 300}

// families are the metrics that are counted as things happen.
type families struct {
	requests  *prometheus.CounterVec
	chunks    *prometheus.CounterVec
	wire      *prometheus.CounterVec
	ssz       *prometheus.CounterVec
	active    *prometheus.GaugeVec
	firstByte *prometheus.HistogramVec
	duration  *prometheus.HistogramVec
	delay     *prometheus.HistogramVec
	waiting   *prometheus.GaugeVec
	refusals  *prometheus.CounterVec
}

func newFamilies() *families {
	exchange := []string{"direction", "method"}
	return &families{
		requests: counters("requests_total", "Exchanges that have ended, by how they did.",
			"direction", "method", "outcome"),
		chunks: counters("chunks_total", "Response chunks that were sent (inbound) or received (outbound).", exchange...),
		wire: counters("wire_bytes_total", "Bytes of messages on the stream, compressed.",
			"direction", "method", "message"),
		ssz: counters("ssz_bytes_total", "Bytes of messages before compression.",
			"direction", "method", "message"),
		active: gauges("active_requests", "Exchanges in flight.", exchange...),
		firstByte: histograms("first_byte_seconds",
			"Time from the begin of an exchange to the first byte of its response.", exchange...),
		duration: histograms("duration_seconds", "Time from the begin of an exchange to its end.", exchange...),
		delay: histograms("delay_seconds",
			"Time in the queue (calls), until the limiter admitted the request, and until it let a chunk go; 0 if at once.",
			"method", "stage"),
		waiting: gauges("waiting_requests", "Exchanges that are made to wait now, by what for.", "method", "stage"),
		refusals: counters("refusals_total",
			"Requests of peers that were refused, by the limit that was reached.", "method", "reason"),
	}
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histograms(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

func (f *families) all() []prometheus.Collector {
	return []prometheus.Collector{
		f.requests, f.chunks, f.wire, f.ssz, f.active, f.firstByte, f.duration, f.delay, f.waiting, f.refusals,
	}
}

// A method has the series of one method in one direction.
type method struct {
	outcomes                   [reqresp.ReasonPanic + 1]prometheus.Counter
	chunks                     prometheus.Counter
	wireRequests, sszRequests  prometheus.Counter
	wireResponses              prometheus.Counter
	sszResponses               prometheus.Counter
	active                     prometheus.Gauge
	firstByteSeconds, duration prometheus.Observer
}

// Messages, as labels have them.
const (
	request  = "request"
	response = "response"
)

func (f *families) method(direction, name string) *method {
	m := &method{
		chunks:           f.chunks.WithLabelValues(direction, name),
		wireRequests:     f.wire.WithLabelValues(direction, name, request),
		wireResponses:    f.wire.WithLabelValues(direction, name, response),
		sszRequests:      f.ssz.WithLabelValues(direction, name, request),
		sszResponses:     f.ssz.WithLabelValues(direction, name, response),
		active:           f.active.WithLabelValues(direction, name),
		firstByteSeconds: f.firstByte.WithLabelValues(direction, name),
		duration:         f.duration.WithLabelValues(direction, name),
	}
	for reason := range m.outcomes {
		m.outcomes[reason] = f.requests.WithLabelValues(direction, name, reqresp.Reason(reason).String())
	}
	return m
}

// A stage has the series of one method at one stage of waiting.
type stage struct {
	delay   prometheus.Observer
	waiting prometheus.Gauge
}

func (f *families) stage(method, name string) *stage {
	return &stage{f.delay.WithLabelValues(method, name), f.waiting.WithLabelValues(method, name)}
}
