package beacon

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// An element is what a model of a peer answers with.
type element struct{ at, index uint64 }

// TestPlansAskForEverythingOnce has a peer whose answers are cut anywhere, and asks it for any number of chunks
// at a time.
func TestPlansAskForEverythingOnce(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 0))
		start, count := r.Uint64N(100), 1+r.Uint64N(12)
		columns := make([]uint64, 1+r.IntN(6))
		for i := range columns {
			columns[i] = r.Uint64N(10) // some more than once, in any order
		}
		var held []element
		for at := start; at < start+count; at++ {
			if r.IntN(4) > 0 {
				for index := range uint64(10) {
					held = append(held, element{at, index})
				}
			}
		}
		want := answering(held, start, count, columns)
		got := walk(t, r, held, &columnSpan{span: newSpan[uint64](start, count, nil), columns: columns})
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: columns %d of %d from %d: got %v, want %v", seed, columns, count, start, got, want)
		}
	}
}

// answering returns what answers a request, in order.
func answering(held []element, start, count uint64, columns []uint64) (answer []element) {
	for _, e := range held {
		if e.at >= start && e.at-start < count && slices.Contains(columns, e.index) {
			answer = append(answer, e)
		}
	}
	return answer
}

// walk makes all requests of a plan.
func walk(t *testing.T, r *rand.Rand, held []element, plan *columnSpan) (got []element) {
	for range 1000 {
		n := 1 + r.IntN(20)
		if r.IntN(8) == 0 {
			n = math.MaxInt
		}
		plan.next(n + r.IntN(2)) // what is not known of the connection yet
		request := plan.next(n)
		if request == nil {
			return got
		}
		req := request.(*ssz.DataColumnSidecarsByRangeRequest)
		if asked := req.Count * uint64(len(req.Columns)); asked > uint64(n) {
			t.Fatalf("%d chunks are asked for in place of %d", asked, n)
		}
		answer := answering(held, uint64(req.StartSlot), req.Count, req.Columns)
		cut := len(answer) > 0 && r.IntN(2) == 0
		if cut {
			answer = answer[:1+r.IntN(len(answer))]
		}
		for _, e := range answer {
			if err := plan.check(e.at); err != nil {
				t.Fatal(err)
			}
			plan.index = e.index
		}
		got = append(got, answer...)
		plan.done(cut)
	}
	t.Fatal("the plan does not come to an end")
	return nil
}

// TestMostBlobsIsOfTheLastSlot has ranges that end where more blobs are allowed, and at the last slot there is.
func TestMostBlobsIsOfTheLastSlot(t *testing.T) {
	n := ssz.Mainnet()
	electra := n.StartSlot(n.Config().Forks[ssz.Electra].Epoch)
	c := &Client{family: NewFamily(n)}
	newest := n.BlobParametersAt(n.EpochOf(math.MaxUint64)).MaxBlobsPerBlock
	for _, tt := range []struct {
		start       ssz.Slot
		count, want uint64
	}{
		{electra - 2, 2, 6},
		{electra - 2, 3, 9},
		{electra, 1, 9},
		{math.MaxUint64 - 1, 2, newest},
		{math.MaxUint64, 1, newest},
	} {
		if got := c.mostBlobs(tt.start, tt.count); got != tt.want {
			t.Errorf("%d slots from %d: %d blobs, want %d", tt.count, tt.start, got, tt.want)
		}
	}
}
