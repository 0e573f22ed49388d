//go:build attack

package integration_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/peers"
)

var longAttacks = flag.Bool("attack.long", false, "run every attack, which takes half an hour: set -timeout")

const mib = 1 << 20

// An attackCase is a line of the table.
type attackCase struct {
	attack    string
	transport string
	peers     int
	rate      float64
	memory    int64
	prefixes  int // that the attackers' addresses are of; none have any if it is zero
	lasts     time.Duration
	fate      attackFate
	short     bool // is run in the short form
}

func (c attackCase) name() string {
	name := fmt.Sprintf("%s/%s/%d/%d", c.attack, c.transport, c.peers, c.memory/mib)
	if c.prefixes > 0 {
		name += fmt.Sprintf("/%d prefixes", c.prefixes)
	}
	return strings.ReplaceAll(name, " ", "-")
}

// An attackFate is what is to become of the attackers.
type attackFate int

const (
	banned    attackFate = iota // and gone within a minute
	forgiven                    // honest mistakes, never banned
	penalized                   // scored down at the end of the attack at the latest
	gone                        // scored down and left at the end of the attack at the latest
	bounded                     // nothing that is forbidden: what they get is bounded
)

// attackCases are the lines of the table. The half-negotiated streams are of every transport, number of
// peers and memory in the long form.
func attackCases() []attackCase {
	const s = time.Second
	left, unread := "callers that are gone", "answers not read"
	cases := []attackCase{
		{attack: "malformed requests", transport: "yamux", peers: 1, rate: 1.9, lasts: 10 * s, short: true},
		{attack: left, transport: "yamux", peers: 1, rate: 1.9, lasts: 8 * s, fate: forgiven, short: true},
		{attack: left, transport: "quic", peers: 1, rate: 1.9, lasts: 100 * s, fate: forgiven},
		{attack: unread, transport: "yamux", peers: 8, rate: 10, lasts: 8 * s, fate: penalized, short: true},
		{attack: unread, transport: "mplex", peers: 8, rate: 10, lasts: 8 * s, fate: penalized, short: true},
		{attack: unread, transport: "quic", peers: 8, rate: 10, lasts: 180 * s, fate: gone},
		{attack: "new keys", transport: "yamux", peers: 64, rate: 4, prefixes: 64, lasts: 10 * s, fate: bounded, short: true},
	}
	for _, prefixes := range []int{1, 64} {
		for _, attack := range []string{"idle", "greedy"} {
			cases = append(cases, attackCase{
				attack: attack, transport: "yamux", peers: 10 * (honestPeers + 1), rate: 1, prefixes: prefixes,
				lasts: 60 * s, fate: bounded,
			})
		}
		for _, transport := range []string{"yamux", "quic"} {
			cases = append(cases, attackCase{
				attack: "new keys", transport: transport, peers: 64, rate: 4, prefixes: prefixes,
				lasts: 50 * s, fate: bounded,
			})
		}
	}
	for i := range cases {
		cases[i].memory = 256 * mib
	}
	for _, variant := range []string{"one byte", "header", "reset early", "reset at once"} {
		for _, transport := range []string{"yamux", "mplex", "quic"} {
			for _, n := range []int{8, 30, 200} {
				for _, memory := range []int64{256 * mib, 2048 * mib} {
					whole := variant == "one byte"
					if !whole && (n != 30 || memory != 256*mib) {
						continue
					}
					cases = append(cases, attackCase{
						attack: "half-negotiated: " + variant, transport: transport, peers: n, rate: 50, memory: memory,
						lasts: 10 * s, short: whole && n == 30 && memory == 256*mib,
					})
				}
			}
		}
	}
	return cases
}

// An attackResult is what a line of the table says.
type attackResult struct {
	attackCase
	idle, members, idleNewcomers, newcomers outcome

	rested, peak, after int64 // resident memory
	totals              attackTotals
	banned, gone        int
	penalized           int
	blamed              int           // honest peers that are scored down
	took                time.Duration // until all were gone, zero if they are not
}

// TestHonestPeersNoticeNothing has attackers in a process of their own attack a service in another, while
// honest peers ask for blocks. It prints a table of what became of either.
func TestHonestPeersNoticeNothing(t *testing.T) {
	var results []attackResult
	defer func() { t.Log("\n" + attackTable(results)) }()
	for _, c := range attackCases() {
		if !c.short && !*longAttacks {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			r := underAttack(t, c)
			results = append(results, r)
			r.check(t)
		})
	}
}

// underAttack runs a line of the table.
func underAttack(t *testing.T, c attackCase) attackResult {
	r := attackResult{attackCase: c}
	setup, err := json.Marshal(attackedSetup{c.memory, c.prefixes})
	if err != nil {
		t.Fatal(err)
	}
	server := startProcess(t, attackedServer, string(setup))
	var target peer.AddrInfo
	if err := server.answer.Decode(&target); err != nil {
		t.Fatal(err)
	}
	crowd, leave := gather(t, target, c.transport)
	defer leave()
	time.Sleep(2 * time.Second) // until connected and identified
	if c.prefixes > 0 {
		time.Sleep(15 * time.Second) // until members are no newcomers
	}
	crowd.members.reset()
	crowd.newcomer.reset()
	time.Sleep(4 * time.Second)
	r.idle, r.idleNewcomers, r.rested = crowd.members.reset(), crowd.newcomer.reset(), server.resident()

	order, err := json.Marshal(attackOrder{c.attack, c.transport, c.peers, c.rate, target})
	if err != nil {
		t.Fatal(err)
	}
	attackers := startProcess(t, attackingPeers, string(order))
	var ids []peer.ID
	if err := attackers.answer.Decode(&ids); err != nil {
		t.Fatal(err)
	}
	crowd.members.reset()
	crowd.newcomer.reset()
	if _, err := attackers.ask.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	r.watch(t, server, ids)
	r.members, r.newcomers = crowd.members.reset(), crowd.newcomer.reset()
	if err := attackers.tell(&r.totals); err != nil {
		t.Error(err)
	}
	if err := attackers.end(); err != nil {
		t.Error(err)
	}
	r.rest(server)
	return r
}

