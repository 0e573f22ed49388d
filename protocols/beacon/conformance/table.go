package conformance

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteTable writes results as a table for people: rule, severity, protocol, result, what was asked, what
// was expected if that was not seen, and what was seen.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tRESULT\tLEVEL\tPROTOCOL\tASKED\tSEEN")
	for _, r := range results {
		saw := r.Saw
		if r.Outcome == Fail {
			saw += "; expected " + r.Rule.Expected
		}
		fmt.Fprintf(t, "%s\t%v\t%v\t%s/%d\t%s\t%s\n",
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
