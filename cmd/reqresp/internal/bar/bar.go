// Package bar draws progress bars.
package bar

import "strings"

// eighths are the last cells of bars.
var eighths = []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// Of draws a bar of so many cells that shows how much of a total is done. What is more than the
// total, or of none, is shown as all of it.
func Of(done, total uint64, cells int) string {
	if done > total || total == 0 {
		done, total = 1, 1
	}
	filled := int(float64(done) / float64(total) * float64(cells*8))
	full := filled / 8
	last := ""
	if full < cells {
		last = eighths[filled%8]
	}
	empty := cells - full
	if last != "" {
		empty--
	}
	return strings.Repeat("█", full) + last + strings.Repeat("░", empty)
}