// watch looks at the service until the attack has lasted, and until the attackers are gone if they are to be within
// a minute.
func (r *attackResult) watch(t *testing.T, server *process, ids []peer.ID) {
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		var state attackedState
		if err := server.tell(&state); err != nil {
			t.Fatal(err)
		}
		passed := time.Since(start)
		r.peak = max(r.peak, server.resident())
		r.banned, r.gone, r.penalized = 0, 0, 0
		for _, id := range ids {
			if slices.Contains(state.Banned, id) {
				r.banned++
			}
			if slices.Contains(state.Penalized, id) {
				r.penalized++
			}
			if !slices.Contains(state.Connected, id) {
				r.gone++
			}
		}
		r.blamed = 0
		for _, id := range state.Penalized {
			if !isAttacker(id) {
				r.blamed++
			}
		}
		done := r.settled()
		if done && r.took == 0 {
			r.took = passed
		}
		if passed >= r.lasts && (done || r.fate != banned || passed > time.Minute) || done && r.fate == gone {
			return
		}
	}
}

// settled reports whether all attackers have got what they deserve.
func (r *attackResult) settled() bool {
	switch r.fate {
	case banned:
		return r.banned == r.peers && r.gone == r.peers
	case gone:
		return r.penalized == r.peers && r.gone == r.peers
	case penalized:
		return r.penalized == r.peers
	case forgiven, bounded:
	}
	return false
}

// rest waits for the service's memory to return, half a minute at most.
func (r *attackResult) rest(server *process) {
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(250 * time.Millisecond) {
		if r.after = server.resident(); r.after <= r.returns() {
			return
		}
	}
}

// returns is what the service's memory is to return to: what Go keeps of a heap that has grown counts.
func (r *attackResult) returns() int64 { return 2*r.rested + 64*mib }

func (r *attackResult) check(t *testing.T) {
	if r.idle.share() < 0.99 {
		t.Fatalf("%d of %d requests succeeded before the attack: %v", r.idle.ok, r.idle.all, r.idle.failure)
	}
	if r.members.share() < 0.99 {
		t.Errorf("%d of %d honest requests succeeded, want 99 %%: %v", r.members.ok, r.members.all, r.members.failure)
	}
	// As many attackers as there may be connections can hold them all as they come back, a moment at a time.
	if n := r.newcomers; n.share() < 0.95 && r.peers < 3*peers.DefaultTarget {
		t.Errorf("%d of %d requests of newcomers succeeded, want 95 %%: %v", n.ok, n.all, n.failure)
	}
	if r.blamed > 0 {
		t.Errorf("%d honest peers are scored down", r.blamed)
	}
	if most := r.rested + r.memory; r.peak > most {
		t.Errorf("%d MiB of memory, want %d MiB at most", r.peak/mib, most/mib)
	}
	if r.after > r.returns() {
		t.Errorf("%d MiB of memory after the attack, %d MiB before", r.after/mib, r.rested/mib)
	}
	switch {
	case r.fate == banned && (r.took == 0 || r.took > time.Minute):
		t.Errorf("%d of %d attackers are banned and %d gone after a minute", r.banned, r.peers, r.gone)
	case (r.fate == penalized || r.fate == gone) && r.took == 0:
		t.Errorf("%d of %d attackers are scored down and %d gone after %v", r.penalized, r.peers, r.gone, r.lasts)
	case r.fate == forgiven && r.banned > 0:
		t.Error("honest mistakes are banned")
	}
	if most := r.slowest(); r.members.p90 > most {
		t.Errorf("nine of ten requests take up to %v, want %v", r.members.p90, most)
	}
}

// slowest returns how long nine of ten honest requests may take.
func (r *attackResult) slowest() time.Duration {
	if r.prefixes > 0 {
		return max(5*r.idle.p90, 500*time.Millisecond)
	}
	return max(3*r.idle.p90, 250*time.Millisecond)
}

func attackTable(results []attackResult) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) { fmt.Fprintf(w, strings.Repeat("%v\t", len(cells))+"\n", cells...) }
	row("attack", "over", "peers", "prefixes", "MiB", "streams", "MiB read", "honest ok", "p50", "idle", "p90", "idle",
		"newcomers ok", "p90", "idle", "RSS MiB: idle", "peak", "after", "penalized", "banned", "gone", "after")
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
	of := func(o outcome) string { return fmt.Sprintf("%d of %d", o.ok, o.all) }
	for _, r := range results {
		took := "-"
		if r.took > 0 {
			took = fmt.Sprintf("%.1f s", r.took.Seconds())
		}
		row(r.attack, r.transport, r.peers, r.prefixes, r.memory/mib, r.totals.Opened, r.totals.Read/mib,
			of(r.members), ms(r.members.p50), ms(r.idle.p50), ms(r.members.p90), ms(r.idle.p90),
			of(r.newcomers), ms(r.newcomers.p90), ms(r.idleNewcomers.p90),
			r.rested/mib, r.peak/mib, r.after/mib, r.penalized, r.banned, r.gone, took)
	}
	_ = w.Flush()
	return text.String()
}
