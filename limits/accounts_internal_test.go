package limits

import (
	"math/rand/v2"
	"testing"
)

// TestAccountsAreFound adds and removes accounts at random, many of which have the same
// tag or begin to be searched from the same slot, and compares with a map.
func TestAccountsAreFound(t *testing.T) {
	t.Parallel()
	type owner struct {
		key    key
		method *method
	}
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		methods := []*method{{salt: rnd.Uint64()}, {salt: rnd.Uint64()}}
		var table accounts
		model := make(map[owner]*account)
		for range 5000 {
			o := owner{key{rnd.Uint64N(8)<<61 | rnd.Uint64N(30)<<32, rnd.Uint64N(20)}, methods[rnd.IntN(2)]}
			a := model[o]
			if got := table.find(o.key, o.method); got != a {
				t.Fatalf("seed %d: found %p, want %p", seed, got, a)
			}
			if a != nil {
				table.remove(o.key, a)
				delete(model, o)
				continue
			}
			model[o] = table.add(o.key, o.method)
		}
		n := 0
		for a := range table.all() {
			n++
			if a.method == nil {
				t.Errorf("seed %d: an account that was removed is still there", seed)
			}
		}
		if n != len(model) {
			t.Errorf("seed %d: there are %d accounts, want %d", seed, n, len(model))
		}
		for o, a := range model {
			if table.find(o.key, o.method) != a {
				t.Errorf("seed %d: an account was lost", seed)
			}
		}
	}
}
