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
