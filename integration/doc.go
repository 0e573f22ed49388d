// Package integration tests the module against real peers, and measures it
// against what bounds it.
//
// The tests with the build tag peers run production consensus clients and rust-libp2p
// peers, which they install on first use:
//
//	go test -tags peers ./integration/...
//
// The benchmarks compare serving from the embedded store with plain libp2p streams
// that carry the same bytes, and protocols/reqresp with the request-response of rust-libp2p, each in one run:
//
//	go test -run '^$' -bench Serve ./integration
//	go test -tags peers -run '^$' -bench Rust ./integration
package integration
