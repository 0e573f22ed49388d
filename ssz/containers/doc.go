// Package containers holds the containers of beacon blocks that are the same in every preset:
// phase0's, and the parts of later blocks that no preset constant reaches. Those that differ are in
// the packages mainnet and minimal beside it.
//
// A container whose fields change in a fork has a type for each version: ExecutionPayload is
// Bellatrix's, ExecutionPayloadCapella is Capella's. A type without the name of a fork is the
// oldest version, and every type serves until the next.
//
// The types are plain data with the encoding, decoding and hashing of fastssz. Their UnmarshalSSZ
// is meant for bytes whose shape has been checked, and for zero objects: it trusts lengths, lets
// malformed bits pass and appends to what is there. Decode what peers send with DecodeBlock of
// ssz.Network, which does both. A decoded object shares no memory with the bytes it came from.
//
// Numbers that fastssz has no type for are bytes in little-endian order (uint256), and bits are
// bytes with the lowest bit first; a bitlist ends with the bit that marks its length.
package containers
