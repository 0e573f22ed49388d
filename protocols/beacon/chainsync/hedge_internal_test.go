package chainsync

import "testing"

// TestOverlapBudget asks whether a batch of ten slots of 200 bytes each, half of which is on the wire, may be
// downloaded twice.
func TestOverlapBudget(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		received, overlap int64
		hedged            bool // another batch of the same size is asked of two peers
		want              bool
	}{
		"nothing was, and nothing has come": {0, 0, false, true},
		"little was":                        {20_000, 1000, false, true},
		"a tenth would be exceeded":         {19_999, 1000, false, false},
		"another one is":                    {20_000, 0, true, true},
		"another one is, and one was":       {20_000, 1, true, false},
	} {
		s := &syncer{received: tc.received, overlap: tc.overlap, mean: 200}
		if tc.hedged {
			other := newBatch(1, 10)
			other.inFlight = make([]*attempt, 2)
			s.batches = append(s.batches, other)
		}
		if got := s.mayOverlap(newBatch(11, 20)); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
