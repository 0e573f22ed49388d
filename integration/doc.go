// Package integration tests the module against real peers, and measures it
// against what bounds it.
//
// The tests with the build tag peers run production consensus clients, which they
// install on first use:
//
//	go test -tags peers ./integration/...
//
// The benchmarks compare serving from the embedded store with plain libp2p streams
// that carry the same bytes, in one run:
//
//	go test -run '^$' -bench Serve ./integration
package integration
