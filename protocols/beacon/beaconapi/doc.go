// Package beaconapi is a client of a beacon node's REST API, the Beacon API of the consensus layer. It has the calls
// that a node needs to sync and to follow a chain: the network, a finalized checkpoint, blocks, sidecars, a state, and
// the head as it changes.
//
//	client, err := beaconapi.New("http://localhost:5052", nil)
//	…
//	network, err := client.Network(ctx)
//	…
//	checkpoint, err := beaconapi.Finalized(ctx, client, another)
//	…
//	block, err := client.Block(ctx, beaconapi.ByRoot(checkpoint.Root))
//
// Nothing that a node answers is verified, not even that a block is the one that was asked for: its bytes are as good
// as a peer's. Objects come as SSZ, together with the fork whose type they are. Answers are bounded in size and time.
package beaconapi
