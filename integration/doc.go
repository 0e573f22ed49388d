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
//
// The tests with the build tag attack run attackers, a service and honest peers in processes of their own, over
// loopback. They print a table: what honest requests and newcomers got against the time before the attack,
// the service's memory, and what became of the attackers. The short form takes three minutes at most and asserts
// the share of honest requests, the memory and the fate of the attackers:
//
//	go test -tags attack -run TestHonestPeersNoticeNothing -v ./integration
//
// The long form takes half an hour and runs every attack, from 8 to 200 peers. It holds latencies against their
// bounds too, which wants a machine with nothing else to do:
//
//	go test -tags attack -run TestHonestPeersNoticeNothing -v -timeout 1h ./integration -attack.long
package integration
