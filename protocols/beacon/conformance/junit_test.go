package conformance_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
)

// report is what continuous integration systems read of a JUnit report.
type report struct {
	XMLName  xml.Name `xml:"testsuites"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Suites   []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Cases    []struct {
			Name       string `xml:"name,attr"`
			ClassName  string `xml:"classname,attr"`
			Properties []struct {
				Name  string `xml:"name,attr"`
				Value string `xml:"value,attr"`
			} `xml:"properties>property"`
			Skipped []why  `xml:"skipped"`
			Failure []why  `xml:"failure"`
			Output  string `xml:"system-out"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

type why struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// Every rule is a case of the report, with all that a reader needs to judge it.
func TestJUnitReport(t *testing.T) {
	rules := conformance.Rules()
	outcomes := []conformance.Outcome{conformance.Pass, conformance.Fail, conformance.Skip, conformance.LeftOut}
	results := make([]conformance.Result, len(rules))
	counts := make(map[conformance.Outcome]int)
	for i := range rules {
		outcome := outcomes[i%len(outcomes)]
		results[i] = conformance.Result{Rule: &rules[i], Outcome: outcome, Saw: "<seen> & \"\x00\" " + rules[i].ID}
		counts[outcome]++
	}
	results[1].Identity, results[1].Banned = peer.ID("someone"), "hung up"
	var text bytes.Buffer
	if err := conformance.WriteJUnit(&text, "a peer", results); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := xml.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, text.Bytes())
	}
	skipped := counts[conformance.Skip] + counts[conformance.LeftOut]
	if got.Tests != len(rules) || got.Failures != counts[conformance.Fail] || got.Skipped != skipped || got.Errors != 0 ||
		len(got.Suites) != 1 {
		t.Fatalf("%d tests, %d failures, %d skipped, %d errors, %d suites", got.Tests, got.Failures, got.Skipped, got.Errors,
			len(got.Suites))
	}
	suite := got.Suites[0]
	if suite.Name != "a peer" || suite.Tests != got.Tests || suite.Failures != got.Failures || suite.Skipped != skipped ||
		len(suite.Cases) != len(rules) {
		t.Fatalf("suite %q of %d tests, %d cases", suite.Name, suite.Tests, len(suite.Cases))
	}
	for i, c := range suite.Cases {
		r, saw := results[i], "<seen> & \"\ufffd\" "+rules[i].ID
		if c.Name != r.Rule.ID || c.ClassName != strings.TrimPrefix(ruleName(*r.Rule), r.Rule.ID+" ") {
			t.Fatalf("case %d is %q of %q", i, c.Name, c.ClassName)
		}
		if i == 1 {
			saw += "; it has banned " + r.Identity.String() + ": hung up"
		}
		properties := make(map[string]string)
		for _, p := range c.Properties {
			properties[p.Name] = p.Value
		}
		if properties["level"] != r.Rule.Severity.String() || properties["expected"] != r.Rule.Expected ||
			!strings.HasPrefix(properties["spec"], "specs/") || !strings.Contains(properties["spec"], ".md#") {
			t.Errorf("%s: properties %q", ruleName(*r.Rule), properties)
		}
		failed, skipped := len(c.Failure) == 1, len(c.Skipped) == 1
		if failed != (r.Outcome == conformance.Fail) || skipped != (r.Outcome == conformance.Skip ||
			r.Outcome == conformance.LeftOut) {
			t.Fatalf("%s: %v: failure %q, skipped %q", ruleName(*r.Rule), r.Outcome, c.Failure, c.Skipped)
		}
		switch {
		case failed && (c.Failure[0].Message != saw || c.Failure[0].Type != r.Rule.Severity.String() ||
			!strings.Contains(c.Failure[0].Text, r.Rule.Expected)):
			t.Errorf("%s: failure %q, want %q", ruleName(*r.Rule), c.Failure[0], saw)
		case skipped && c.Skipped[0].Message != saw:
			t.Errorf("%s: skipped %q, want %q", ruleName(*r.Rule), c.Skipped[0], saw)
		case !failed && !skipped && c.Output != saw:
			t.Errorf("%s: output %q, want %q", ruleName(*r.Rule), c.Output, saw)
		}
	}
}

type fullDisk struct{}

var errFullDisk = errors.New("disk is full")

func (fullDisk) Write([]byte) (int, error) { return 0, errFullDisk }

func TestJUnitReportIsNotLost(t *testing.T) {
	if err := conformance.WriteJUnit(fullDisk{}, "", nil); !errors.Is(err, errFullDisk) {
		t.Errorf("got %v", err)
	}
}
