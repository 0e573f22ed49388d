package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/ethdb"

	"github.com/seed-2dd5877b/reqresp/plugin/store/internal/segment"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A repairPeriod is the part of a repair that is about the files of one period.
type repairPeriod struct {
	*repair

	batch   ethdb.Batch
	lengths map[segment.ID]int64  // up to the last object of the chain
	chain   map[ssz.Root]ssz.Slot // the blocks of the chain

	found    map[ssz.Root]*record        // blocks
	sidecars map[ssz.Slot]*sidecarRecord // of the kind that is read
	buf      []byte
}

// read adds the objects of a file that may be of the chain to those found.
func (p *repairPeriod) read(ctx context.Context, id segment.ID) error {
	for o, err := range p.store.segments.Objects(ctx, id) {
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		size, err := snappy.CheckFrames(o.Frames)
		if err != nil || size > snappy.MaxPayloadSize {
			continue
		}
		if p.buf, err = snappy.AppendDecoded(p.buf[:0], o.Frames, size); err != nil {
			continue
		}
		at := place{file: id.Number, sum: crc32.Checksum(o.Frames, castagnoli), offset: o.Offset}
		if id.Kind == beacon.KindBlock {
			p.addBlock(id, at, len(o.Frames))
		} else {
			p.addSidecar(id, at, len(o.Frames))
		}
	}
	return nil
}

// addBlock adds the block whose SSZ is in p.buf, if it is one.
func (p *repairPeriod) addBlock(id segment.ID, at place, framesSize int) {
	n := p.next.network
	header, err := ssz.PeekBlock(p.buf)
	if err != nil || n.period(header.Slot) != id.Period {
		return
	}
	block, err := n.parsed.DecodeBlock(n.parsed.ForkAt(n.parsed.EpochOf(header.Slot)), p.buf)
	if err != nil {
		return
	}
	root, err := block.BlockRoot()
	if err != nil || header.Slot >= p.above && root != p.want ||
		p.next.Earliest != nil && header.Slot < *p.next.Earliest {
		return
	}
	r := &record{
		Ref:    beacon.Ref{Slot: header.Slot, Root: root, Size: len(p.buf), FramesSize: framesSize},
		parent: header.ParentRoot, place: at,
	}
	r.blobs, r.blobsKnown = n.peekCommitments(r.Slot, p.buf)
	p.found[root] = r
}

// addSidecar adds the object whose SSZ is in p.buf, if it belongs to a block of the chain. It tries the forks of the
// period, as the object itself has to tell its slot.
func (p *repairPeriod) addSidecar(id segment.ID, at place, framesSize int) {
	n := p.next.network.parsed
	first, last := p.next.network.slotsOf(id.Period)
	for fork := n.ForkAt(n.EpochOf(first)); fork <= n.ForkAt(n.EpochOf(last)); fork++ {
		slot, root, index, err := decodeSidecar(n, id.Kind, beacon.Chunk{Fork: fork, SSZ: p.buf})
		if held, ok := p.chain[root]; err != nil || !ok || held != slot || slot < p.next.Pruned[id.Kind] {
			continue
		}
		r := p.sidecars[slot]
		if r == nil {
			r = &sidecarRecord{kind: id.Kind, slot: slot, root: root}
			p.sidecars[slot] = r
		}
		o := r.find(index)
		if o == nil {
			r.objects = append(r.objects, object{index: uint16(index)})
			o = &r.objects[len(r.objects)-1]
		}
		o.size, o.framesSize, o.place = uint32(len(p.buf)), uint32(framesSize), at
		return
	}
}

// index adds the records of the objects of a kind that were found to the batch.
func (p *repairPeriod) index(kind beacon.Kind) error {
	defer func() { p.sidecars = make(map[ssz.Slot]*sidecarRecord) }()
	if kind == beacon.KindBlock {
		return p.indexBlocks()
	}
	for slot, r := range p.sidecars {
		for _, o := range r.objects {
			id := segment.ID{Kind: kind, Period: p.next.network.period(slot), Number: o.place.file}
			p.lengths[id] = max(p.lengths[id], r.end(o.place.file))
		}
		held, _ := p.store.storedOf(kind, slot, r.root) // A record that cannot be read is replaced.
		for _, o := range held.objects {
			if r.find(uint64(o.index)) == nil { // It is in the database, or damaged.
				r.objects = append(r.objects, o)
			}
		}
		slices.SortFunc(r.objects, func(a, b object) int { return cmp.Compare(a.index, b.index) })
		if err := p.batch.Put(sidecarKey(kind, slot), r.value()); err != nil {
			return err
		}
	}
	return nil
}

func (p *repairPeriod) indexBlocks() error {
	for _, b := range p.follow(p.found) {
		slot := seal(binary.BigEndian.AppendUint64(make([]byte, sumSize), uint64(b.Slot)))
		if err := errors.Join(
			p.batch.Put(slotKey(recordPrefix, b.Slot), b.appendTo(nil)),
			p.batch.Put(indexKey(b.Root), slot),
		); err != nil {
			return err
		}
		id := segment.ID{Period: p.next.network.period(b.Slot), Number: b.place.file}
		p.lengths[id] = max(p.lengths[id], b.end())
		p.chain[b.Root] = b.Slot
		p.blocks++
		p.first = &position{b.Slot, b.Root}
		if p.last == nil {
			p.last = p.first
		}
	}
	return nil
}

// follow returns those of the blocks that are of the chain, from the last one down. Where the chain cannot be followed,
// as a block is damaged, it goes on with the one below the gap.
func (r *repair) follow(found map[ssz.Root]*record) (blocks []*record) {
	sorted := slices.SortedFunc(maps.Values(found), func(a, b *record) int { return cmp.Compare(b.Slot, a.Slot) })
	for len(sorted) > 0 {
		b, ok := found[r.want]
		if !ok || b.Slot > sorted[0].Slot {
			b = sorted[0]
		}
		blocks = append(blocks, b)
		r.want, r.above = b.parent, b.Slot
		for len(sorted) > 0 && sorted[0].Slot >= b.Slot {
			sorted = sorted[1:]
		}
	}
	return blocks
}
