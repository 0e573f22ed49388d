package top_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/top"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
)

var began = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// snapshot is one of a node after some seconds: each second it serves four requests, of which one
// fails and which are made to wait for half a second together.
func snapshot(t *testing.T, seconds int) top.Snapshot {
	t.Helper()
	n := uint64(seconds)
	served := api.Method{
		Method: "beacon_blocks_by_range", Direction: "inbound",
		Outcomes: map[string]uint64{"success": 3 * n, "reset": n}, Active: 2, Waiting: 1, Delay: float64(seconds) / 2,
		Chunks: 64 * n, WireBytes: n << 20, SSZBytes: n << 21, FirstByte: .25,
	}
	idle := api.Method{Method: "goodbye", Direction: "inbound", Outcomes: map[string]uint64{}}
	limit := api.Limit{
		Method:   "beacon_blocks_by_range",
		Requests: limits.Rate{N: 10, Per: time.Second, Burst: 20},
		Items:    limits.Rate{N: 10, Per: time.Second, Burst: 100},
		Bytes:    limits.ByteRate{N: 10, Per: time.Second, Burst: 1000},
	}
	rich := id(t, "16Uiu2HAm3NZUwzzNHfnnB8ADfnuP5MTDuqjRb3nTRBxPTQ4g7Wjj")
	poor := id(t, "16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq")
	unknown := id(t, "16Uiu2HAmVBe9RBzXQVUMGFDiGGV5PCzaWHvFbJbPo4P6HHzj1ab6")
	return top.Snapshot{
		At:      began.Add(time.Duration(seconds) * time.Second),
		Info:    api.NodeInfo{PeerID: rich, Network: "mainnet"},
		Methods: []api.Method{served, idle},
		Limits:  []api.Limit{limit},
		Peers: []api.Peer{
			{PeerID: unknown, Client: "teku", Direction: "outbound", Connected: began},
			{PeerID: rich, Client: "prysm", Direction: "inbound", Connected: began, Score: -7.25},
			{PeerID: poor, Client: "lighthouse", Direction: "inbound", Connected: began},
		},
		Budgets: []api.Budget{
			{PeerID: rich, Method: limit.Method, Requests: 20, Items: 60, Bytes: 700},
			{PeerID: poor, Method: limit.Method, Requests: 5, Items: -20, Bytes: 100, Waiting: 3},
		},
	}
}

