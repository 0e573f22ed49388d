package metrics

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Pacer returns a pacer that measures for how long next has exchanges wait, or nil if next is nil.
func (m *Metrics) Pacer(next reqresp.Pacer) reqresp.Pacer {
	if next == nil {
		return nil
	}
	return &pacer{m, next}
}

type pacer struct {
	metrics *Metrics
	next    reqresp.Pacer
}

// Admit implements reqresp.Pacer.
func (p *pacer) Admit(ctx context.Context, from peer.ID, spec *reqresp.Spec) (reqresp.Pace, error) {
	admission := of(p.metrics.admission, spec.Name)
	began := admission.begin()
	next, err := p.next.Admit(ctx, from, spec)
	admission.end(began)
	if err != nil || next == nil {
		return nil, err
	}
	measured := paces.Get().(*pace)
	measured.Pace, measured.chunk = next, of(p.metrics.chunks, spec.Name)
	return measured, nil
}

// Refused implements reqresp.Pacer.
func (p *pacer) Refused(from peer.ID, spec *reqresp.Spec) { p.next.Refused(from, spec) }

// paces are those that no exchange has, as exchanges are many and short.
var paces = sync.Pool{New: func() any { return new(pace) }}

// A pace measures for how long chunks are withheld.
type pace struct {
	reqresp.Pace
	chunk *stage
}

// Reserve implements reqresp.Pace.
func (p *pace) Reserve(ctx context.Context, c reqresp.Cost) error {
	began := p.chunk.begin()
	defer p.chunk.end(began)
	return p.Pace.Reserve(ctx, c)
}

// Release implements reqresp.Pace.
func (p *pace) Release() {
	next := p.Pace
	p.Pace, p.chunk = nil, nil
	paces.Put(p)
	next.Release()
}
