package quota_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// names returns the names of all methods, sorted.
func names() []string {
	var all []string
	for _, spec := range beacon.NewFamily(ssz.Mainnet()).Specs() {
		all = append(all, spec.Name())
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestEveryMethodHasAQuota(t *testing.T) {
	t.Parallel()
	served := quota.Served()
	for _, name := range names() {
		if _, ok := served[name]; !ok {
			t.Errorf("%s has no quota of its own", name)
		}
	}
}

// A client whose limits are not known has a quota for each method that answers with any number of objects, but of
// inclusion lists, which no deployed client serves yet.
func TestEveryStreamIsGrantedSomething(t *testing.T) {
	t.Parallel()
	granted := make(map[string]bool)
	for _, b := range quota.Granted()[""] {
		for _, name := range b.Methods {
			granted[name] = true
		}
	}
	for _, s := range beacon.NewFamily(ssz.Mainnet()).Specs() {
		if s.Kind() == reqresp.KindStream && s.Name() != "inclusion_lists_by_indices" && !granted[s.Name()] {
			t.Errorf("%s is in no quota of clients that are not known", s.Name())
		}
	}
}

func TestEveryNameIsOneOfAMethod(t *testing.T) {
	t.Parallel()
	known := names()
	check := func(where, name string) {
		// Execution proofs have limits in files of today; no fork has them yet.
		if !slices.Contains(known, name) && !strings.HasPrefix(name, "execution_proof") {
			t.Errorf("%s names %q, which is not a method", where, name)
		}
	}
	for name := range quota.Served() {
		check("Served", name)
	}
	for _, name := range quota.Small() {
		check("Small", name)
	}
	for client, quotas := range quota.Granted() {
		for _, b := range quotas {
			for _, name := range b.Methods {
				check(client, name)
			}
		}
	}
}

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	if _, err := outbound.New(&outbound.Options{Quotas: quota.Granted()}); err != nil {
		t.Error(err)
	}
	c := limits.Config{Methods: quota.Served()}
	if _, err := c.Effective(); err != nil {
		t.Error(err)
	}
	if w := c.Warnings(quota.Small()...); len(w) > 0 {
		t.Errorf("warnings are %v", w)
	}
}

func TestWhatIsReturnedIsTheCallers(t *testing.T) {
	t.Parallel()
	clear(quota.Served())
	quota.Small()[0] = "changed"
	for _, quotas := range quota.Granted() {
		for i := range quotas {
			clear(quotas[i].Methods)
		}
	}
	if len(quota.Served()) == 0 || quota.Small()[0] == "changed" {
		t.Error("a change of what was returned changed the defaults")
	}
	for _, client := range slices.Sorted(maps.Keys(quota.Granted())) {
		for _, b := range quota.Granted()[client] {
			if slices.Contains(b.Methods, "") {
				t.Errorf("%q: a change of what was returned changed the defaults", client)
			}
		}
	}
}
