package limits_test

import (
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
)

func TestRatesAreReadAsPrinted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]limits.Rate{
		"128/10s+256": {N: 128, Per: 10 * time.Second, Burst: 256},
		"128/10s":     {N: 128, Per: 10 * time.Second, Burst: 128},
		"5/m+6":       {N: 5, Per: time.Minute, Burst: 6},
	} {
		var r limits.Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want || r.String() == "" {
			t.Errorf("%q is %v, error %v", text, r, err)
		}
		var again limits.Rate
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%v is read as %v, error %v", r, again, err)
		}
	}
	var r limits.ByteRate
	if err := r.UnmarshalText([]byte("2MiB/s+25165824")); err != nil || r.String() != "2MiB/s+24MiB" {
		t.Errorf("%v, error %v", r, err)
	}
}

func TestWhatIsZeroInARateIsPrintedAsWhatItMeans(t *testing.T) {
	t.Parallel()
	if got := (limits.Rate{N: 9}).String(); got != "9/s" {
		t.Errorf("printed as %q", got)
	}
}
