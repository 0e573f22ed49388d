package resources_test

import (
	"fmt"

	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A host with protocols of its own merges the limits into those that it has.
func ExamplePlan_Limits() {
	plan, err := resources.New(beacon.NewFamily(ssz.Mainnet()).Specs(), &resources.Options{Memory: 1 << 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	mine := rcmgr.PartialLimitConfig{PeerDefault: rcmgr.ResourceLimits{StreamsInbound: 200}}
	mine.Apply(plan.Limits())
	limits := mine.Build(rcmgr.DefaultLimits.AutoScale()).ToPartialLimitConfig()

	fmt.Println("streams of a peer:", limits.PeerDefault.StreamsInbound)
	fmt.Println("of them served:", plan.MaxStreamsPerPeer)
	fmt.Println("served in all:", plan.MaxStreams)
	// Output:
	// streams of a peer: 200
	// of them served: 45
	// served in all: 768
}
