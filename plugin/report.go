package plugin

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// reportInterval is how often a service logs what it has done: one line, however many peers come and go.
const reportInterval = time.Minute

// A reporter logs what a service does, as long as it runs.
type reporter struct {
	service *Service
	log     *slog.Logger
	end     chan struct{}
	done    sync.WaitGroup
	served  served // when it was last logged
}

// served counts what was done for peers since the service was made.
type served struct{ requests, failed, chunks, bytes uint64 }

func (s *Service) newReporter() *reporter {
	return &reporter{service: s, log: s.log(), end: make(chan struct{}), served: s.served()}
}

func (p *reporter) start(r *running) { p.done.Go(func() { p.run(r) }) }

func (p *reporter) stop() {
	close(p.end)
	p.done.Wait()
}

func (p *reporter) run(r *running) {
	tick := time.NewTicker(reportInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.report(r)
		case <-p.end:
			return
		}
	}
}

// report logs how many peers there are, and what was done for them since it last did.
func (p *reporter) report(r *running) {
	inbound, all := 0, r.peers.Peers()
	for i := range all {
		if all[i].Direction == network.DirInbound {
			inbound++
		}
	}
	now := p.service.served()
	attrs := []any{
		"peers", len(all), "inbound", inbound, "banned", len(p.service.scores.Bans()),
		"requests", now.requests - p.served.requests, "failed", now.failed - p.served.failed,
		"chunks", now.chunks - p.served.chunks, "bytes", now.bytes - p.served.bytes,
	}
	p.served = now
	if r.store != nil {
		if head, _, ok := r.store.Head(); ok {
			attrs = append(attrs, "head", head)
		}
	}
	p.log.Info("status", attrs...)
}

func (s *Service) served() (n served) {
	for _, t := range s.metrics.Totals() {
		if t.Direction != metrics.Inbound {
			continue
		}
		for outcome, count := range t.Outcomes {
			n.requests += count
			if outcome != reqresp.ReasonSuccess.String() {
				n.failed += count
			}
		}
		n.chunks += t.Chunks
		n.bytes += t.WireBytes
	}
	return n
}

// damageTrace returns hooks that log what could not be served because it is damaged on the disk, at most once a minute.
func (s *Service) damageTrace() *reqresp.ServerTrace {
	var mu sync.Mutex
	var logged time.Time
	return &reqresp.ServerTrace{Done: func(info reqresp.InboundInfo, r reqresp.Result) {
		if !errors.Is(r.Err, store.ErrCorrupt) {
			return
		}
		mu.Lock()
		now := time.Now()
		due := now.Sub(logged) >= reportInterval
		if due {
			logged = now
		}
		mu.Unlock()
		if due {
			s.log().Error("what is damaged on the disk is not served", "method", info.Spec.Name, "err", r.Err)
		}
	}}
}
