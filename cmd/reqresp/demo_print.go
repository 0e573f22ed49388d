package main

import (
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// print tells what has happened, to somebody who sees it for the first time.
func (d *demo) print(o *output) {
	n := devchain.Network()
	o.printf("Two go-ethereum nodes with the Req/Resp service, in this process:\n")
	o.printf("  server  %v serves %d blocks from its embedded store\n", d.server, len(d.chain))
	o.printf("  client  %v has an empty store and dials %s\n\n", d.client, d.addr)

	o.printf("1. Status handshake. Client and server told each other their view of the chain:\n")
	o.printf("   fork digest  %v, which both have: so they are of one network, in the same fork\n", d.status.ForkDigest)
	o.printf("   finalized    epoch %d, root %v\n", d.status.FinalizedEpoch, d.status.FinalizedRoot)
	o.printf("   head         slot %d, root %v\n\n", d.status.HeadSlot, d.status.HeadRoot)

	o.printf("2. Sync. The client asked for all slots by beacon_blocks_by_range and stored what came:\n")
	o.printf("   %d blocks, %s of SSZ, in %.2f s: %.0f blocks/s, %s/s\n", d.result.Blocks, size(d.result.Bytes),
		d.elapsed.Seconds(), perSecond(d.result.Blocks, d.elapsed), size(perSecond(d.result.Bytes, d.elapsed)))
	for _, s := range spans(n, d.chain[0].Slot, d.result.Last) {
		o.printf("   fork digest %v in slots %3d to %3d: blocks of %v\n", s.Digest, s.first, s.last, s.Fork)
	}

	o.printf("\n3. Check. Every block was decoded from the client's store and hashed anew:\n")
	o.printf("   mismatches   %d of %d blocks, in root, parent link or bytes\n", d.mismatches, len(d.chain))
	o.printf("   head root    %v at slot %d\n", d.result.Head, d.result.Last)
	o.printf("   trusted root %v at slot %d\n\n", d.result.Trusted, d.result.TrustedSlot)
	o.printf("The trusted root was known beforehand. Each block names its parent by root, so all blocks up to\n")
	o.printf("this one are those that it leads to, whoever sent them; later ones link to it. Signatures are outside\n")
	o.printf("of what roots cover, and unchecked.\n")
	if d.mismatches == 0 {
		o.printf("\nAll blocks match.\n")
	}
}

// A span is the slots of a period that a chain has reached.
type span struct {
	ssz.Period
	first, last ssz.Slot
}

// spans returns the periods of a network that the slots from first to last belong to.
func spans(n *ssz.Network, first, last ssz.Slot) []span {
	var all []span
	for _, p := range n.Periods() {
		s := span{p, max(first, n.StartSlot(p.First)), last}
		if p.Last != ssz.FarFutureEpoch {
			s.last = min(last, n.StartSlot(p.Last+1)-1)
		}
		if s.first <= s.last {
			all = append(all, s)
		}
	}
	return all
}
