// Package resources divides a host's memory among its streams, and derives limits for
// libp2p's resource manager and for a server from it.
//
//	plan, err := resources.New(family.Specs(), &resources.Options{Memory: 1 << 30})
//	…
//	manager, err := resources.NewManager(plan, nil)
//	host, err := libp2p.New(libp2p.ResourceManager(manager), …)
//	manager.Start(host.Network())
//	server := reqresp.NewServer(host, &reqresp.ServerOptions{MaxStreams: plan.MaxStreams, MaxMemory: plan.MaxMemory})
//
// A host that has other protocols as well merges [Plan.Limits] into its own limits, makes libp2p's resource
// manager of them, and passes it in [ManagerOptions].Inner.
//
// # What is divided
//
// Half of the memory is for streams, at the 256 KiB that yamux reserves for each. Three quarters
// of those are for peers to open, and of these half are served and half may be in negotiation.
// A quarter of the memory is for messages. What is left is for the windows of
// connections, which grow while there is room. A router of package gossipsub has up to a quarter, at the same 256 KiB,
// for streams of its own: for three times as many peers as the host wants, or fewer where the memory is
// less. That is 32 with 64 MiB and 128 with 256 MiB. It takes none of the streams below: a peer may have
// two more open.
//
//	Memory     streams   served   of a peer: open, served   messages
//	 64 MiB        128       48                18,      2     16 MiB
//	256 MiB        512      192                27,     11     64 MiB
//	  1 GiB       2048      768                61,     45    256 MiB
//	  2 GiB       4096     1024                76,     60    512 MiB
//
// # What a peer costs
//
// However many streams a peer opens, over however many connections, it has no more than
// [Plan].PeerStreams at a time, and all else that it opens is reset. Each costs, besides what its muxer
// buffers, less than 20 KiB for its goroutine and the records of all layers, 1.5 MiB for the 76
// that there are with 2 GiB. What is buffered, on yamux up to 256 KiB for a stream that is written to and
// not read, and its messages are accounted for: [Plan].PeerMemory bounds them. A peer that opens streams on
// yamux faster than they can be reset uses it up too, and loses its connection.
//
// libp2p gives a stream ten seconds to negotiate its protocol. A [Manager] shares the slots for such streams
// among peers: a peer holds at most a fourth of the free ones and no more than 16, keeps each for two to five
// seconds, and is reported when it has left six streams without a protocol, or has opened 128 more than it has
// negotiated, of late.
//
// What a connection costs without streams is bounded by the number of connections. go-libp2p v0.51 goes on
// counting one over TCP that ends after its handshake, but before it was accepted: a peer that has
// its connection ended then, again and again, can use up that number.
package resources
