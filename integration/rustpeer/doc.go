// Package rustpeer runs real rust-libp2p peers on loopback for integration tests: three small programs on the
// published crates, whose sources are in this package. They need cargo 1.88 or newer and a C compiler to be built,
// and the crates registry; they were tried with cargo 1.95 on Linux. No network is needed once they are built.
//
//	peer, err := rustpeer.Start(ctx, rustpeer.Current, rustpeer.Options{})
//	if errors.Is(err, rustpeer.ErrNoCargo) {
//		t.Skip(err)
//	}
//	if err != nil {
//		t.Fatal(err)
//	}
//	defer peer.Stop()
//	addr, err := peer.Listen(ctx, "/ip4/127.0.0.1/tcp/0")
//	…
//	request, err := peer.Expect(ctx, rustpeer.KindRequest)
//
// [Start] builds on first use (see [Install]). On two idle cores [Current] takes two minutes and a half, a third of
// it for the cryptography that comes with QUIC, and [Throttled] and [Gossip] take one each. A build gives way to other
// processes: beside sixteen busy ones [Current] was not done after 15 minutes. The tests of this package that start a
// peer are behind the build tag peers.
//
// The versions of the crates that are used are fixed, those of the crates that these use are not: cargo takes the
// newest that suits Rust 1.88. What it took stays in the file Cargo.lock beside the sources in the cache folder.
//
// # Current
//
// It listens and dials over TCP, with noise and yamux, and over QUIC, and has five protocols, each in both
// directions. Two are of libp2p's own codecs:
//
//	cbor      /reqresp-test/cbor/1    a struct Message, answered with a struct Reply
//	json      /reqresp-test/json/1    the same
//
// These are their types. The reply has the message and the sum of its bytes.
//
//	struct Message { text: String, number: u64, bytes: Vec<u8>, note: Option<String>, variant: Variant, ratio: f64 }
//	enum Variant { Nothing, Count(i64), Pair(u8, String), Point { x: i32, y: i32 } }
//	struct Reply { message: Message, sum: u64 }
//
// The messages of the other three are a length as an unsigned varint, and so many bytes, at most 16 MiB:
//
//	bytes     /reqresp-test/bytes/1
//	oneway    /reqresp-test/oneway/1    UTF-8, answered with nothing at all
//	versions  /reqresp-test/versions/2, or else /reqresp-test/versions/1    UTF-8, answered with the same
//
// A request of the protocol bytes begins with the size of the response it asks for, 8 bytes in big-endian order.
// Everything else, in the response too, is a pattern in which byte n is n modulo 251.
//
// # Throttled
//
// It has one protocol, over TCP with noise and yamux:
//
//	ping      /reqresp-test/ping/1    a varint and UTF-8 as above, answered with the same
//
// As libp2p's throttled behaviour has it, the name on the wire is /t/1/reqresp-test/ping/1, and a header stands
// before each message. Its retries of a grant have no limit: a peer that refuses them is asked over and over.
//
// # Gossip
//
// It subscribes to 64 topics of gossipsub, over TCP with noise and yamux, and reports the subscriptions of others. A
// peer that does not support gossipsub is reported and disconnected, as Lighthouse does. The program answers status/1
// and ping/1 of the consensus specs with the request itself, so that a consensus client keeps it. Its commands are
// listen and dial.
//
// # The line protocol
//
// A program's only argument is its options, in JSON. It reads commands from standard input, each a JSON object on a
// line, and writes answers and events to standard output, likewise. It ends when its input does, and its
// connections with it.
//
//	> {"number":1,"do":"listen","addr":"/ip4/127.0.0.1/tcp/0"}
//	< {"answers":1,"value":{"addr":"/ip4/127.0.0.1/tcp/33445/p2p/12D3…"}}
//	> {"number":2,"do":"send","protocol":"versions","peer":"12D3…","addrs":["…"],"request":{"text":"hello"}}
//	< {"answers":2,"value":{"id":1}}
//	< {"event":"connected","peer":"12D3…","connection":"2"}
//	< {"event":"response","protocol":"versions","peer":"12D3…","connection":"2","id":1,"message":{…}}
//	> {"number":3,"do":"dial","addr":"/ip4/127.0.0.1/tcp/1/p2p/12D3…"}
//	< {"answers":3,"error":"…"}
//
// The first line it writes is {"event":"started","peer":"12D3…"}, with its own identity. Each command is answered once;
// listen, dial and measure when they are done, all others at once. An event is whatever libp2p reported, see
// [Event]; those of inbound and of outbound requests have IDs of their own, which begin anew for each
// protocol. Commands are methods of [Peer], with the same names.
//
// Messages are written in JSON:
//
//	cbor, json      as serde_json writes the types above
//	bytes           {"request":64,"response":1000} to send; received, "intact" tells whether the pattern was right
//	oneway, ping    {"text":"…"}; the response to a oneway request is null
//	versions        {"text":"…"}; received, "protocol" is the protocol negotiated
package rustpeer
