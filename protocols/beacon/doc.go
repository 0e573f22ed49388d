// Package beacon is the Req/Resp domain of the Ethereum consensus layer: the
// protocols by which beacon nodes exchange their views of the chain and its blocks,
// as https://github.com/ethereum/consensus-specs defines them in the p2p-interface
// of each fork.
//
// A [Server] answers the peers of a libp2p host from a [Chain], which is all that a
// user has to implement:
//
//	server := beacon.NewServer(host, ssz.Mainnet(), chain, nil)
//	if err := server.Start(); err != nil {
//		return err
//	}
//	defer server.Stop(ctx)
//
// It also does what the domain expects of every node: it sends a status to peers that the host dials, says goodbye
// to a peer whose status shows another network or chain and disconnects it, and so with all peers when it stops.
//
// A program without a chain of its own passes [NoChain]: peers disconnect a host that does
// not answer their status, ping and metadata requests, or that refuses a protocol of the fork.
//
// A [Client] calls peers, and checks their answers before it returns them: that blocks are
// well-formed, of the slots or roots asked for, in order, linked to each other and of the
// fork digest of their epoch. What it does not check is signatures and the state
// transition; those are the business of a beacon chain client.
//
//	for block, err := range server.Client().BlocksByRange(ctx, peer, start, 64) {
//		…
//	}
//
// # Protocols
//
// [Family.Protocols] is the table of all protocols of the consensus specs, from phase0 to heze: 23
// protocol IDs, each with its messages, bounds, item maximum and forks. A [Chain] alone lets a
// server answer those about blocks. What else a chain holds it says by its [Sources]. Protocols of sidecars and
// envelopes are offered for any chain, see [Sources]; others that it cannot answer are not.
//
// # Networks
//
// The types on the wire depend on the network: on its preset and its schedule of
// forks. A [Family] is the set of protocols on one network; servers and clients have
// one each. It is built on package reqresp, whose errors and limits apply.
//
// # Raw frames
//
// A block rests in a chain as the snappy frames that the wire carries, and is served
// by copying them behind a header. So is everything else. A client keeps the frames it received in
// [Block].Frames and [Chunk].Frames, so that a node which syncs and serves never compresses anything.
//
// # Concurrency
//
// Servers, clients and families are safe for concurrent use. A server owns the
// goroutines it starts, and [Server.Stop] waits for them.
package beacon
