package main

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// reads are the commands that change nothing.
func (a *app) reads() []command {
	return []command{
		print(a, command{name: "peers", usage: "list the peers that are connected"},
			all((*client.Client).Peers), a.showPeers),
		print(a, command{name: "peer", usage: "tell all about a peer that is connected", args: "ID", least: 1},
			getPeer, a.showPeer),
		print(a, command{
			name: "methods", usage: "count what was served and asked, by method",
			description: "Counts what was served (inbound) and asked (outbound) since the node was started, by method. Times\n" +
				"to the first byte are means; the delay is for how long exchanges were made to wait, all together.",
		}, all((*client.Client).Methods), a.showMethods),
		print(a, command{
			name: "limits", usage: "list what each peer may use, by method",
			description: "Lists what each peer may use of each method: 128/10s+256 is 128 every ten seconds, in bursts of\n" +
				"256. Items are response chunks, bytes are those on the wire. What 'reqresp limit' has changed is marked:\n" +
				"that ends when the node does.",
		}, all((*client.Client).Limits), a.showLimits),
		print(a, command{
			name: "budgets", usage: "list what peers have left of their limits", args: "[ID]",
			description: "Lists what a peer, or each that is connected, has left of its limits. What it owes is\n" +
				"negative. Methods that it did not use are left out.",
		}, getBudgets, a.showBudgets),
		print(a, command{name: "scores", usage: "list the scores of peers, from -100 to 100"},
			all((*client.Client).Scores), a.showScores),
		print(a, command{name: "bans", usage: "list the peers that are banned"}, all((*client.Client).Bans), a.showBans),
		print(a, command{
			name: "trusted", usage: "list the peers that are trusted",
			description: "Lists the peers that are never penalised, banned or left for lack of room. Those that\n" +
				"'reqresp trust' has named are marked: their trust ends when the node does.",
		}, all((*client.Client).Trusted), a.showTrusted),
		print(a, command{name: "syncing", usage: "tell how far a sync has come"},
			all((*client.Client).Syncing), a.showSyncing),
	}
}

func getPeer(ctx context.Context, in *invocation, c *client.Client) (api.PeerDetails, error) {
	id, err := in.peerID()
	if err != nil {
		return api.PeerDetails{}, err
	}
	return c.Peer(ctx, id)
}

func getBudgets(ctx context.Context, in *invocation, c *client.Client) ([]api.Budget, error) {
	if len(in.args) == 0 {
		return c.Budgets(ctx)
	}
	id, err := in.peerID()
	if err != nil {
		return nil, err
	}
	return c.PeerBudgets(ctx, id)
}

func headOf(p *api.Peer) any {
	if p.Status == nil {
		return "-"
	}
	return p.Status.HeadSlot
}

func (a *app) showPeers(peers []api.Peer) *table {
	t := newTable(a.stdout, "PEER", "CLIENT", "DIRECTION", "SINCE", "HEAD", "SERVING", "SCORE", "ADDRESS")
	for _, p := range peers {
		t.row(p.PeerID, p.Client, p.Direction, time.Since(p.Connected), headOf(&p), p.Serving, &p.Score, p.Addr)
	}
	return t
}

func (a *app) showPeer(p api.PeerDetails) *table {
	t := newTable(a.stdout)
	t.row("peer", p.PeerID)
	t.row("client", p.Client)
	t.row("agent", p.Agent)
	t.row("direction", p.Direction)
	t.row("since", time.Since(p.Connected))
	t.row("serving", p.Serving)
	t.row("score", &p.Score)
	t.row("static", p.Static)
	t.row("trusted", p.Trusted)
	if s := p.Status; s != nil {
		statusRows(t, s)
	}
	if md := p.MetaData; md != nil {
		t.row("metadata", fmt.Sprintf("sequence number %d", md.SeqNumber),
			fmt.Sprintf("%d custody groups", md.CustodyGroupCount))
	}
	for _, addr := range p.Conns {
		t.row("connection", addr)
	}
	for _, id := range p.Protocols {
		t.row("protocol", id)
	}
	for _, b := range p.Budgets {
		t.row("budget", b.Method, b.Requests, b.Items, b.Bytes)
	}
	return t
}

func statusRows(t *table, s *beacon.Status) {
	t.row("head", fmt.Sprintf("slot %d", s.HeadSlot), s.HeadRoot)
	t.row("finalized", fmt.Sprintf("epoch %d", s.FinalizedEpoch), s.FinalizedRoot)
	t.row("earliest", fmt.Sprintf("slot %d", s.EarliestAvailableSlot))
	t.row("fork digest", s.ForkDigest)
}

func (a *app) showMethods(methods []api.Method) *table {
	t := newTable(a.stdout, "METHOD", "DIRECTION", "ENDED", "FAILED", "ACTIVE", "WAITING",
		"DELAY", "CHUNKS", "WIRE", "SSZ", "FIRST BYTE")
	for _, m := range methods {
		t.row(m.Method, m.Direction, m.Ended(), m.Ended()-m.Outcomes["success"], m.Active, m.Waiting,
			fromSeconds(m.Delay), m.Chunks, size(m.WireBytes), size(m.SSZBytes), fromSeconds(m.FirstByte))
	}
	return t
}

func (a *app) showLimits(limits []api.Limit) *table {
	t := newTable(a.stdout, "METHOD", "REQUESTS", "ITEMS", "BYTES", "CHANGED")
	for _, l := range limits {
		t.row(l.Method, l.Requests, l.Items, l.Bytes, changed(l.Changed))
	}
	return t
}

// changed tells how long something lasts that is not of the configuration.
func changed(is bool) string {
	if is {
		return "until the node ends"
	}
	return ""
}

func (a *app) showBudgets(budgets []api.Budget) *table {
	t := newTable(a.stdout, "PEER", "METHOD", "REQUESTS", "ITEMS", "BYTES", "ACTIVE", "WAITING")
	for _, b := range budgets {
		t.row(b.PeerID, b.Method, b.Requests, b.Items, b.Bytes, b.Active, b.Waiting)
	}
	return t
}

func (a *app) showScores(scores []api.Score) *table {
	t := newTable(a.stdout, "PEER", "SCORE")
	for _, s := range scores {
		t.row(s.PeerID, &s.Score)
	}
	return t
}

func (a *app) showBans(bans []api.Ban) *table {
	t := newTable(a.stdout, "PEER", "ENDS IN", "REASON")
	for _, b := range bans {
		t.row(b.PeerID, time.Until(b.Until), b.Reason)
	}
	return t
}

func (a *app) showTrusted(peers []api.Trusted) *table {
	t := newTable(a.stdout, "PEER", "CHANGED")
	for _, p := range peers {
		t.row(p.PeerID, changed(p.Changed))
	}
	return t
}

func (a *app) showSyncing(s *api.Syncing) *table {
	t := newTable(a.stdout)
	if s == nil {
		t.row("no sync is under way")
		return t
	}
	t.row("from", s.PeerID)
	t.row("slot", s.Slot)
	t.row("target", s.Target)
	t.row("blocks", s.Blocks)
	t.row("size", size(s.Bytes))
	t.row("since", time.Since(s.Began))
	return t
}
