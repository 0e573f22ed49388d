package score_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
)

const (
	alice = peer.ID("alice")
	bob   = peer.ID("bob")
)

// defaults are those that the documentation of score.Config has.
var defaults = score.Config{
	HalfLife: 10 * time.Minute, Window: time.Minute, LowCap: 20, MidCap: 10, HighCap: 5, RewardCap: 5,
	Disconnect: -20, Ban: -50, BanFor: time.Hour, MaxPeers: 16384,
}

func TestZeroMeansTheDefaults(t *testing.T) {
	if got, err := (score.Config{}).Effective(); err != nil || got != defaults {
		t.Errorf("defaults are %+v, error %v, want %+v", got, err, defaults)
	}
}

func newBook(t *testing.T, opts *score.Options) *score.Book {
	t.Helper()
	book, err := score.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func wantScore(t *testing.T, b *score.Book, id peer.ID, want float64) {
	t.Helper()
	if got := b.Score(id); math.Abs(got-want) > 1e-9 {
		t.Errorf("score of %s is %v, want %v", string(id), got, want)
	}
}

func wantAction(t *testing.T, b *score.Book, id peer.ID, want score.Action) {
	t.Helper()
	if got := b.Action(id); got != want {
		t.Errorf("action on %s is %v, want %v", string(id), got, want)
	}
}

func TestPenaltiesAreCappedPerClassAndWindow(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		class  score.Class
		one    float64
		burst  float64 // of any number
		action score.Action
	}{
		{score.HighTolerance, -1, -5, score.Keep},
		{score.MidTolerance, -5, -10, score.Keep},
		{score.LowTolerance, -10, -20, score.Disconnect},
		{score.Malformed, -2, -100, score.Ban},
		{score.Fatal, -100, -100, score.Ban},
	} {
		t.Run(tc.class.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBook(t, nil)
				b.Penalize(alice, tc.class, "")
				wantScore(t, b, alice, tc.one)
				for range 200 {
					b.Penalize(alice, tc.class, "")
				}
				wantScore(t, b, alice, tc.burst)
				wantAction(t, b, alice, tc.action)
				wantScore(t, b, bob, 0)
			})
		})
	}
}

// TestBurstOfTimeoutsBansNobody is an incident of a deployed client: 162 timeouts
// in a minute banned 48 of 64 peers.
func TestBurstOfTimeoutsBansNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		for i := range 162 * 10 {
			b.Penalize(peer.ID(fmt.Sprint(i%64)), score.MidTolerance, "timeout")
			time.Sleep(time.Minute / 1620)
		}
		for i := range 64 {
			wantAction(t, b, peer.ID(fmt.Sprint(i)), score.Keep)
		}
	})
}

func TestOffenceThatGoesOnIsBanned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		minutes := 0
		for ; b.Action(alice) != score.Ban; minutes++ {
			if minutes > 15 {
				t.Fatal("a peer was not banned within 15 minutes")
			}
			for range 60 {
				b.Penalize(alice, score.MidTolerance, "timeout")
				time.Sleep(time.Second)
			}
		}
		if minutes < 3 {
			t.Errorf("a peer was banned in minute %d", minutes)
		}
	})
}

func TestScoreHalves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, &score.Options{Config: score.Config{HalfLife: time.Minute}})
		b.Penalize(alice, score.LowTolerance, "")
		for _, want := range []float64{-5, -2.5, -1.25} {
			time.Sleep(time.Minute)
			wantScore(t, b, alice, want)
		}
	})
}

func TestBanEndsAndTheScoreWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		b.Penalize(alice, score.Fatal, "")
		time.Sleep(30 * time.Minute)
		b.Penalize(alice, score.Fatal, "again") // prolongs nothing
		time.Sleep(30*time.Minute - 1)
		wantScore(t, b, alice, -100)
		wantAction(t, b, alice, score.Ban)
		time.Sleep(time.Nanosecond)
		wantScore(t, b, alice, -10)
		wantAction(t, b, alice, score.Keep)
		time.Sleep(defaults.HalfLife)
		wantScore(t, b, alice, -5)
		b.Penalize(alice, score.Fatal, "")
		wantAction(t, b, alice, score.Ban)
	})
}

func TestRewards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, &score.Options{Config: score.Config{HalfLife: 1000 * time.Hour}})
		b.Reward(alice, "")
		wantScore(t, b, alice, .5)
		for range 1000 {
			b.Reward(alice, "")
		}
		wantScore(t, b, alice, defaults.RewardCap)
		for range 100 {
			time.Sleep(time.Minute)
			for range 20 {
				b.Reward(alice, "")
			}
		}
		if got := b.Score(alice); got < 99 || got > 100 {
			t.Errorf("score is %v after many rewards", got)
		}
		if got := b.Weight(alice); got < 1.98 || got > 2 {
			t.Errorf("weight is %v after many rewards", got)
		}
		// No reward outweighs what is fatal.
		b.Penalize(alice, score.Fatal, "")
		wantAction(t, b, alice, score.Ban)
	})
}

