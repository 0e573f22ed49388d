package conformance

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteTable writes results as a table for people: rule, result, severity, protocol, the request and what was seen,
// including bans. A broken rule's line also has what was expected. A rule that is left out for several protocols, for
// one reason, is one line with the rule and the reason. The error is the writer's.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "RULE\tRESULT\tLEVEL\tPROTOCOL\tASKED\tSEEN")
	for len(results) > 0 {
		r, n := results[0], alike(results)
		results = results[n:]
		of := fmt.Sprintf("%s/%d", r.Rule.Method, r.Rule.Version)
		if n > 1 {
			of = fmt.Sprintf("%d protocols", n)
		}
		saw := r.saw()
		if r.Outcome == Fail {
			saw += "; expected " + r.Rule.Expected
		}
		asked := cmp.Or(r.Rule.Asked, r.Rule.Expected)
		_, _ = fmt.Fprintf(t, "%s\t%v\t%v\t%s\t%s\t%s\n", r.Rule.ID, r.Outcome, r.Rule.Severity, of, asked, saw)
	}
	return t.Flush()
}

// alike returns how many of the first results are of one rule that was left out.
func alike(results []Result) int {
	first, n := results[0], 1
	for n < len(results) && first.Outcome == LeftOut && results[n].Outcome == LeftOut &&
		results[n].Rule.ID == first.Rule.ID && results[n].Saw == first.Saw {
		n++
	}
	return n
}

// Broken returns how many rules of a severity were broken.
func Broken(results []Result, severity Severity) (n int) {
	for _, r := range results {
		if r.Outcome == Fail && r.Rule.Severity == severity {
			n++
		}
	}
	return n
}

// The elements of a JUnit report, as far as continuous integration systems read them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name       string          `xml:"name,attr"`
		ClassName  string          `xml:"classname,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Skipped    *junitWhy       `xml:"skipped"`
		Failure    *junitWhy       `xml:"failure"`
		Output     string          `xml:"system-out,omitempty"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitWhy struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes results as a JUnit report, in XML: one suite with a name, such as the peer's, and a case for each
// rule. A case's name is the rule's ID and its class name the protocol; its properties are the level, the section of
// the specs, what was asked and what is expected. A broken rule is a failure, whose type is MUST or SHOULD. A rule that
// was skipped or left out is skipped, with the reason. The error is the writer's.
func WriteJUnit(w io.Writer, name string, results []Result) error {
	suite := junitSuite{Name: name, Tests: len(results)}
	for i := range results {
		c := junitCaseOf(&results[i])
		switch {
		case c.Failure != nil:
			suite.Failures++
		case c.Skipped != nil:
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, c)
	}
	report := junitSuites{
		Name: "conform", Tests: suite.Tests, Failures: suite.Failures, Skipped: suite.Skipped,
		Suites: []junitSuite{suite},
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "\t")
	if err := encoder.Encode(report); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitCaseOf(r *Result) junitCase {
	c := junitCase{
		Name:      r.Rule.ID,
		ClassName: fmt.Sprintf("%s/%d", r.Rule.Method, r.Rule.Version),
		Properties: []junitProperty{
			{"level", r.Rule.Severity.String()},
			{"spec", r.Rule.Spec},
			{"asked", cmp.Or(r.Rule.Asked, "nothing")},
			{"expected", r.Rule.Expected},
		},
	}
	if r.Identity != "" {
		c.Properties = append(c.Properties, junitProperty{"identity", r.Identity.String()})
	}
	saw := r.saw()
	switch r.Outcome {
	case Fail:
		c.Failure = &junitWhy{
			Message: saw, Type: r.Rule.Severity.String(),
			Text: fmt.Sprintf("asked: %s\nexpected: %s\nseen: %s\n", r.Rule.Asked, r.Rule.Expected, saw),
		}
	case Skip, LeftOut:
		c.Skipped = &junitWhy{Message: saw}
	case Pass:
		c.Output = saw
	}
	return c
}
