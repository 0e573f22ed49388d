package reqresp

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// A setting is a field of options and its value, for the sake of errors about it.
type setting[T cmp.Ordered] struct {
	name  string
	value T
}

// mustNotBeNegative panics if one of the bounds in some options is, as only a programming mistake can
// cause that.
func mustNotBeNegative(options string, bounds ...setting[int]) {
	for _, b := range bounds {
		if b.value < 0 {
			panic(fmt.Sprintf("reqresp: %s.%s is %d: want at least 1, or 0 for the default", options, b.name, b.value))
		}
	}
}

func (l Limits) validate() error {
	for _, s := range []setting[int]{{"MaxRequest", l.MaxRequest}, {"MaxResponse", l.MaxResponse}, {"MaxChunks", l.MaxChunks}} {
		if s.value < 0 || s.value > math.MaxInt32 {
			return fmt.Errorf("Limits.%s is %d: want 1 to %d, or 0 for the default", s.name, s.value, math.MaxInt32)
		}
	}
	return l.Timeouts.validate()
}

func (t Timeouts) validate() error {
	for _, s := range []setting[time.Duration]{
		{"Dial", t.Dial},
		{"Negotiate", t.Negotiate},
		{"Write", t.Write},
		{"FirstByte", t.FirstByte},
		{"Progress", t.Progress},
		{"Total", t.Total},
	} {
		if s.value < 0 {
			return fmt.Errorf("Timeouts.%s is %v: want more than 0, or 0 for the default", s.name, s.value)
		}
	}
	return nil
}

func (o *CallOptions) validate() error {
	if o.Items < 0 {
		return fmt.Errorf("CallOptions.Items is %d: want at least 1, or 0 for 1", o.Items)
	}
	return o.Timeouts.validate()
}
