package limits

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/field"
)

// Bounds of a [Rate].
const (
	maxTokens = 1 << 30
	minPer    = time.Millisecond
	maxPer    = time.Hour
	maxBurst  = 1 << 40
	maxFill   = 24 * time.Hour
)

// A Rate is the size and the refill of a token bucket. The zero Rate means that of the quota it falls back to, see
// [Quota]; it never means unlimited. As text it is N/Per+Burst, such as "128/10s+256".
type Rate struct {
	// N is how many tokens are refilled every Per, evenly. It is at least 1 and at most 2^30.
	N uint64
	// Per is the time that N is refilled in, between 1 ms and an hour. Zero means a second.
	Per time.Duration
	// Burst is how many tokens the bucket holds, at least 1 and at most what is refilled in 24 hours. Zero means N.
	Burst uint64
}

// Effective returns the rate with what is zero in it filled in, or an error that names what is outside its range. A
// rate of zero is.
func (r Rate) Effective() (Rate, error) {
	r = r.withDefaults(Rate{Per: time.Second})
	return r, r.validate()
}

func (r Rate) withDefaults(fallback Rate) Rate {
	if r == (Rate{}) {
		return fallback
	}
	if r.Per == 0 {
		r.Per = time.Second
	}
	if r.Burst == 0 {
		r.Burst = r.N
	}
	return r
}

func (r Rate) validate() error {
	if r == (Rate{}) {
		return nil
	}
	if r.N < 1 || r.N > maxTokens {
		return field.Errorf("N", "%d is not between 1 and %d", r.N, maxTokens)
	}
	if r.Per < minPer || r.Per > maxPer {
		return field.Errorf("Per", "%v is not between %v and %v", r.Per, minPer, maxPer)
	}
	if r.Burst < 1 || r.Burst > maxBurst {
		return field.Errorf("Burst", "%d is not between 1 and %d", r.Burst, uint64(maxBurst))
	}
	compiled := r.compile()
	if compiled.fill > maxFill {
		return field.Errorf("Burst", "%d is not between 1 and %d, which %d per %v refill in %v",
			r.Burst, compiled.tokens(maxFill), r.N, r.Per, maxFill)
	}
	return nil
}

// String returns the text. The burst is left out if it is what is refilled each time.
func (r Rate) String() string {
	return formatRate(r, func(n uint64) string { return strconv.FormatUint(n, 10) })
}

// UnmarshalText implements encoding.TextUnmarshaler. It checks the form, and that the rate is not nothing. A [Config]
// checks the rest.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	*r, err = parseRate(string(text), false)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// A ByteRate is a [Rate] whose text is in bytes, such as "2MiB/s+24MiB".
type ByteRate Rate

// String returns the text, with the largest unit that is even.
func (r ByteRate) String() string { return formatRate(Rate(r), formatBytes) }

// UnmarshalText implements encoding.TextUnmarshaler, as that of Rate does.
func (r *ByteRate) UnmarshalText(text []byte) error {
	rate, err := parseRate(string(text), true)
	*r = ByteRate(rate)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (r ByteRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

var units = []struct {
	name  string
	shift int
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}}

func parseRate(text string, inBytes bool) (Rate, error) {
	fail := func(err error) (Rate, error) {
		example := "128/10s+256"
		if inBytes {
			example = "2MiB/s+24MiB"
		}
		return Rate{}, fmt.Errorf("%q is not a rate like %q: %w", text, example, err)
	}
	amount, rest, ok := strings.Cut(text, "/")
	if !ok {
		return fail(errors.New("there is no /"))
	}
	period, burst, hasBurst := strings.Cut(rest, "+")
	var r Rate
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

func formatRate(r Rate, amount func(uint64) string) string {
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
