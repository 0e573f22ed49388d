package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
)

// State is how things are at one time. What is nil is not known, and has no metric.
type State struct {
	// Peers are those that are connected.
	Peers []Peer
	// Tracked is how many peers the limiter keeps budgets of.
	Tracked int
	// Quotas are those in force, by method.
	Quotas map[string]limits.Quota
	// Bans is how many bans are in force.
	Bans *int
	// Chain is what is served.
	Chain *Chain
	// Sync is how far a sync that is under way has come.
	Sync *Sync
	// Negotiations is what became of inbound streams before they had a protocol.
	Negotiations *resources.NegotiationStats
}

// A Peer is one that is connected.
type Peer struct {
	// Client is its name, see ClientName.
	Client string
	// Direction is Outbound if this node dialed.
	Direction string
	// Balances is what it has left of its budgets. Methods that are missing are those
	// it did not use.
	Balances []limits.Balance
	// Score is between -100 and 100.
	Score *float64
}

// Chain is the slots that are served: the first from which on there is every block, that of the head, and that at
// which the finalized epoch starts, zero if none is known.
type Chain struct{ Earliest, Head, Finalized uint64 }

// Sync is how far a sync has come: the slot that was dealt with last, and the one that it ends at.
type Sync struct{ Slot, Target uint64 }

// Currencies that methods are paid for in, as labels have them.
const (
	currencyRequests = "requests"
	currencyItems    = "items"
	currencyBytes    = "bytes"
)

