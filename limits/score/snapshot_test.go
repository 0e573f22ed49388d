package score_test

import (
	"encoding/json"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits/score"
)

func decodeID(t *testing.T, s string) peer.ID {
	t.Helper()
	id, err := peer.Decode(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestScoresAndBansSurviveARestart(t *testing.T) {
	t.Parallel()
	bad := decodeID(t, "16Uiu2HAkuq1QXX2S9NLhMGsiCjE5SVLyEwwhsBr6sSwpyxWPvnKZ")
	worst := decodeID(t, "16Uiu2HAmJuN3TRyzW5Ru9sCm6W2fhAwm4bWKX4xjMDGfxYbNhU3P")
	synctest.Test(t, func(t *testing.T) {
		before := newBook(t, nil)
		before.Penalize(bad, score.LowTolerance, "")
		before.Penalize(bad, score.LowTolerance, "")
		before.Penalize(worst, score.Fatal, "")
		time.Sleep(10 * time.Minute)
		data, err := json.Marshal(before.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute) // while the node is off
		var s score.Snapshot
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		after := newBook(t, &score.Options{Trusted: []peer.ID{alice}})
		s.Scores = append(s.Scores, score.Entry{Peer: alice, Score: -70})
		if err := after.Restore(s); err != nil {
			t.Fatal(err)
		}
		wantScore(t, after, bad, -5)
		wantAction(t, after, worst, score.Ban)
		wantScore(t, after, alice, 0)
		time.Sleep(40 * time.Minute)
		wantAction(t, after, worst, score.Keep)
		wantScore(t, after, worst, -10)
	})
}

func TestRestoreRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		for name, s := range map[string]score.Snapshot{
			"score out of range": {Taken: time.Now(), Scores: []score.Entry{{Peer: bob, Score: -1}, {Peer: alice, Score: -101}}},
			"score is no number": {Taken: time.Now(), Scores: []score.Entry{{Peer: bob, Score: -1}, {Peer: alice, Score: math.NaN()}}},
		} {
			if err := b.Restore(s); err == nil {
				t.Errorf("%s: was restored", name)
			}
			wantScore(t, b, bob, 0)
		}
		// A ban is not longer than those of this book.
		if err := b.Restore(score.Snapshot{Taken: time.Now(), Scores: []score.Entry{
			{Peer: bob, Score: -60, BannedUntil: time.Now().Add(1000 * time.Hour)},
		}}); err != nil {
			t.Fatal(err)
		}
		wantAction(t, b, bob, score.Ban)
		time.Sleep(defaults.BanFor)
		wantAction(t, b, bob, score.Keep)
	})
}

// The clock was wrong as a snapshot was taken, or it is wrong now: neither loses a ban, nor makes it longer.
func TestSnapshotOfTheFutureIsOneOfNow(t *testing.T) {
	t.Parallel()
	carol := decodeID(t, "16Uiu2HAkuq1QXX2S9NLhMGsiCjE5SVLyEwwhsBr6sSwpyxWPvnKZ")
	dave := decodeID(t, "16Uiu2HAmJuN3TRyzW5Ru9sCm6W2fhAwm4bWKX4xjMDGfxYbNhU3P")
	for _, ahead := range []time.Duration{time.Second, 59 * time.Minute, 2 * time.Hour, 20 * 365 * 24 * time.Hour, math.MaxInt64} {
		synctest.Test(t, func(t *testing.T) {
			taken := time.Now().Add(ahead)
			s := score.Snapshot{Taken: taken, Scores: []score.Entry{
				{Peer: alice, Score: -16},
				{Peer: bob, Score: -60, BannedUntil: taken.Add(30 * time.Minute)},
				{Peer: carol, Score: 0, BannedUntil: taken.Add(48 * time.Hour), Reason: "spam", ByHand: true},
				{Peer: dave, Score: -60, BannedUntil: taken.Add(-10 * time.Minute)},
			}}
			if !s.IsFuture() {
				t.Errorf("%v ahead: is not of the future", ahead)
			}
			b := newBook(t, nil)
			if err := b.Restore(s); err != nil {
				t.Fatalf("%v ahead: %v", ahead, err)
			}
			wantScore(t, b, alice, -16)
			wantAction(t, b, bob, score.Ban)
			wantAction(t, b, carol, score.Ban)
			wantAction(t, b, dave, score.Disconnect)
			if bans := b.Bans(); len(bans) != 2 || bans[0].Until.After(time.Now().Add(48*time.Hour)) {
				t.Errorf("%v ahead: bans %v", ahead, bans)
			}
			time.Sleep(defaults.HalfLife)
			wantScore(t, b, alice, -8)
			time.Sleep(20*time.Minute - time.Second)
			wantAction(t, b, bob, score.Ban)
			time.Sleep(time.Second)
			wantAction(t, b, bob, score.Keep)
			// What is kept of it is of the present.
			again := b.Snapshot()
			if again.IsFuture() {
				t.Errorf("%v ahead: taken again at %v, it is %v", ahead, again.Taken, time.Now())
			}
			time.Sleep(47*time.Hour + 29*time.Minute)
			wantAction(t, b, carol, score.Ban)
			time.Sleep(time.Minute)
			wantAction(t, b, carol, score.Keep)
		})
	}
}

func TestSnapshotOfThePastIsNotOfTheFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, taken := range []time.Time{{}, time.Now().Add(-time.Hour), time.Now()} {
			if s := (score.Snapshot{Taken: taken}); s.IsFuture() {
				t.Errorf("%v is in the future at %v", taken, time.Now())
			}
		}
	})
}
