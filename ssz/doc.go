// Package ssz knows the containers that travel in the Req/Resp domain of Ethereum's consensus
// layer, how they are encoded, and which of them belong to which epoch of a network.
//
// # Networks
//
// A [Network] is a configuration and a genesis: [Mainnet], or [ParseConfig] and [NewNetwork] for
// any other. It converts between times, slots and epochs, and between epochs, forks and fork
// digests. From Fulu on a digest belongs to a [Period], not to a fork alone: changes of the blob
// parameters have digests of their own.
//
//	fork, ok := network.ForkOf(digest) // of a chunk's context bytes
//	if !ok {
//		return errUnknownDigest
//	}
//	block, err := network.DecodeBlock(fork, payload)
//
// # Blocks
//
// Blocks mostly travel as bytes. [PeekBlock] reads where a block belongs in the chain without
// decoding it, and [Network.CheckBlock] tells whether it is well formed, at the speed of memory.
// [Network.DecodeBlock] returns an object of the fork and the preset, from package containers,
// mainnet or minimal below this one. All of them are a [SignedBlock], whose BlockRoot hashes the
// block, at a cost in the order of a millisecond for 100 KiB.
//
// # Messages
//
// [StatusV1], [Ping] and the other [Message] types are the same in every network: [Decode] reads
// them. [BeaconBlocksByRootRequest] alone has a limit that depends on the fork.
//
// # Shapes
//
// Encoding, decoding and hashing are fastssz's. Its decoders are loose: they believe lengths,
// overlook malformed offsets and bits, and append to an object that is not zero. Everything that a
// peer sent is therefore held against the [Shape] of its type first, which lets pass nothing but
// the one encoding that a value has, and then goes into a new object. What is refused is a
// [*CheckError] with the path of the field and the reason. Shapes, which are package shape's, also
// bound the size of what may come. Types and shapes are generated from the files in ssz/definitions.
//
// # Ownership
//
// What is decoded shares no memory with its input, and encoders append to the caller's slice.
// Networks and shapes are immutable and may be used concurrently; decoded objects are the
// caller's.
//
// The package follows the consensus specs of August 2026: the SSZ specification, the beacon chain
// and networking documents of phase0 to Fulu, and the configuration files.
package ssz
