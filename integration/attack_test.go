//go:build attack

package integration_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

var longAttacks = flag.Bool("attack.long", false, "run every attack, and hold latencies against their bounds")

const mib = 1 << 20

// An attackCase is a line of the table.
type attackCase struct {
	attack    string
	transport string
	peers     int
	rate      float64
	memory    int64
	lasts     time.Duration
	fate      attackFate
	short     bool // is run in the short form
	newcomers bool // the attack is on their seats and bandwidth
}

// An attackFate is what is to become of the attackers.
type attackFate int

const (
	banned    attackFate = iota // and gone within a minute
	forgiven                    // honest mistakes, never banned
	unsettled                   // shown, not judged
)

// attackCases are the lines of the table. The half-negotiated streams are of every transport, number of
// peers and memory in the long form.
func attackCases() []attackCase {
	cases := []attackCase{
		{"malformed requests", "yamux", 1, 1.9, 256 * mib, 10 * time.Second, banned, true, false},
		{"callers that are gone", "yamux", 1, 1.9, 256 * mib, 12 * time.Second, forgiven, true, false},
		{"callers that are gone", "quic", 1, 1.9, 256 * mib, 100 * time.Second, forgiven, false, false},
		{"answers not read", "yamux", 8, 10, 256 * mib, 12 * time.Second, unsettled, true, false},
		{"answers not read", "mplex", 8, 10, 256 * mib, 12 * time.Second, unsettled, true, false},
		{"answers not read", "quic", 8, 10, 256 * mib, 60 * time.Second, unsettled, false, false},
		{"idle", "yamux", 64, 1, 256 * mib, 60 * time.Second, unsettled, false, true},
		{"new keys", "yamux", 64, 1, 256 * mib, 60 * time.Second, unsettled, false, true},
	}
	for _, variant := range []string{"one byte", "header", "reset early"} {
		for _, transport := range []string{"yamux", "mplex", "quic"} {
			for _, peers := range []int{8, 30, 200} {
				for _, memory := range []int64{256 * mib, 2048 * mib} {
					whole := variant == "one byte"
					if !whole && (peers != 30 || memory != 256*mib) {
						continue
					}
					cases = append(cases, attackCase{
						attack: "half-negotiated: " + variant, transport: transport, peers: peers, rate: 50, memory: memory,
						lasts: 10 * time.Second, short: whole && peers == 30 && memory == 256*mib,
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
		t.Run(strings.ReplaceAll(fmt.Sprintf("%s/%s/%d/%d", c.attack, c.transport, c.peers, c.memory/mib), " ", "-"), func(t *testing.T) {
			r := underAttack(t, c)
			results = append(results, r)
			r.check(t)
		})
	}
}

// underAttack runs a line of the table.
func underAttack(t *testing.T, c attackCase) attackResult {
	r := attackResult{attackCase: c}
	server := startProcess(t, attackedServer, strconv.FormatInt(c.memory, 10))
	var target peer.AddrInfo
	if err := server.answer.Decode(&target); err != nil {
		t.Fatal(err)
	}
	crowd, leave := gather(t, target, c.transport)
	defer leave()
	time.Sleep(2 * time.Second) // until connected and identified
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
		r.banned, r.gone = 0, 0
		for _, id := range ids {
			if slices.Contains(state.Banned, id) {
				r.banned++
			}
			if !slices.Contains(state.Connected, id) {
				r.gone++
			}
		}
		done := r.banned == len(ids) && r.gone == len(ids)
		if done && r.took == 0 {
			r.took = passed
		}
		if passed >= r.lasts && (done || r.fate != banned || passed > time.Minute) {
			return
		}
	}
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
	if share := r.members.share(); share < 0.99 && !r.attackCase.newcomers {
		t.Errorf("%d of %d honest requests succeeded, want 99 %%: %v", r.members.ok, r.members.all, r.members.failure)
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
	case r.fate == forgiven && r.banned > 0:
		t.Error("honest mistakes are banned")
	}
	if most := max(3*r.idle.p90, 250*time.Millisecond); *longAttacks && r.members.p90 > most && !r.attackCase.newcomers {
		t.Errorf("nine of ten requests take up to %v, want %v", r.members.p90, most)
	}
}

func attackTable(results []attackResult) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "attack\tover\tpeers\tMiB\tstreams\thonest ok\tp50\tidle\tp90\tidle\tnewcomers ok\tp90\tidle\tRSS MiB: idle\tpeak\tafter\tbanned\tgone\tafter\t")
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
	for _, r := range results {
		took := "-"
		if r.took > 0 {
			took = fmt.Sprintf("%.1f s", r.took.Seconds())
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d of %d\t%s\t%s\t%s\t%s\t%d of %d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t\n",
			r.attack, r.transport, r.peers, r.memory/mib, r.totals.Opened, r.members.ok, r.members.all,
			ms(r.members.p50), ms(r.idle.p50), ms(r.members.p90), ms(r.idle.p90),
			r.newcomers.ok, r.newcomers.all, ms(r.newcomers.p90), ms(r.idleNewcomers.p90),
			r.rested/mib, r.peak/mib, r.after/mib, r.banned, r.gone, took)
	}
	_ = w.Flush()
	return text.String()
}
