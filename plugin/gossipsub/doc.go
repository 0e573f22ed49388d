// Package gossipsub has a host take part in gossipsub without joining a topic.
//
// Consensus clients expect every peer to support gossipsub: Lighthouse bans a peer with which it cannot open
// a gossipsub stream. A host that has other uses for gossipsub runs a router of its own. For a host that has
// none, [Start] runs the router of go-libp2p-pubsub. It subscribes to nothing, publishes nothing and forwards
// nothing, and has the signature policy StrictNoSign of the consensus specs.
//
//	router, err := gossipsub.Start(host)
//	…
//	router.Stop()
//	host.Close()
//
// # What a peer costs
//
// A peer has two streams of gossipsub at most in each direction, if the host's resource manager has the
// limits of package resources. An RPC of more than 64 KiB resets the stream. All peers together may send 1
// MiB a second, in bursts of 128 KiB: what is beyond waits in the windows of their streams. Decoded, an RPC
// takes up to 6 MiB until it is dropped. The router keeps no subscriptions, no messages and no message IDs of
// peers: a peer has some hundred bytes for as long as its streams are open.
package gossipsub
