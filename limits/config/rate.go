package config

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
)

// A Rate is a rate of requests or items as text, such as "128/10s+256".
type Rate limits.Rate

// String returns the text. The burst is left out if it is what is refilled each time.
func (r Rate) String() string {
	return formatRate(limits.Rate(r), func(n uint64) string { return strconv.FormatUint(n, 10) })
}

// UnmarshalText implements encoding.TextUnmarshaler. It checks the form, and that the rate is not
// nothing; package limits has the bounds.
func (r *Rate) UnmarshalText(text []byte) error {
	rate, err := parseRate(string(text), false)
	*r = Rate(rate)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) {
	return []byte(r.String()), nil
}

// A ByteRate is a rate of bytes as text, such as "2MiB/s+24MiB".
type ByteRate limits.Rate

// String returns the text, with the largest unit that is even.
func (r ByteRate) String() string { return formatRate(limits.Rate(r), formatBytes) }

// UnmarshalText implements encoding.TextUnmarshaler, as that of Rate does.
func (r *ByteRate) UnmarshalText(text []byte) error {
	rate, err := parseRate(string(text), true)
	*r = ByteRate(rate)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (r ByteRate) MarshalText() ([]byte, error) {
	return []byte(r.String()), nil
}

var units = []struct {
	name  string
	shift int
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}}

func parseRate(text string, inBytes bool) (limits.Rate, error) {
	fail := func(err error) (limits.Rate, error) {
		example := "128/10s+256"
		if inBytes {
			example = "2MiB/s+24MiB"
		}
		return limits.Rate{}, fmt.Errorf("%q is not a rate like %q: %w", text, example, err)
	}
	amount, rest, ok := strings.Cut(text, "/")
	if !ok {
		return fail(errors.New("there is no /"))
	}
	period, burst, hasBurst := strings.Cut(rest, "+")
	var r limits.Rate
	var err error
	if r.N, err = parseAmount(amount, inBytes); err != nil {
		return fail(err)
	}
	if r.Per, err = parsePeriod(period); err != nil {
		return fail(err)
	}
	r.Burst = r.N
	if hasBurst {
		if r.Burst, err = parseAmount(burst, inBytes); err != nil {
			return fail(err)
		}
	}
	if r.N == 0 || r.Burst == 0 {
		return fail(errors.New("rate and burst must be positive"))
	}
	return r, nil
}

func parseAmount(text string, inBytes bool) (uint64, error) {
	digits, shift := text, 0
	for _, u := range units {
		if s, ok := strings.CutSuffix(text, u.name); ok && inBytes {
			digits, shift = s, u.shift
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	if bits.LeadingZeros64(n) < shift {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return n << shift, nil
}

// parsePeriod parses a duration, of which "s" is short for "1s".
func parsePeriod(text string) (time.Duration, error) {
	if text != "" && (text[0] < '0' || text[0] > '9') {
		text = "1" + text
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, err
	}
	if d <= 0 {
		return 0, fmt.Errorf("period %v must be positive", d)
	}
	return d, nil
}

func formatRate(r limits.Rate, amount func(uint64) string) string {
	r.Per, r.Burst = cmp.Or(r.Per, time.Second), cmp.Or(r.Burst, r.N)
	text := amount(r.N) + "/" + formatPeriod(r.Per)
	if r.Burst != r.N {
		text += "+" + amount(r.Burst)
	}
	return text
}

func formatBytes(n uint64) string {
	for _, u := range units {
		if n > 0 && n%(1<<u.shift) == 0 {
			return strconv.FormatUint(n>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatUint(n, 10)
}

// formatPeriod leaves out the one of a unit.
func formatPeriod(d time.Duration) string {
	short := map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h"}
	return cmp.Or(short[d], d.String())
}
