// Package containers holds the containers that are the same in every preset: phase0's blocks,
// sidecars, execution payload envelopes, and the parts of others that no preset constant reaches.
// Those that differ are in the packages mainnet, minimal and gnosis beside it.
//
// A container whose fields change in a fork has a type for each version: ExecutionPayload is
// Bellatrix's, ExecutionPayloadCapella is Capella's. A type without the name of a fork is the
// oldest version, and every type serves until the next.
//
// The types are plain data with the encoding and decoding of fastssz, and its hashing where it can
// hash them: the progressive containers of Gloas are hashed by their shape. Their UnmarshalSSZ is
// meant for bytes whose shape has been checked, and for zero objects: it trusts lengths, lets
// malformed bits pass and appends to what is there. Decode what peers send with ssz.Type or
// ssz.Decode, which do both. A decoded object shares no memory with the bytes it came from.
//
// Numbers that fastssz has no type for are bytes in little-endian order (uint256), and bits are
// bytes with the lowest bit first; a bitlist ends with the bit that marks its length. Lists that
// have no limit, as in Gloas, have the tag of the largest that fastssz can count.
//
// The hash tree roots of what Heze adds are unverified: nobody has published vectors of them.
package containers
