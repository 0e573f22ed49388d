package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Other is the label of methods that are not of the table, and of clients that are not known.
const Other = "other"

// Directions of exchanges and connections, as labels have them.
const (
	Inbound  = "inbound"
	Outbound = "outbound"
)

// Stages at which an exchange is made to wait, as labels have them.
const (
	// StageQueue is a call that waits: the peer has as many as are allowed.
	StageQueue = "queue"
	// StageAdmission is a request that was read and waits for its peer's budget.
	StageAdmission = "admission"
	// StageChunk is a response whose next chunk is withheld.
	StageChunk = "chunk"
)

// Metrics counts the exchanges of a service. It is a prometheus.Collector, and safe for
// concurrent use.
type Metrics struct {
	families *families
	state    func() State
	methods  []string // in the order of the table, Other last

	inbound, outbound        map[string]*method
	queue, admission, chunks map[string]*stage
	refusals                 map[string]map[string]prometheus.Counter // by method and reason
}

var _ prometheus.Collector = (*Metrics)(nil)

// New returns metrics for the methods of a table, see beacon.Family.Specs. State is called, by
// any goroutine, when metrics are collected; nil collects what is counted only.
func New(table []*reqresp.Spec, state func() State) *Metrics {
	if state == nil {
		state = func() State { return State{} }
	}
	m := &Metrics{
		families:  newFamilies(),
		state:     state,
		inbound:   make(map[string]*method),
		outbound:  make(map[string]*method),
		queue:     make(map[string]*stage),
		admission: make(map[string]*stage),
		chunks:    make(map[string]*stage),
		refusals:  make(map[string]map[string]prometheus.Counter),
	}
	for _, spec := range table {
		m.add(spec.Name())
	}
	m.add(Other)
	return m
}

// add makes the series of a method, so that they begin at zero and not with the first exchange.
func (m *Metrics) add(name string) {
	if m.inbound[name] != nil {
		return // another version of it
	}
	f := m.families
	m.methods = append(m.methods, name)
	m.inbound[name] = f.method(Inbound, name)
	m.outbound[name] = f.method(Outbound, name)
	m.queue[name] = f.stage(name, StageQueue)
	m.admission[name] = f.stage(name, StageAdmission)
	m.chunks[name] = f.stage(name, StageChunk)
	m.refusals[name] = make(map[string]prometheus.Counter)
	for _, reason := range refusalLabels() {
		m.refusals[name][reason] = f.refusals.WithLabelValues(name, reason)
	}
}

// of returns what there is for a method, or for the others.
func of[T any](byName map[string]T, name string) T {
	if v, ok := byName[name]; ok {
		return v
	}
	return byName[Other]
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.families.all() {
		c.Describe(ch)
	}
	for _, d := range stateDescs() {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.families.all() {
		c.Collect(ch)
	}
	collectState(ch, m.state())
}

// seconds is a duration as Prometheus wants it.
func seconds(d time.Duration) float64 { return d.Seconds() }
