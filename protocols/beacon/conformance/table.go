package conformance

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteTable writes results as a table for people: rule, result, severity, protocol, what was asked and
// what was seen, with whom the peer has banned for it; if that is not what was expected, also what was. A
// rule that is left out of several protocols for one reason is one line, with what it says and the reason.
// The error is the writer's.
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
