// Package json is the JSON codec of package reqresp, on the wire that of
// rust-libp2p's request_response::json.
package json
