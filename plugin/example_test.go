package plugin_test

import (
	"fmt"

	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// register makes the Req/Resp domain a service of a go-ethereum node.
func register(stack *node.Node, chain beacon.Chain) (*plugin.Service, error) {
	return plugin.New(stack, chain, plugin.Config{
		Network: ssz.Mainnet(),
		Listen:  []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"},
	})
}

// The service starts and stops with its node.
func ExampleNew() {
	stack, err := node.New(&node.Config{P2P: p2p.Config{NoDiscovery: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stack.Close()
	service, err := register(stack, emptyChain{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := stack.Start(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("listening on", len(service.Host().Network().ListenAddresses()), "addresses")
	// Output: listening on 2 addresses
}