var (
	peersDesc = desc("peers", "Peers that are connected, by the client they run and by who dialed.",
		"client", "direction")
	trackedDesc = desc("tracked_peers", "Peers whose budgets are kept, connected or not.")
	rateDesc    = desc("quota_rate", "Tokens that a peer's budget for a method gets each second.", "method", "currency")
	burstDesc   = desc("quota_burst", "Tokens that a peer's budget for a method holds.", "method", "currency")
	budgetDesc  = desc("budget_left_ratio",
		"Connected peers by how much of their budget for a method is left; those up to 0 are in debt.", "method", "currency")
	scoreDesc  = desc("peer_score", "Connected peers by their score, from -100 to 100.")
	bansDesc   = desc("bans", "Bans in force.")
	chainDesc  = desc("chain_slot", "Slots of the chain that is served.", "at")
	syncDesc   = desc("sync_slot", "The last slot that the sync under way has dealt with.")
	targetDesc = desc("sync_target_slot", "The slot that the sync under way ends at.")

	negotiatingDesc  = desc("streams_negotiating", "Inbound streams without a protocol so far.")
	unnegotiatedDesc = desc("streams_unnegotiated_total",
		"Inbound streams reset before they had a protocol, as their peer had no free slot (refused), "+
			"or they were slow or made room for another peer's (evicted).",
		"outcome")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

func stateDescs() []*prometheus.Desc {
	return []*prometheus.Desc{
		peersDesc, trackedDesc, rateDesc, burstDesc, budgetDesc, scoreDesc, bansDesc, chainDesc, syncDesc, targetDesc,
		negotiatingDesc, unnegotiatedDesc,
	}
}

func gauge[N int | uint64 | float64](ch chan<- prometheus.Metric, d *prometheus.Desc, v N, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func collectState(ch chan<- prometheus.Metric, s State) {
	collectPeers(ch, s.Peers)
	gauge(ch, trackedDesc, s.Tracked)
	for method, q := range s.Quotas {
		for currency, rate := range ratesOf(q) {
			gauge(ch, rateDesc, float64(rate.N)/rate.Per.Seconds(), method, currency)
			gauge(ch, burstDesc, rate.Burst, method, currency)
		}
	}
	collectBudgets(ch, s)
	collectScores(ch, s.Peers)
	if s.Bans != nil {
		gauge(ch, bansDesc, *s.Bans)
	}
	if c := s.Chain; c != nil {
		gauge(ch, chainDesc, c.Earliest, "earliest")
		gauge(ch, chainDesc, c.Head, "head")
		gauge(ch, chainDesc, c.Finalized, "finalized")
	}
	if s.Sync != nil {
		gauge(ch, syncDesc, s.Sync.Slot)
		gauge(ch, targetDesc, s.Sync.Target)
	}
	if n := s.Negotiations; n != nil {
		gauge(ch, negotiatingDesc, n.Negotiating)
		counter(ch, unnegotiatedDesc, n.Refused, "refused")
		counter(ch, unnegotiatedDesc, n.Evicted, "evicted")
	}
}

func collectPeers(ch chan<- prometheus.Metric, peers []Peer) {
	count := make(map[[2]string]int)
	for _, p := range peers {
		count[[2]string{p.Client, p.Direction}]++
	}
	for labels, n := range count {
		gauge(ch, peersDesc, n, labels[:]...)
	}
}

func ratesOf(q limits.Quota) map[string]limits.Rate {
	return map[string]limits.Rate{currencyRequests: q.Requests, currencyItems: q.Items, currencyBytes: q.Bytes}
}

func leftOf(b limits.Balance) map[string]int64 {
	return map[string]int64{currencyRequests: b.Requests, currencyItems: b.Items, currencyBytes: b.Bytes}
}

// A spread is a histogram of how things are, made anew whenever it is collected.
type spread struct {
	buckets map[float64]uint64
	count   uint64
	sum     float64
}

func newSpread(bounds []float64) *spread {
	s := &spread{buckets: make(map[float64]uint64, len(bounds))}
	for _, bound := range bounds {
		s.buckets[bound] = 0
	}
	return s
}

func (s *spread) observe(v float64) {
	s.count++
	s.sum += v
	for bound := range s.buckets {
		if v <= bound {
			s.buckets[bound]++
		}
	}
}

func (s *spread) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstHistogram(d, s.count, s.sum, s.buckets, labels...)
}

var (
	ratioBounds = []float64{0, .1, .25, .5, .75, .9, 1}
	scoreBounds = []float64{-100, -75, -50, -25, -10, 0, 10, 25, 50, 75, 100}
)

// collectBudgets spreads the peers by what they have left. A peer that is not known to have used
// a method has all of it, and is left out.
func collectBudgets(ch chan<- prometheus.Metric, s State) {
	spreads := make(map[[2]string]*spread)
	for method, q := range s.Quotas {
		for currency := range ratesOf(q) {
			spreads[[2]string{method, currency}] = newSpread(ratioBounds)
		}
	}
	for _, p := range s.Peers {
		for _, b := range p.Balances {
			rates := ratesOf(s.Quotas[b.Method])
			for currency, left := range leftOf(b) {
				if sp := spreads[[2]string{b.Method, currency}]; sp != nil {
					sp.observe(float64(left) / float64(rates[currency].Burst))
				}
			}
		}
	}
	for labels, sp := range spreads {
		ch <- sp.metric(budgetDesc, labels[:]...)
	}
}

func collectScores(ch chan<- prometheus.Metric, peers []Peer) {
	sp, known := newSpread(scoreBounds), false
	for _, p := range peers {
		if p.Score != nil {
			known = true
			sp.observe(*p.Score)
		}
	}
	if known {
		ch <- sp.metric(scoreDesc)
	}
}

// clients are the beginnings of the agent versions of known clients, in lower case, and their
// names.
var clients = []struct{ prefix, name string }{
	{"lighthouse", "lighthouse"},
	{"prysm", "prysm"},
	{"teku", "teku"},
	{"nimbus", "nimbus"},
	{"lodestar", "lodestar"},
	{"js-libp2p", "lodestar"}, // when it tells nothing else
	{"grandine", "grandine"},
	{"erigon", "caplin"},
	{"caplin", "caplin"},
	{"reqresp", "reqresp"},
}

// ClientName returns the name of the client whose agent version, as libp2p's identify protocol
// tells it, this is: one of a fixed list, or Other.
func ClientName(agent string) string {
	agent = strings.ToLower(agent)
	for _, c := range clients {
		if strings.HasPrefix(agent, c.prefix) {
			return c.name
		}
	}
	return Other
}
