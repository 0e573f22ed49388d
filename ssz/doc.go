// Package ssz knows the containers that travel in the Req/Resp domain of Ethereum's consensus
// layer, how they are encoded, and which of them belong to which epoch of a network.
//
// # Networks
//
// A [Network] is a configuration and a genesis: [Mainnet] and others that are built in, see [BuiltInNamed],
// or [ParseConfig] and [NewNetwork] for any other. It converts between times, slots and epochs, and between
// epochs, forks and fork digests. From Fulu on a digest belongs to a [Period], not to a fork alone: changes
// of the blob parameters have digests of their own.
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
// decoding it, [Network.CheckBlock] tells whether it is well formed, at the speed of memory, and
// [Network.BlockRoot] hashes it, at a cost in the order of a millisecond for 100 KiB.
// [Network.DecodeBlock] returns an object of the fork and the preset, from package containers,
// mainnet, minimal or gnosis below this one. All of them are a [SignedBlock].
//
// # Messages
//
// [StatusV1], [Ping] and the other [Message] types are the same in every network: [Decode] reads
// them. Requests that are lists, such as [BeaconBlocksByRootRequest], have limits that depend on
// the network and the fork: [Network.ShapeOf] has the shape to check them by.
//
// # Types
//
// Everything else that Req/Resp carries is found by the name that the specs have for it:
// [Network.TypeOf] returns the [Type] of "BlobSidecar" or "LightClientUpdate" in a fork, with its
// shape and its decoder. All forks up to Heze are known. The hash tree roots of Heze's own types
// are unverified: nobody has published vectors of them, only one other implementation agrees.
//
// # Shapes
//
// Encoding and decoding are fastssz's, and so is the hashing of objects, but for the progressive
// containers of Gloas, which are hashed by their shape. The decoders are loose: they believe
// lengths, overlook malformed offsets and bits, and append to an object that is not zero.
// Everything that a peer sent is therefore held against the [Shape] of its type first, which lets
// pass nothing but the one encoding that a value has, and then goes into a new object. What is
// refused is a [*CheckError] with the path of the field and the reason. Shapes, which are package
// shape's, also bound the size of what may come, and render and hash what is encoded. Types and
// shapes are generated from the files in ssz/definitions; which of them are messages of Req/Resp, and
// of which fork, is a table in type.go.
//
// # Ownership
//
// What is decoded shares no memory with its input, and encoders append to the caller's slice.
// Networks and shapes are immutable and may be used concurrently; decoded objects are the
// caller's.
//
// The package follows the consensus specs of August 2026: the SSZ specification, the beacon chain,
// light client and networking documents of phase0 to Heze, and the configuration files.
package ssz
