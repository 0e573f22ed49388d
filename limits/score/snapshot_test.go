package score_test

import (
	"encoding/json"
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
		wantVerdict(t, after, worst, score.Ban)
		wantScore(t, after, alice, 0)
		time.Sleep(40 * time.Minute)
		wantVerdict(t, after, worst, score.Keep)
		wantScore(t, after, worst, -10)
	})
}

func TestRestoreRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		for name, s := range map[string]score.Snapshot{
			"score out of range": {Taken: time.Now(), Scores: []score.Entry{{Peer: bob, Score: -1}, {Peer: alice, Score: -101}}},
			"from the future":    {Taken: time.Now().Add(2 * time.Hour), Scores: []score.Entry{{Peer: bob, Score: -1}}},
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
		wantVerdict(t, b, bob, score.Ban)
		time.Sleep(score.DefaultBanFor)
		wantVerdict(t, b, bob, score.Keep)
	})
}
