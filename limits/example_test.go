package limits_test

import (
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
)

func ExampleNew() {
	methods := quota.Served()
	blocks := methods["beacon_blocks_by_range"]
	blocks.Peer.Bytes = limits.Rate{N: 512 << 10, Per: time.Second, Burst: 16 << 20}
	methods["beacon_blocks_by_range"] = blocks

	limiter, err := limits.New(&limits.Options{Config: limits.Config{Methods: methods}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Later, without disturbing those being served:
	config := limiter.Config()
	config.Node.Bytes = limits.Rate{N: 2, Per: time.Microsecond}
	fmt.Println(limiter.Apply(config))
	// Output: limits: Node.Bytes.Per 1µs is not between 1ms and 1h0m0s
}
