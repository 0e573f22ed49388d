// Package top shows what a node does, live in a terminal.
package top

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
)

// A Snapshot is what a node told at one time.
type Snapshot struct {
	At      time.Time
	Info    api.NodeInfo
	Peers   []api.Peer
	Methods []api.Method
	Limits  []api.Limit
	Budgets []api.Budget
	Syncing *api.Syncing // nil if no sync is under way
}

// Take asks a node.
func Take(ctx context.Context, c *client.Client) (s Snapshot, err error) {
	s.At = time.Now()
	if s.Info, err = c.NodeInfo(ctx); err != nil {
		return s, err
	}
	if s.Peers, err = c.Peers(ctx); err != nil {
		return s, err
	}
	if s.Methods, err = c.Methods(ctx); err != nil {
		return s, err
	}
	if s.Limits, err = c.Limits(ctx); err != nil {
		return s, err
	}
	if s.Budgets, err = c.Budgets(ctx); err != nil {
		return s, err
	}
	s.Syncing, err = c.Syncing(ctx)
	return s, err
}

// A rate is what has become of a method within a second, on average between two snapshots.
type rate struct {
	ended, failed, chunks float64
	wire, ssz             float64 // bytes
	delayed               float64 // seconds for which exchanges were made to wait
}

type key struct{ method, direction string }

// rates returns what has become of the methods between two snapshots.
func rates(before, after Snapshot) map[key]rate {
	seconds := after.At.Sub(before.At).Seconds()
	if seconds <= 0 {
		return nil
	}
	then := make(map[key]api.Method)
	for _, m := range before.Methods {
		then[key{m.Method, m.Direction}] = m
	}
	of := make(map[key]rate)
	for _, m := range after.Methods {
		k := key{m.Method, m.Direction}
		b, ok := then[k]
		if !ok || m.Ended() < b.Ended() {
			continue // The node has been started anew.
		}
		per := func(after, before float64) float64 { return (after - before) / seconds }
		of[k] = rate{
			ended:   per(float64(m.Ended()), float64(b.Ended())),
			failed:  per(float64(failed(&m)), float64(failed(&b))),
			chunks:  per(float64(m.Chunks), float64(b.Chunks)),
			wire:    per(float64(m.WireBytes), float64(b.WireBytes)),
			ssz:     per(float64(m.SSZBytes), float64(b.SSZBytes)),
			delayed: per(m.Delay, b.Delay),
		}
	}
	return of
}

func failed(m *api.Method) uint64 { return m.Ended() - m.Outcomes["success"] }

// A budget is the one of a peer's of which the least is left.
type budget struct {
	left    float64 // of 1; below 0 in debt
	of      string
	waiting int // requests, of all methods
	known   bool
}

// scarcest returns for each peer the budget of which the least is left.
func (s *Snapshot) scarcest() map[peer.ID]budget {
	bursts := make(map[string]api.Limit)
	for _, l := range s.Limits {
		bursts[l.Method] = l
	}
	least := make(map[peer.ID]budget)
	for _, b := range s.Budgets {
		l, ok := bursts[b.Method]
		if !ok {
			continue
		}
		of := least[b.PeerID]
		of.waiting += b.Waiting
		for _, c := range []struct {
			name  string
			left  int64
			burst uint64
		}{{"requests", b.Requests, l.Requests.Burst}, {"items", b.Items, l.Items.Burst}, {"bytes", b.Bytes, l.Bytes.Burst}} {
			if left := float64(c.left) / float64(max(c.burst, 1)); !of.known || left < of.left {
				of.left, of.of, of.known = left, fmt.Sprintf("%s of %s", c.name, b.Method), true
			}
		}
		least[b.PeerID] = of
	}
	return least
}
