// Package beacontest has two chains in memory, for tests and demonstrations. [New] makes one that goes through every
// fork and holds whatever the protocols of package beacon carry: its objects are well formed and belong together, but
// nothing in them is signed or proven. [Fulu] returns a real one of Deneb, Electra and Fulu.
//
// The real chain takes 1.6 MiB of a program that uses the package.
package beacontest

import (
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The chain of New goes from genesis to Head, in Heze. Each fork is an epoch of eight slots, and the slots
// Empty of each have no block.
const (
	SlotsPerEpoch = 8
	Head          = 9*SlotsPerEpoch + 4
	Empty         = 5
	// Blobs is how many blobs each block from Deneb on has.
	Blobs = 2
	// Columns is how many data columns of each block from Fulu on are held, the first.
	Columns = 4
)

// slotsPerPeriod is that of sync committees.
const slotsPerPeriod = 8 * SlotsPerEpoch

// Network returns the network of the chain of New, of the minimal preset and with genesis in November 2023.
func Network() *ssz.Network { return NetworkSince(time.Unix(1_700_000_000, 0)) }

// NetworkSince returns the same network with another genesis time. Its chain is the same.
func NetworkSince(genesis time.Time) *ssz.Network {
	cfg := ssz.DefaultConfig(ssz.MinimalPreset)
	for f := range cfg.Forks {
		cfg.Forks[f].Epoch = ssz.Epoch(f)
	}
	n, err := ssz.NewNetwork(cfg, genesis, GenesisValidatorsRoot)
	if err != nil {
		panic(err)
	}
	return n
}

// GenesisValidatorsRoot is that of the network.
var GenesisValidatorsRoot = ssz.Root{1}

// Item is an object that the chain holds.
type Item struct {
	Slot   ssz.Slot // that decides the digest
	Root   ssz.Root // of the block it belongs to
	Index  uint64   // of a sidecar, or the validator of an inclusion list
	SSZ    []byte
	Frames []byte
}

// Chain is the chain. It is immutable, and implements beacon.Chain and every source.
type Chain struct {
	network *ssz.Network
	columns uint64 // of each block that are held, the first
	status  beacon.Status
	orphan  ssz.Slot // whose payload the next block does not build on
	payload ssz.Root // the block hash that the next block builds on

	Blocks     []*Item
	Blobs      []*Item
	Columns    []*Item
	Envelopes  []*Item
	Lists      []*Item // of the last two slots
	Bootstraps []*Item
	Updates    []*Item // one for each period
	// Dependent is the dependent root of the lists: of the last block before the epoch before theirs.
	Dependent  ssz.Root
	Finality   *Item
	Optimistic *Item
}

// New makes the chain.
func New() *Chain { return build(Head) }

// NewWithOrphan makes the chain with a payload that came too late: the next block does not build on that of a
// slot, which is of Gloas or later. The chain yields its envelope by range all the same, as no chain may.
func NewWithOrphan(slot ssz.Slot) *Chain { return build(slot) }

func build(orphan ssz.Slot) *Chain {
	c := &Chain{network: Network(), columns: Columns, orphan: orphan}
	parent := ssz.Root{}
	for slot := ssz.Slot(0); slot <= Head; slot++ {
		if slot%SlotsPerEpoch != Empty {
			parent = c.addBlock(slot, parent)
		}
	}
	for first := ssz.Slot(0); first <= Head; first += slotsPerPeriod {
		c.Updates = append(c.Updates, c.update("LightClientUpdate", max(first, SlotsPerEpoch))) // altair's first slot
	}
	c.Finality = c.update("LightClientFinalityUpdate", Head-1)
	c.Optimistic = c.update("LightClientOptimisticUpdate", Head-1)
	seed := ssz.Slot(Head/SlotsPerEpoch-1) * SlotsPerEpoch
	c.Dependent = inRange(c.Blocks, seed-1, 1)[0].Root
	for slot := ssz.Slot(Head - 1); slot <= Head; slot++ {
		for validator := range uint64(16) {
			c.addList(slot, validator)
		}
	}
	const finalized = 7
	c.status = beacon.Status{
		HeadRoot: parent, HeadSlot: Head,
		FinalizedEpoch: finalized, FinalizedRoot: inRange(c.Blocks, finalized*SlotsPerEpoch, 1)[0].Root,
	}
	return c
}

// Fork returns the fork of a slot.
func (c *Chain) Fork(slot ssz.Slot) ssz.Fork { return c.network.ForkAt(c.network.EpochOf(slot)) }

func newItem(slot ssz.Slot, root ssz.Root, index uint64, b []byte) *Item {
	return &Item{slot, root, index, b, snappy.AppendFrames(nil, b)}
}

func last[T any](all []T) T { return all[len(all)-1] }

// addBlock adds a block and all that comes with it, and returns its root.
func (c *Chain) addBlock(slot ssz.Slot, parent ssz.Root) ssz.Root {
	fork, blobs := c.Fork(slot), madeUp(slot)
	block := Object("SignedBeaconBlock", fork)
	Set(block, "Message.Slot", slot)
	Set(block, "Message.ParentRoot", parent)
	switch {
	case fork >= ssz.Gloas:
		const bid = "Message.Body.SignedExecutionPayloadBid.Message."
		Set(block, bid+"BlobKZGCommitments", commitmentsOf(blobs))
		Set(block, bid+"ParentBlockHash", c.payload)
		hash := ssz.Root{0xb1, byte(slot)}
		Set(block, bid+"BlockHash", hash)
		if slot != c.orphan {
			c.payload = hash
		}
	case fork >= ssz.Deneb:
		Set(block, "Message.Body.BlobKZGCommitments", commitmentsOf(blobs))
	}
	root, err := block.(ssz.SignedBlock).BlockRoot()
	if err != nil {
		panic(err)
	}
	c.Blocks = append(c.Blocks, newItem(slot, root, 0, Encode(block)))
	if fork >= ssz.Altair {
		bootstrap := Object("LightClientBootstrap", fork)
		Set(bootstrap, "Header.Beacon", blockHeader(block.(ssz.SignedBlock)))
		c.Bootstraps = append(c.Bootstraps, newItem(slot, root, 0, Encode(bootstrap)))
	}
	c.addSidecars(slot, root, block.(ssz.SignedBlock), blobs)
	if fork >= ssz.Gloas {
		envelope := Object("SignedExecutionPayloadEnvelope", fork)
		Set(envelope, "Message.BeaconBlockRoot", root)
		Set(envelope, "Message.Payload.SlotNumber", slot)
		c.Envelopes = append(c.Envelopes, newItem(slot, root, 0, Encode(envelope)))
	}
	return root
}

// Until returns the chain as it was when a slot was its head, or the last block before it. The epoch two before the
// head's is final, if it is not that of genesis. Of the latest updates of light clients it has none.
func (c *Chain) Until(head ssz.Slot) *Chain {
	until := func(items []*Item) []*Item { return inRange(items, 0, uint64(head)+1) }
	cut := &Chain{
		network: c.network, Blocks: until(c.Blocks), Blobs: until(c.Blobs), Columns: until(c.Columns),
		Envelopes: until(c.Envelopes), Lists: until(c.Lists),
		Bootstraps: until(c.Bootstraps), Updates: until(c.Updates),
		Dependent: c.Dependent,
	}
	block := last(cut.Blocks)
	cut.status = beacon.Status{HeadSlot: block.Slot, HeadRoot: block.Root}
	if epoch := block.Slot / SlotsPerEpoch; epoch > 2 {
		finalized := (epoch - 2) * SlotsPerEpoch
		cut.status.FinalizedEpoch = ssz.Epoch(epoch - 2)
		cut.status.FinalizedRoot = last(inRange(c.Blocks, 0, uint64(finalized)+1)).Root
	}
	return cut
}

// BlobSidecars returns the blob sidecars of the chain as a client receives them.
func (c *Chain) BlobSidecars() (all []*beacon.BlobSidecar) {
	for _, i := range c.Blobs {
		all = append(all, &beacon.BlobSidecar{Chunk: c.chunk(i), Slot: i.Slot, BlockRoot: i.Root, Index: i.Index})
	}
	return all
}

// DataColumnSidecars returns the data column sidecars of the chain as a client receives them.
func (c *Chain) DataColumnSidecars() (all []*beacon.DataColumnSidecar) {
	for _, i := range c.Columns {
		all = append(all, &beacon.DataColumnSidecar{Chunk: c.chunk(i), Slot: i.Slot, BlockRoot: i.Root, Index: i.Index})
	}
	return all
}

func (c *Chain) chunk(i *Item) beacon.Chunk {
	epoch := c.network.EpochOf(i.Slot)
	return beacon.Chunk{
		Fork: c.network.ForkAt(epoch), Digest: c.network.DigestAt(epoch), SSZ: i.SSZ, Frames: i.Frames,
	}
}
