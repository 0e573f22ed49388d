package plugin_test

import (
	"fmt"

	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
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

// A service can do without a go-ethereum node. This one finds its peers by itself.
func ExampleNewStandalone() {
	service, err := plugin.NewStandalone("", emptyChain{}, plugin.Config{
		Network:   ssz.Mainnet(),
		Listen:    []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"},
		Peers:     peers.Config{Target: 50},
		Discovery: &discovery.Config{Listen: "127.0.0.1:0"}, // and BootNodes
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := service.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer service.Stop()
	fmt.Println(service.Record()[:4], len(service.Peers().Peers()), "peers")
	// Output: enr: 0 peers
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
