package score_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/score"
)

func wantBans(t *testing.T, b *score.Book, want ...score.Banned) {
	t.Helper()
	same := func(a, b score.Banned) bool {
		return a.Peer == b.Peer && a.Until.Equal(b.Until) && a.Reason == b.Reason
	}
	if got := b.Bans(); !slices.EqualFunc(got, want, same) {
		t.Errorf("bans %v, want %v", got, want)
	}
}

func TestBansByHandEndByThemselves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		if err := b.Ban(alice, 3*time.Hour, "spam"); err != nil {
			t.Fatal(err)
		}
		wantAction(t, b, alice, score.Ban)
		wantBans(t, b, score.Banned{Peer: alice, Until: time.Now().Add(3 * time.Hour), Reason: "spam"})
		b.Penalize(alice, score.Fatal, "malformed") // which does not shorten it
		time.Sleep(3*time.Hour - time.Second)
		wantAction(t, b, alice, score.Ban)
		time.Sleep(time.Second)
		wantAction(t, b, alice, score.Keep)
		wantBans(t, b)
	})
}

func TestBanReplacesTheBanThereIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		b.Penalize(bob, score.Fatal, "malformed")
		wantBans(t, b, score.Banned{Peer: bob, Until: time.Now().Add(defaults.BanFor), Reason: "malformed"})
		if err := b.Ban(bob, time.Minute, "less"); err != nil {
			t.Fatal(err)
		}
		wantBans(t, b, score.Banned{Peer: bob, Until: time.Now().Add(time.Minute), Reason: "less"})
	})
}

func TestForgiveLiftsABan(t *testing.T) {
	t.Parallel()
	b := newBook(t, nil)
	if err := b.Ban(alice, time.Hour, ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if got := b.Forgive(alice); got != want {
			t.Errorf("there was a ban: %v, want %v", got, want)
		}
		wantAction(t, b, alice, score.Keep)
	}
}

func TestBanRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	b := newBook(t, &score.Options{Trusted: []peer.ID{alice}})
	if err := b.Ban(alice, time.Hour, ""); !errors.Is(err, score.ErrTrusted) {
		t.Errorf("error %v, want one of a trusted peer", err)
	}
	for _, d := range []time.Duration{-time.Hour, 0, time.Second - 1, score.MaxBan + 1} {
		if err := b.Ban(bob, d, ""); err == nil || !strings.Contains(err.Error(), "is not between 1s and 8760h0m0s") {
			t.Errorf("%v: error %v", d, err)
		}
	}
	wantBans(t, b)
}

func TestReasonsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBook(t, nil)
	if err := b.Ban(alice, time.Hour, strings.Repeat("é", score.MaxReason)); err != nil {
		t.Fatal(err)
	}
	b.Penalize(bob, score.Fatal, strings.Repeat("x", score.MaxReason+1))
	for _, ban := range b.Bans() {
		if len(ban.Reason) != score.MaxReason {
			t.Errorf("a reason of %d bytes is kept", len(ban.Reason))
		}
	}
}

func TestTrustedPeersAreListed(t *testing.T) {
	t.Parallel()
	b := newBook(t, &score.Options{Trusted: []peer.ID{bob}})
	b.Trust(alice, true)
	want := []peer.ID{alice, bob}
	slices.Sort(want)
	if got := b.Trusted(); !slices.Equal(got, want) {
		t.Errorf("trusted %v, want %v", got, want)
	}
	b.Trust(bob, false)
	if got := b.Trusted(); !slices.Equal(got, []peer.ID{alice}) {
		t.Errorf("trusted %v, want alice", got)
	}
}

// What an operator said holds over a restart, even if it is longer than any ban for a score.
func TestBansByHandSurviveARestart(t *testing.T) {
	t.Parallel()
	bad := decodeID(t, "16Uiu2HAkuq1QXX2S9NLhMGsiCjE5SVLyEwwhsBr6sSwpyxWPvnKZ")
	synctest.Test(t, func(t *testing.T) {
		before := newBook(t, nil)
		if err := before.Ban(bad, 48*time.Hour, "spam"); err != nil {
			t.Fatal(err)
		}
		want := before.Bans()
		data, err := json.Marshal(before.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		var s score.Snapshot
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		after := newBook(t, nil)
		if err := after.Restore(s); err != nil {
			t.Fatal(err)
		}
		wantBans(t, after, want...)
		time.Sleep(24 * time.Hour)
		wantAction(t, after, bad, score.Keep)
	})
}
