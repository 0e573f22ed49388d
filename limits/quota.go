package limits

import (
	"cmp"
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits/internal/field"
)

// Bounds of a [Rate].
const (
	maxTokens = 1 << 30
	minPer    = time.Millisecond
	maxPer    = time.Hour
	maxBurst  = 1 << 40
	maxFill   = 24 * time.Hour
)

// A Rate is the size and the refill of a token bucket. The zero Rate means that
// of the quota it falls back to, see [Quota]; it never means unlimited.
type Rate struct {
	// N is how many tokens are refilled every Per, evenly. It is at least 1 and
	// at most 2^30.
	N uint64
	// Per is the time that N is refilled in, between 1 ms and an hour. Zero
	// means a second.
	Per time.Duration
	// Burst is how many tokens the bucket holds, at least 1 and at most what is
	// refilled in 24 hours. Zero means N.
	Burst uint64
}

// A Quota is a rate in each of the currencies that serving is paid for in. What
// a rate that is zero means is told where the quota is.
type Quota struct {
	// Requests limits how many exchanges are admitted.
	Requests Rate
	// Items limits the response chunks sent.
	Items Rate
	// Bytes limits the bytes written to the stream for them.
	Bytes Rate
}

// String returns the rate as N/Per+Burst, such as "128/10s+256".
func (r Rate) String() string {
	return fmt.Sprintf("%d/%v+%d", r.N, r.Per, r.Burst)
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

func (q Quota) withDefaults(fallback Quota) Quota {
	return Quota{
		Requests: q.Requests.withDefaults(fallback.Requests),
		Items:    q.Items.withDefaults(fallback.Items),
		Bytes:    q.Bytes.withDefaults(fallback.Bytes),
	}
}

func (q Quota) validate() error {
	return cmp.Or(
		field.In(q.Requests.validate(), "Requests"),
		field.In(q.Items.validate(), "Items"),
		field.In(q.Bytes.validate(), "Bytes"),
	)
}
