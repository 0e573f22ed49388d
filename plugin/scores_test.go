package plugin_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/score"
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
		return a.Peer == b.Peer && a.Until.Equal(b.Until) && a.Reason == b.Reason
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

// A peer whose score is bad is left, and one that is trusted is not.
func TestBadPeersAreLeft(t *testing.T) {
	_, server := start(t, t.TempDir(), devConfig())
	_, bad := start(t, t.TempDir(), devConfig())
	_, trusted := start(t, t.TempDir(), devConfig())
	join(t, bad, server)
	join(t, trusted, server)
	waitFor(t, "both peers", func() bool { return len(server.Peers().Peers()) == 2 })
	server.Scores().Trust(trusted.Host().ID(), true)
	for _, s := range []peer.ID{bad.Host().ID(), trusted.Host().ID()} {
		server.Scores().Penalize(s, score.Fatal, "malformed")
	}
	waitFor(t, "the bad peer to go", func() bool { return len(server.Host().Network().Peers()) == 1 })
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
	if got := again.Scores().Verdict(somebody); got != score.Ban {
		t.Errorf("verdict %v, want the ban to stay", got)
	}
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
}
