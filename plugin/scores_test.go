package plugin_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
)

func TestBansAndScoresOutliveAProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	banned, bad := somebodyID(t), peer.ID("\x00\x01x")
	s := startStandalone(t, dir, devConfig())
	if err := s.Scores().Ban(banned, 48*time.Hour, "spam"); err != nil {
		t.Fatal(err)
	}
	s.Scores().Penalize(bad, score.LowTolerance, "late")
	want := s.Scores().Bans()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	again := startStandalone(t, dir, devConfig())
	same := func(a, b score.Banned) bool {
		return a.Peer == b.Peer && a.Until.Sub(b.Until).Abs() < time.Second && a.Reason == b.Reason
	}
	if got := again.Scores().Bans(); !slices.EqualFunc(got, want, same) {
		t.Errorf("bans %v, want %v", got, want)
	}
	if got := again.Scores().Score(bad); got > -9 || got < -10 {
		t.Errorf("score %v, want almost -10", got)
	}
	// What is newer than the file stays.
	again.Scores().Forgive(banned)
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	if got := again.Scores().Bans(); len(got) != 0 {
		t.Errorf("bans %v of whom was forgiven", got)
	}
}

// To start without the bans that there were would let in whom an operator has banned.
func TestStartRefusesUnreadableScores(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "reqresp-scores.json")
	for _, text := range []string{"{", `{"scores":[{"peer":"` + somebody + `","score":-500}]}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := standalone(t, dir, devConfig()).Start()
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "restore or remove it") {
			t.Errorf("error %v, want one that says what to do about %s", err, path)
		}
		if kept, err := os.ReadFile(path); err != nil || string(kept) != text {
			t.Errorf("the file was changed to %q, error %v", kept, err)
		}
	}
}

// A clock that was wrong once keeps no node from its work, and lets in nobody who is banned.
func TestScoresOfTheFutureAreRestored(t *testing.T) {
	simulate(t, devchain.HeadSlot+1, func(t *testing.T, node, _ host.Host) {
		dir, banned := t.TempDir(), somebodyID(t)
		path := filepath.Join(dir, "reqresp-scores.json")
		ahead := time.Now().AddDate(10, 0, 0)
		text, err := json.Marshal(score.Snapshot{Taken: ahead, Scores: []score.Entry{
			{Peer: banned, Score: -60, BannedUntil: ahead.Add(time.Hour), Reason: "spam", ByHand: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		s, err := plugin.NewStandalone(dir, nil, plugin.Config{
			Genesis: devGenesis(), Host: node, Peers: peers.Config{NoDial: true},
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if bans := s.Scores().Bans(); len(bans) != 1 || time.Until(bans[0].Until) != time.Hour {
			t.Errorf("bans %v, want one for an hour", bans)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), path) {
			t.Errorf("logged %q, want one warning that names %s", log.String(), path)
		}
		var kept score.Snapshot
		if text, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &kept); err != nil || kept.IsFuture() || len(kept.Scores) != 1 {
			t.Errorf("kept %+v, %v", kept, err)
		}
	})
}

// A peer whose score is bad is left, and one that is trusted is not.
func TestBadPeersAreLeft(t *testing.T) {
	_, server := start(t, t.TempDir(), devConfig())
	_, bad := start(t, t.TempDir(), devConfig())
	_, trusted := start(t, t.TempDir(), devConfig())
	join(t, bad, server)
	join(t, trusted, server)
	simtest.WaitFor(t, "both peers", func() bool { return len(server.Peers().Peers()) == 2 })
	server.Scores().Trust(trusted.Host().ID(), true)
	for _, s := range []peer.ID{bad.Host().ID(), trusted.Host().ID()} {
		server.Scores().Penalize(s, score.Fatal, "malformed")
	}
	simtest.WaitFor(t, "the bad peer to go", func() bool { return len(server.Host().Network().Peers()) == 1 })
	if got := server.Host().Network().Peers(); !slices.Equal(got, []peer.ID{trusted.Host().ID()}) {
		t.Errorf("left are %v, want the trusted peer", got)
	}
}

// A ban that a book was given before the service starts is newer than what the file has of the peer.
func TestBansBeforeTheStartAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	somebody := somebodyID(t)
	s := startStandalone(t, dir, devConfig())
	s.Scores().Penalize(somebody, score.LowTolerance, "late")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	again := standalone(t, dir, devConfig())
	if err := again.Scores().Ban(somebody, time.Hour, "spam"); err != nil {
		t.Fatal(err)
	}
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	if got := again.Scores().Action(somebody); got != score.Ban {
		t.Errorf("verdict %v, want the ban to stay", got)
	}
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
}
