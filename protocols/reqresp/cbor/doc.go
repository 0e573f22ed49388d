// Package cbor is the CBOR codec of package reqresp, on the wire that of
// rust-libp2p's request_response::cbor.
package cbor
