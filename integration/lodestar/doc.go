// Package lodestar runs Lodestar 1.5.1, a production consensus client from the npm registry, as a real peer
// on loopback for integration tests. It needs Node.js with npm, and what compiling four small native packages
// needs; it was tried with Node 20 on Linux. No network is needed once it is installed.
//
//	node, err := lodestar.Start(ctx, t.TempDir(), lodestar.Options{})
//	if errors.Is(err, lodestar.ErrNoNode) {
//		t.Skip(err)
//	}
//	if err != nil {
//		t.Fatal(err)
//	}
//	defer node.Stop()
//	err = node.WaitForSlot(ctx, 48)
//
// [Start] installs on first use (see [Install]) and runs one node of a private chain: the minimal preset with 8 slots
// per epoch, 16 interop validators, no discovery, no execution client. The tests of this package that start a
// node are behind the build tag peers.
//
// # Making a chain
//
// The validators propose in the slot of the clock only, so a chain of n blocks takes n slots. The REST API
// answers 5 s after Start on an idle machine and has taken 28 s on a busy one; genesis, if Lodestar chooses
// its time, was within 2 s of that where measured. A genesis time in the past does not help: a chain given one
// 60 slots back never made a block. The shortest slot is 1 s, as Lodestar cuts it to whole seconds. With 1 s slots
// the head was at slot 48 after 58 s; with the default of 2 s reckon with 110 s. Both cross three fork boundaries, at
// slots 8, 16 and 24.
//
// On an idle machine of 2 cores, 225 slots of 1 s had a block each. Under a load of 11, 48 of the slots 0 to 48 had
// one; with three busy loops beside it, 9 of the first 22 did, and the chain recovered afterwards. A
// node whose head is more than 8 slots behind the clock deems itself unsynced and refuses its validators.
// So a test counts the blocks it got and never takes a slot for full; 1 s slots are for machines with
// nothing else to do. Finality is no given either: at slot 47 epoch 3 was final on the idle machine, and epoch 0
// still at slot 48 under load.
//
// A node takes 230 to 270 MB of memory and, with 1 s slots, a third of a core.
//
// # Forks and digests
//
// The genesis validators root depends on the number of validators alone, so it and the fork digests are the same in
// every run. No two forks may share an epoch: with altair, bellatrix and capella all at epoch 1, every block from
// slot 8 on failed with BLOCK_ERROR_INVALID_SIGNATURE, so [Start] refuses such a schedule.
//
//	genesis validators root  0x05d79a31a8e69ecd78114c50ce73116be33027d8431b82fff6c0b3cd9c2cbb1f
//	fork       version     digest      slots, by default  SSZ of a block
//	phase0     0x00000001  0x30c8184a  0 to 7             404 to 637 bytes
//	altair     0x01000001  0x56783b40  8 to 15            504 to 737 bytes
//	bellatrix  0x02000001  0xa3d4aafd  16 to 23           up to 1249 bytes
//	capella    0x03000001  0x9373b3eb  from 24            up to 1257 bytes
//
// The sizes are those of blocks with none or one attestation. The merge never happens: execution payloads are all zero.
//
// # Following a chain
//
// A second node with the first one's genesis time, slot duration and fork epochs has the same genesis state, block
// and validators root. With [Options.Follow] it makes no blocks, and dials nobody by itself. Told to by
// [Node.ConnectPeer], it sends its Status at once, and had synced 50 blocks from another Lodestar in 2 to
// 4 s. After that it learns of new blocks by gossip, from a peer that has it.
//
// # The REST API
//
// Blocks are JSON only: Accept: application/octet-stream is ignored for them and honoured for
// /eth/v2/debug/beacon/states alone. [Node.Blocks] turns them into SSZ. An empty slot and one after the head are both
// 404. The API says nothing about fork digests, and calls deneb EIP4844: [Spec.ConfigYAML] knows.
//
// # What it asks of a peer
//
// It speaks TCP with noise and mplex: a host with yamux alone fails to connect. The peer's key must be
// secp256k1, else it says Goodbye with code 2 at once, as it does upon a wrong fork digest. A peer that leaves
// Status, Ping and Metadata unanswered gets Goodbye 250 after 50 s.
//
// Its quotas, for each peer and protocol: ping 2 in 10 s, metadata 2 in 5 s, status 5 in 15 s, goodbye 1 in 10 s,
// blocks by range 1024 in 10 s, charged by the count asked for, blocks by root 128 in 10 s. One request
// beyond is answered with code 2 and REQUEST_ERROR_RATE_LIMITED, and ends in a ban: a test that wants more
// starts another node or asks under another key. A count of 0 is an error, and so is an
// empty list of roots; an unknown root or a range beyond the head is an answer without chunks.
//
// # Stopping
//
// On an interrupt Lodestar 1.5.1 closes its chain and then never exits, so [Node.Stop] kills it.
package lodestar