func TestWeightFollowsTheScoreContinuously(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		if got := b.Weight(alice); got != 1 {
			t.Errorf("weight of a stranger is %v, want 1", got)
		}
		for _, want := range []float64{.5, .25} {
			b.Penalize(alice, score.MidTolerance, "")
			if got := b.Weight(alice); math.Abs(got-want) > 1e-9 {
				t.Errorf("weight is %v, want %v", got, want)
			}
		}
		b.Penalize(alice, score.LowTolerance, "")
		if got := b.Weight(alice); math.Abs(got-limits.MinWeight) > 1e-9 {
			t.Errorf("weight at the threshold of disconnecting is %v, want the least, %v", got, limits.MinWeight)
		}
		last := b.Weight(alice)
		for range 1000 {
			time.Sleep(10 * time.Second)
			w := b.Weight(alice)
			if w < last || w-last > .02 {
				t.Fatalf("weight went from %v to %v within ten seconds", last, w)
			}
			last = w
		}
		if last < .99 {
			t.Errorf("weight is %v long after", last)
		}
	})
}

func TestTrustedPeersAreExempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, &score.Options{Trusted: []peer.ID{alice}})
		wantAction := func(id peer.ID, want score.Action) {
			t.Helper()
			if got := b.Penalize(id, score.Fatal, ""); got != want {
				t.Errorf("action is %v, want %v", got, want)
			}
		}
		wantAction(alice, score.Keep)
		wantScore(t, b, alice, 0)
		wantAction(bob, score.Ban)
		b.Trust(bob, true)
		wantAction(bob, score.Keep)
		b.Trust(alice, false)
		wantAction(alice, score.Ban)
		b.Forgive(alice)
		wantScore(t, b, alice, 0)
	})
}

func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []score.Change
		b := newBook(t, &score.Options{Observe: func(c score.Change) { got = append(got, c) }})
		b.Reward(alice, "block")
		b.Penalize(alice, score.LowTolerance, "bad block")
		b.Penalize(alice, score.LowTolerance, "bad block")
		b.Penalize(alice, score.MidTolerance, "slow")
		b.Penalize(alice, score.LowTolerance, "bad block")
		b.Penalize(alice, score.Fatal, "wrong chain")
		want := []score.Change{
			{alice, 0, .5, 0, "block", score.Keep, false},
			{alice, .5, -9.5, score.LowTolerance, "bad block", score.Keep, false},
			{alice, -9.5, -19.5, score.LowTolerance, "bad block", score.Keep, false},
			{alice, -19.5, -24.5, score.MidTolerance, "slow", score.Disconnect, true},
			{alice, -24.5, -24.5, score.LowTolerance, "bad block", score.Disconnect, false},
			{alice, -24.5, -100, score.Fatal, "wrong chain", score.Ban, true},
		}
		if len(got) != len(want) {
			t.Fatalf("%d changes were told, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("change %d is %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 100
		b := newBook(t, &score.Options{Config: score.Config{MaxPeers: most}})
		for i := range most / 2 {
			b.Penalize(peer.ID(fmt.Sprint("banned", i)), score.Fatal, "")
		}
		for i := range 10 * most {
			b.Penalize(peer.ID(fmt.Sprint("other", i)), score.HighTolerance, "")
		}
		s := b.Snapshot()
		if len(s.Scores) > most {
			t.Errorf("%d scores are kept, at most %d may be", len(s.Scores), most)
		}
		banned := 0
		for _, e := range s.Scores {
			if !e.BannedUntil.IsZero() {
				banned++
			}
		}
		if banned < most/2*9/10 {
			t.Errorf("of %d bans %d are kept, beside small scores", most/2, banned)
		}
		time.Sleep(24 * time.Hour)
		for range 200 {
			b.Penalize(alice, score.HighTolerance, "")
			b.Forgive(alice)
		}
		if n := len(b.Snapshot().Scores); n > 0 {
			t.Errorf("%d scores are left after a day", n)
		}
	})
}

func TestInvalidConfigIsNamed(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]score.Config{
		"score: HalfLife 1ms is less than a second":               {HalfLife: time.Millisecond},
		"score: Window -1s is less than a second":                 {Window: -time.Second},
		"score: BanFor 1ns is less than a second":                 {BanFor: 1},
		"score: MidCap -1 is not between 0 and 100":               {MidCap: -1},
		"score: RewardCap NaN is not between 0 and 100":           {RewardCap: math.NaN()},
		"score: Disconnect 5 is not between -100 and 0":           {Disconnect: 5},
		"score: Ban -10 is not between -100 and -20":              {Ban: -10},
		"score: Ban -20 is not less than Disconnect -20":          {Ban: -20},
		"score: MaxPeers 2e+06 is not between 1 and 1.048576e+06": {MaxPeers: 2_000_000},
	} {
		if _, err := score.New(&score.Options{Config: c}); err == nil || err.Error() != want {
			t.Errorf("New returned %v, want %s", err, want)
		}
	}
}

