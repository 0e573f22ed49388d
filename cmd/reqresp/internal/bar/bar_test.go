package bar_test

import (
	"testing"
	"unicode/utf8"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/bar"
)

func TestBar(t *testing.T) {
	for _, test := range []struct {
		done, total uint64
		want        string
	}{
		{0, 100, "░░░░"},
		{25, 100, "█░░░"},
		{30, 100, "█▏░░"},
		{99, 100, "███▉"},
		{100, 100, "████"},
		{101, 100, "████"},
		{0, 0, "████"},
		{1 << 63, 1<<64 - 1, "██░░"},
	} {
		got := bar.Of(test.done, test.total, 4)
		if got != test.want || utf8.RuneCountInString(got) != 4 {
			t.Errorf("%d of %d is %q, want %q", test.done, test.total, got, test.want)
		}
	}
}
