package conformance

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteTable writes results as a table for people: rule, result, severity, protocol, what was asked and
// what was seen; if that is not what was expected, also what was. The error is the writer's.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "RULE\tRESULT\tLEVEL\tPROTOCOL\tASKED\tSEEN")
	for _, r := range results {
		saw := r.Saw
		if r.Outcome == Fail {
			saw += "; expected " + r.Rule.Expected
		}
		_, _ = fmt.Fprintf(t, "%s\t%v\t%v\t%s/%d\t%s\t%s\n",
			r.Rule.ID, r.Outcome, r.Rule.Severity, r.Rule.Method, r.Rule.Version, r.Rule.Asked, saw)
	}
	return t.Flush()
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
