package limits_test

import (
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
)

func ExampleNew() {
	quotas := limits.DefaultQuotas()
	blocks := quotas["beacon_blocks_by_range"]
	blocks.Bytes = limits.Rate{N: 512 << 10, Per: time.Second, Burst: 16 << 20}
	quotas["beacon_blocks_by_range"] = blocks

	limiter, err := limits.New(&limits.Options{Quotas: quotas})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Later, without disturbing those being served:
	err = limiter.SetQuota("ping", limits.Quota{Requests: limits.Rate{N: 2, Per: time.Microsecond}})
	fmt.Println(err)
	// Output: limits: quota of ping: Requests: Per 1µs is not between 1ms and 1h0m0s
}
