package client_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// An operator halves what each peer may use of a method, while the node runs.
func ExampleClient_SetLimit() {
	stack, err := startNode()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stack.Close()
	// Over IPC or HTTP it is client.Dial.
	c := client.New(stack.Attach())
	defer c.Close()

	limit, err := c.SetLimit(context.Background(), "beacon_blocks_by_range", api.LimitChange{
		Items: &limits.Rate{N: 256, Per: 10 * time.Second, Burst: 512},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(limit.Items, limit.Requests)

	_, err = c.SetLimit(context.Background(), "ping", api.LimitChange{Items: &limits.Rate{N: 1 << 40, Per: time.Second}})
	fmt.Println(err)
	// Output:
	// 256/10s+512 10/s+20
	// limits: Methods.ping.Peer.Items.N 1099511627776 is not between 1 and 1073741824
}

// startNode starts a node with the service on a store of the development chain's network.
func startNode() (*node.Node, error) {
	stack, err := node.New(&node.Config{P2P: p2p.Config{NoDiscovery: true}})
	if err != nil {
		return nil, err
	}
	_, err = plugin.New(stack, nil, plugin.Config{
		Genesis: &store.Network{
			Config:                devchain.Config(),
			GenesisTime:           devchain.GenesisTime,
			GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
		},
		Listen: []string{"/ip4/127.0.0.1/tcp/0"},
	})
	if err != nil {
		return nil, err
	}
	return stack, stack.Start()
}