func id(t *testing.T, text string) peer.ID {
	t.Helper()
	id, err := peer.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// shown returns the lines of a view without their colours.
func shown(m tea.Model) []string {
	return strings.Split(escapes.ReplaceAllString(m.View().Content, ""), "\n")
}

// line returns the cells of the line that has a word in it.
func line(t *testing.T, m tea.Model, word string) string {
	t.Helper()
	for _, line := range shown(m) {
		if strings.Contains(line, word) {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	t.Fatalf("no %q in\n%s", word, strings.Join(shown(m), "\n"))
	return ""
}

func newModel() tea.Model {
	return top.New(func(context.Context) (top.Snapshot, error) { return top.Snapshot{}, errors.New("asked") }, time.Second)
}

func update(m tea.Model, msgs ...tea.Msg) tea.Model {
	for _, msg := range msgs {
		m, _ = m.Update(msg)
	}
	return m
}

func TestRatesAreThoseBetweenTwoLooks(t *testing.T) {
	m := update(newModel(), tea.WindowSizeMsg{Width: 200, Height: 40}, top.Taken{Snapshot: snapshot(t, 1)}, top.Taken{Snapshot: snapshot(t, 3)})
	if got, want := line(t, m, "beacon_blocks_by_range  inbound"), "beacon_blocks_by_range inbound 4.0 1.0 2 1 0.5 s/s 64.0 1.0 MiB 2.0 MiB 250ms"; got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	if text := strings.Join(shown(m), "\n"); strings.Contains(text, "goodbye") {
		t.Errorf("a method that nothing has come of is shown:\n%s", text)
	}
	// A node that was started anew has counted less: nothing is negative.
	m = update(m, top.Taken{Snapshot: snapshot(t, 4)})
	anew := snapshot(t, 1)
	anew.At = began.Add(5 * time.Second)
	m = update(m, top.Taken{Snapshot: anew})
	if got := line(t, m, "beacon_blocks_by_range  inbound"); !strings.HasPrefix(got, "beacon_blocks_by_range inbound 0.0 0.0") {
		t.Errorf("%q", got)
	}
}

func TestPeersWithTheLeastLeftComeFirst(t *testing.T) {
	m := update(newModel(), tea.WindowSizeMsg{Width: 200, Height: 40}, top.Taken{Snapshot: snapshot(t, 60)})
	var order []string
	for _, line := range shown(m) {
		for _, client := range []string{"prysm", "lighthouse", "teku"} {
			if strings.Contains(line, client) {
				order = append(order, strings.Join(strings.Fields(line)[1:], " "))
			}
		}
	}
	want := []string{
		"lighthouse inbound 1m0s - 0 3 0.0 ░░░░░░░░░░ -20 % items of beacon_blocks_by_range",
		"prysm inbound 1m0s - 0 0 -7.2 ██████░░░░ 60 % items of beacon_blocks_by_range",
		"teku outbound 1m0s - 0 0 0.0 -",
	}
	if strings.Join(order, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(order, "\n"), strings.Join(want, "\n"))
	}
	if got := line(t, m, "mainnet"); !strings.Contains(got, "peers 2 in 1 out") {
		t.Errorf("%q", got)
	}
}

func TestSyncIsShownWhileItIsUnderWay(t *testing.T) {
	s := snapshot(t, 1)
	s.Syncing = &api.Syncing{PeerID: s.Info.PeerID, Slot: 50, Target: 200, Blocks: 49, Bytes: 3 << 20}
	m := update(newModel(), tea.WindowSizeMsg{Width: 200, Height: 40}, top.Taken{Snapshot: s})
	if got := line(t, m, "sync "); !strings.Contains(got, "███████▌░") || !strings.Contains(got, "slot 50 of 200, 49 blocks, 3.0 MiB") {
		t.Errorf("%q", got)
	}
	m = update(m, top.Taken{Snapshot: snapshot(t, 2)})
	if text := strings.Join(shown(m), "\n"); strings.Contains(text, "sync ") {
		t.Errorf("still shown:\n%s", text)
	}
}

func TestTheViewFitsTheTerminal(t *testing.T) {
	for _, size := range []tea.WindowSizeMsg{{Width: 200, Height: 50}, {Width: 80, Height: 24}, {Width: 40, Height: 12}, {Width: 1, Height: 1}} {
		m := update(newModel(), size, top.Taken{Snapshot: snapshot(t, 1)}, top.Taken{Err: errors.New(strings.Repeat("x", 300))})
		lines := shown(m)
		if len(lines) > max(size.Height, 10) {
			t.Errorf("%d lines on %d", len(lines), size.Height)
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > size.Width {
				t.Errorf("%d columns on %d: %q", utf8.RuneCountInString(line), size.Width, line)
			}
		}
	}
}

func TestFailuresAreShownAndGoAway(t *testing.T) {
	m := newModel()
	if got := line(t, m, "asking"); got != "asking the node …" {
		t.Errorf("%q", got)
	}
	m = update(m, top.Taken{Err: errors.New("no node")})
	line(t, m, "no node")
	m = update(m, top.Taken{Snapshot: snapshot(t, 1)}, top.Taken{Err: errors.New("node has gone")})
	line(t, m, "node has gone")
	line(t, m, "mainnet") // What was last known stays.
	m = update(m, top.Taken{Snapshot: snapshot(t, 2)})
	if text := strings.Join(shown(m), "\n"); strings.Contains(text, "gone") {
		t.Errorf("an old failure is shown:\n%s", text)
	}
}

func TestKeys(t *testing.T) {
	press := func(m tea.Model, code rune) (tea.Model, tea.Cmd) {
		return m.Update(tea.KeyPressMsg{Code: code, Text: string(code)})
	}
	m := update(newModel(), top.Taken{Snapshot: snapshot(t, 1)})
	m, _ = press(m, 'p')
	line(t, m, "paused")
	m = update(m, top.Taken{Snapshot: top.Snapshot{At: began, Info: api.NodeInfo{Network: "other"}}})
	line(t, m, "mainnet") // It does not move.
	m, _ = press(m, 'p')
	for range 5 {
		m, _ = press(m, 'j')
	}
	if text := strings.Join(shown(m), "\n"); strings.Contains(text, "lighthouse") || !strings.Contains(text, "teku") {
		t.Errorf("not scrolled to the last peer:\n%s", text)
	}
	for range 5 {
		m, _ = press(m, 'k')
	}
	line(t, m, "lighthouse")
	_, cmd := press(m, 'q')
	if cmd == nil {
		t.Fatal("q does nothing")
	}
	if _, ok := cmd().(tea.QuitMsg); !ok {
		t.Error("q does not quit")
	}
}

func TestTheNodeIsAskedAgainAndAgain(t *testing.T) {
	m := top.New(func(context.Context) (top.Snapshot, error) { return snapshot(t, 1), nil }, time.Millisecond)
	msg := m.Init()()
	taken, ok := msg.(top.Taken)
	if !ok || taken.Err != nil {
		t.Fatalf("first %v", msg)
	}
	_, wait := m.Update(msg)
	_, ask := m.Update(wait()) // after a millisecond
	if taken, ok := ask().(top.Taken); !ok || taken.Err != nil {
		t.Errorf("second %v", taken)
	}
}
