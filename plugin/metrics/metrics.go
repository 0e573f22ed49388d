// Package metrics measures what a service does, for Prometheus.
//
// [Metrics] is a prometheus.Collector. It is fed by the hooks of a reqresp.Trace, and asks
// for the state of things when it is collected:
//
//	m := metrics.New(beacon.NewFamily(network).Specs(), state)
//	server := beacon.NewServer(host, network, chain, &beacon.ServerOptions{
//		Limiter: limiter,
//		Trace: m.Trace(),
//	})
//	registry.MustRegister(m)
//
// All names begin with "reqresp_". Exchanges are counted, by how they ended (requests_total), with their chunks and
// bytes, those under way, and how long they took and were made to wait, and for what; so are the peers, what they have
// left of their budgets, their scores, the bans, the limits in force, and the chain that is served. /metrics has a
// text of help for each. Times are in seconds, sizes in bytes.
//
// The label sets are bounded, whatever peers do: methods are those of the table, outcomes are
// reqresp.Reasons, and clients are those of a fixed list. The label "direction" is that of an
// exchange, or of a connection: inbound is what a peer began.
//
// A dashboard for Grafana is in grafana.json beside this file.
package metrics

import (
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

// Stages at which an exchange is made to wait, as labels have them. Each is a phase of reqresp.
const (
	stageQueue     = "queue"     // PhaseQueue: a call waits for the client's bounds and its CallLimiter
	stageAdmission = "admission" // PhaseAdmit: a request that was read waits for the server's Limiter
	stageChunk     = "chunk"     // PhaseReserve: a response waits for the Limiter before its next chunk
)

// Metrics counts the exchanges of a service. It is a prometheus.Collector, and safe for
// concurrent use.
type Metrics struct {
	families *families
	state    func() State
	methods  []string // in the order of the table, Other last

	inbound, outbound        map[string]*method
	queue, admission, chunks map[string]*stage
	refused                  map[string]map[string]prometheus.Counter // by method and reason
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
		refused:   make(map[string]map[string]prometheus.Counter),
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
	m.queue[name] = f.stage(name, stageQueue)
	m.admission[name] = f.stage(name, stageAdmission)
	m.chunks[name] = f.stage(name, stageChunk)
	m.refused[name] = make(map[string]prometheus.Counter)
	for _, reason := range refusalLabels() {
		m.refused[name][reason] = f.refusals.WithLabelValues(name, reason)
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
