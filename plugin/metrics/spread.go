package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

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
