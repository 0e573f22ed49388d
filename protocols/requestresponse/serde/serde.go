// Package serde has the types of Rust that no type of Go is like on the wire.
//
// A message that is exchanged with a peer written in Rust uses them in place of
// []byte and struct{}. They look to encoding/json as serde_json writes them,
// and to github.com/fxamacker/cbor as cbor4ii does:
//
//	Rust     Go      JSON      CBOR
//	Vec<u8>  Bytes   [1,255]   82 01 18 ff
//	()       Unit    null      80
//
// Everything else has a Go type of its own, see the packages json and cbor
// beside this one.
package serde
