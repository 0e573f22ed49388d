package conformance_test

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
)

// every names all demands, and of how many protocols each is, of the 23.
var every = map[string]int{
	"P-offered": 23,
	"M1-close":  23,
	"M2-close":  23, "M2-once": 23,
	"M3-two": 23, "M3-third": 23,
	"M4-reset": 23, "M4-count": 23,
	"M5-open":  18,
	"M6-short": 18,
	"M7-limit": 23, "M7-promptly": 23,
	"M8-last": 23, "M8-codes": 23, "M8-unavailable": 8,
	"M9-length": 23, "M9-minimal": 23, "M9-claim": 18, "M9-varint": 18,
	"M10-compressed": 18, "M10-response": 23,
	"M11-trailing": 18, "M11-early": 18,
	"M12-response": 23,
	"M13-chunks":   23, "M13-frames": 18,
	"M14-empty": 5, "M14-bytes": 5,
	"M15-version": 23, "M15-altair": 2,
	"S1-status": 2, "S1-digest": 2, "S1-finalized": 2, "S1-dialer": 2,
	"S2-serve": 3, "S2-first": 3, "S2-gap": 2, "S2-count": 3, "S2-max": 3, "S2-finalized": 1, "S2-unavailable": 2,
	"S2-future": 2, "S2-overflow": 2, "S2-limit": 5, "S2-canonical": 1, "S2-reorg": 5,
	"S3-known": 3, "S3-unknown": 3, "S3-max": 3, "S3-old": 5, "S3-gossip": 5, "S3-invalid": 5,
	"S4-payload": 16,
	"S5-serve":   2, "S5-first": 2, "S5-known": 2, "S5-unknown": 2, "S5-max": 4, "S5-fulu": 1, "S5-none": 2,
	"S5-unavailable": 2, "S5-verify": 4,
	"S6-updates": 1, "S6-first": 1, "S6-count": 1, "S6-max": 1, "S6-bootstrap": 1, "S6-unavailable": 1, "S6-latest": 2,
	"S7-ancestry": 1, "S7-count": 1, "S7-unknown": 1, "S7-max": 1, "S7-old": 1,
	"S8-serve": 1, "S8-known": 1, "S8-unknown": 1, "S8-old": 1, "S8-max": 1, "S8-equivocators": 1,
	"S9-earliest": 1, "S9-blocks": 1, "S9-sidecars": 2, "S9-custody": 1,
	"S10-context": 14, "S10-boundary": 1,
}

// What is tried and what is left out are the whole list together, and no rule is there twice.
func TestRulesAreTheWholeList(t *testing.T) {
	got, seen, numbers := make(map[string]int), make(map[string]bool), make(map[string]bool)
	for _, r := range conformance.Rules() {
		if name := ruleName(r); seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[ruleName(r)] = true
		got[r.ID]++
		number, _, _ := strings.Cut(r.ID, "-")
		numbers[number] = true
		if r.Expected == "" || r.LeftOut == "" && r.Asked == "" {
			t.Errorf("%s does not tell what it is about", ruleName(r))
		}
	}
	if !maps.Equal(got, every) {
		for id := range every {
			if got[id] != every[id] {
				t.Errorf("%s is of %d protocols, want %d", id, got[id], every[id])
			}
			delete(got, id)
		}
		for id := range got {
			t.Errorf("%s is of none, want it gone", id)
		}
	}
	for i := range 15 {
		if number := fmt.Sprintf("M%d", i+1); !numbers[number] {
			t.Errorf("there is no rule of %s", number)
		}
	}
	for i := range 10 {
		if number := fmt.Sprintf("S%d", i+1); !numbers[number] {
			t.Errorf("there is no rule of %s", number)
		}
	}
}

// A rule that is left out tells why, and whoever is not told to be hostile is not.
func TestHostileRulesHaveToBeAskedFor(t *testing.T) {
	hostile := 0
	for _, r := range conformance.Rules() {
		if r.Hostile {
			hostile++
		}
		if r.Rough && !r.Hostile && r.Method != "ping" && !strings.HasPrefix(r.Method, "beacon_blocks") {
			t.Errorf("%s breaks a rule, and is not hostile", ruleName(r))
		}
	}
	if hostile == 0 {
		t.Error("no rule is hostile")
	}
}

// The table has every rule, each that is left out in one line.
func TestTableTellsWhatIsLeftOut(t *testing.T) {
	rules := conformance.Rules()
	results := make([]conformance.Result, len(rules))
	for i := range rules {
		results[i] = conformance.Result{Rule: &rules[i], Outcome: conformance.Pass, Saw: "something"}
		if rules[i].LeftOut != "" {
			results[i].Outcome, results[i].Saw = conformance.LeftOut, rules[i].LeftOut
		}
	}
	text := table(results)
	for id := range every {
		if !strings.Contains(text, "\n"+id+" ") {
			t.Errorf("%s is not in the table", id)
		}
	}
	if n := strings.Count(text, "\nM3-two "); n != 1 {
		t.Errorf("M3-two is there %d times", n)
	}
	if !regexp.MustCompile(`\nM3-two +out +MUST +23 protocols +the requester has two requests at a time at most +a rule for who asks`).MatchString(text) {
		t.Error("what M3-two says is not in the table")
	}
}
