package integration_test

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// What the README shows: compiled, not run.
var _, _ = serveChain, printBlocks

func serveChain(ctx context.Context, h host.Host, chain beacon.Chain) error {
	limiter, err := limits.New(&limits.Options{Config: limits.Config{Methods: quota.Served()}})
	if err != nil {
		return err
	}
	server := beacon.NewServer(h, ssz.Mainnet(), chain, &beacon.ServerOptions{Limiter: limiter})
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Stop(ctx)
	<-ctx.Done()
	return nil
}

func printBlocks(ctx context.Context, h host.Host, to peer.ID, start ssz.Slot) error {
	server := beacon.NewServer(h, ssz.Mainnet(), beacon.NoChain, nil)
	if err := server.Start(); err != nil {
		return err
	}
	defer server.Stop(ctx)
	for block, err := range server.Client().BlocksByRange(ctx, to, start, 64) {
		if err != nil {
			return err
		}
		fmt.Println(block.Slot, block.Root)
	}
	return nil
}