func TestApplyKeepsScores(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, nil)
		b.Penalize(alice, score.LowTolerance, "")
		if err := b.Apply(score.Config{Disconnect: -5, HalfLife: time.Hour}); err != nil {
			t.Fatal(err)
		}
		wantAction(t, b, alice, score.Disconnect)
		time.Sleep(time.Hour)
		wantScore(t, b, alice, -5)
		if err := b.Apply(score.Config{Ban: 3}); err == nil {
			t.Error("a positive score to ban from was taken")
		}
		if got := b.Config().Disconnect; got != -5 {
			t.Errorf("Disconnect is %v after a configuration that was not taken, want -5", got)
		}
	})
}

func TestUnknownClassPanics(t *testing.T) {
	t.Parallel()
	for _, class := range []score.Class{0, 6, 99} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Penalize with %v did not panic", class)
				}
			}()
			newBook(t, nil).Penalize(alice, class, "")
		}()
	}
}

// TestPenaltiesThatFollowEachOtherAddUp has time pass between penalties, so that the score decays
// meanwhile, and counts how many of a class disconnect and ban.
func TestPenaltiesThatFollowEachOtherAddUp(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		class           score.Class
		apart           time.Duration
		disconnect, ban int // as the documentation of the class has it
	}{
		{score.LowTolerance, time.Nanosecond, 2, 0},
		{score.LowTolerance, time.Millisecond, 2, 0},
		{score.LowTolerance, time.Second, 2, 0},
		{score.LowTolerance, 15 * time.Second, 2, 0},
		{score.LowTolerance, 25 * time.Second, 3, 0},
		{score.LowTolerance, 30 * time.Second, 3, 6},
		{score.MidTolerance, 30 * time.Second, 5, 12},
		{score.HighTolerance, 12 * time.Second, 23, 84},
		{score.Malformed, time.Nanosecond, 10, 25},
		{score.Malformed, 500 * time.Millisecond, 10, 26},
	} {
		t.Run(fmt.Sprint(tc.class, " every ", tc.apart), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBook(t, nil)
				disconnect, ban := 0, 0
				for n := 1; n <= 100 && ban == 0; n++ {
					v := b.Penalize(alice, tc.class, "")
					if v >= score.Disconnect && disconnect == 0 {
						disconnect = n
					}
					if v == score.Ban {
						ban = n
					}
					time.Sleep(tc.apart)
				}
				if disconnect != tc.disconnect || tc.ban > 0 && ban != tc.ban {
					t.Errorf("penalty %d disconnected and %d banned, want %d and %d", disconnect, ban, tc.disconnect, tc.ban)
				}
			})
		})
	}
}

// TestCapHoldsWhileThePenaltiesDecay sees that what is added again for what has decayed takes
// no peer beyond the cap.
func TestCapHoldsWhileThePenaltiesDecay(t *testing.T) {
	t.Parallel()
	for class, most := range map[score.Class]float64{
		score.LowTolerance: defaults.LowCap, score.MidTolerance: defaults.MidCap, score.HighTolerance: defaults.HighCap,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBook(t, nil)
			for range 599 { // in one window
				b.Penalize(alice, class, "")
				if got := b.Score(alice); got < -most-1e-9 {
					t.Fatalf("score is %v after penalties of %v, which are capped at %v", got, class, most)
				}
				time.Sleep(time.Minute / 600)
			}
		})
	}
}

func TestAppScoreTellsOfBans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, &score.Options{Trusted: []peer.ID{"trusted"}})
		want := func(id peer.ID, want float64) {
			t.Helper()
			if got := b.AppScore(id); math.Abs(got-want) > 1e-9 {
				t.Errorf("AppScore of %s is %v, want %v", string(id), got, want)
			}
		}
		want(alice, 0)
		b.Reward(alice, "")
		want(alice, .5)
		b.Penalize(alice, score.MidTolerance, "")
		want(alice, -4.5)
		if err := b.Ban(alice, 10*time.Minute, "by hand"); err != nil {
			t.Fatal(err)
		}
		want(alice, -100)
		wantScore(t, b, alice, -4.5)
		time.Sleep(10*time.Minute - 1)
		want(alice, -100)
		time.Sleep(time.Nanosecond)
		want(alice, -4.5) // it stood still
		if err := b.Ban(alice, time.Hour, "by hand"); err != nil {
			t.Fatal(err)
		}
		b.Forgive(alice)
		want(alice, 0)
		for range 3 {
			b.Penalize(bob, score.LowTolerance, "")
			b.Penalize(bob, score.LowTolerance, "")
			time.Sleep(time.Minute)
		}
		wantAction(t, b, bob, score.Ban)
		want(bob, -100)
		b.Penalize("trusted", score.Fatal, "")
		want("trusted", 0)
	})
}
