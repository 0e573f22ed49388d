package rangesync_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// A peer whose chain does not lead to the store's is not asked for all that the store holds.
func TestComparingWithAPeerThatShowsNothingEnds(t *testing.T) {
	t.Parallel()
	held := fork(nil, 1, 1, 1990)
	tt := syncTest{
		opts: rangesync.Options{Batch: 1}, held: held, stored: held, err: rangesync.ErrDiverged,
		peer: scriptedPeer{chain: fork(fork(nil, 2, 2), 2, 1995)[1:]},
	}
	tt.check = func(t *testing.T, _ *store.Store, _ rangesync.Result, _ error) {
		// The comparisons are of 32, 64, … slots, and that of 1024 is the last.
		if n := len(tt.peer.got()); n > 2048 {
			t.Errorf("peer was asked %d times", n)
		}
	}
	tt.run(t)
}
