package era

import (
	"context"
	"iter"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxBlockFrames is the most bytes of a block's frames: max_compressed_len of MAX_PAYLOAD_SIZE.
const maxBlockFrames = 32 + snappy.MaxPayloadSize + snappy.MaxPayloadSize/6

// A Block is a block's record.
type Block struct {
	Slot   ssz.Slot // Slot is the slot by the index. What the block itself says is not compared with it.
	Offset int64    // Offset is where in the file the record begins.
	// Frames is the record's data as it is in the file: snappy frames of an encoded SignedBeaconBlock. Whether they can
	// be sent to peers is for [snappy.CheckFrames] to say.
	Frames []byte
}

// Decode decodes the frames with their checksums, appends the encoded SignedBeaconBlock to dst, and returns the
// extended buffer, the block's header and its block root. The block is well-formed and of the record's slot. Whether
// it is the chain's, the era's state says: see [Group.BlockRoots]. Roots do not cover signatures.
//
// The error is an [*Error] that wraps [ErrFrames] or [ErrBlock]. Upon an error it returns dst as it was.
func (b Block) Decode(n *ssz.Network, dst []byte) ([]byte, ssz.BlockHeader, ssz.Root, error) {
	size, err := snappy.DecodedLen(b.Frames)
	out := dst
	if err == nil {
		out, err = snappy.AppendDecoded(dst, b.Frames, size)
	}
	if err != nil {
		return dst, ssz.BlockHeader{}, ssz.Root{}, fault(b.Offset, b.Slot, ErrFrames, "%w", err)
	}
	encoded := out[len(dst):]
	root, err := n.BlockRoot(n.ForkAt(n.EpochOf(b.Slot)), encoded)
	var header ssz.BlockHeader
	if err == nil {
		header, err = ssz.PeekBlock(encoded)
	}
	if err != nil {
		return dst, header, root, fault(b.Offset, b.Slot, ErrBlock, "%w", err)
	}
	if header.Slot != b.Slot {
		return dst, header, root, fault(b.Offset, b.Slot, ErrBlock, "it is that of slot %d", header.Slot)
	}
	return out, header, root, nil
}

// AppendFrames appends the frames of the block of a slot to dst, as they are in the file, and returns the extended
// buffer. It is one read. See [Block] for what they are.
//
// The error wraps [ErrEmptySlot] if the slot is empty and [ErrNotHeld] if it is not one of the file's; others are an
// [*Error], of [ErrRecord] if the file is at fault. Upon an error it returns dst as it was.
func (f *File) AppendFrames(ctx context.Context, slot ssz.Slot, dst []byte) ([]byte, error) {
	g, err := f.groupOf(slot)
	if err != nil {
		return dst, err
	}
	off, end, err := g.blockAt(slot)
	if err != nil {
		return dst, err
	}
	before := len(dst)
	n := min(end-off, e2store.HeaderSize+maxBlockFrames)
	out, err := e2store.AppendRange(ctx, f.src, dst, off, n)
	if err != nil {
		return dst, &Error{off, slot, err}
	}
	b := out[before:]
	h, err := e2store.ParseHeader(b)
	if err != nil {
		return dst, recordError(err, off, slot)
	}
	if err := checkType(e2store.Record{Header: h, Offset: off}, e2store.CompressedSignedBeaconBlock, slot); err != nil {
		return dst, err
	}
	if int64(h.Length) > n-e2store.HeaderSize {
		return dst, fault(off, slot, ErrRecord, "%d bytes of data, the maximum here is %d", h.Length, n-e2store.HeaderSize)
	}
	return slices.Delete(out, before, before+e2store.HeaderSize)[:before+int(h.Length)], nil
}

// Blocks returns the blocks of the slots from the first to the one before end that the file has, in ascending order. It
// reads ahead up to 1 MiB, so that many blocks cost few reads. The frames are valid until the next block.
//
// An error is the last pair; it is that of [File.AppendFrames], but slots that are empty or not of the file are no
// error. The loop may be left at any time, and the sequence used again.
func (f *File) Blocks(ctx context.Context, first, end ssz.Slot) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		r := e2store.NewReader(f.src, 0, f.blocksEnd(first, end))
		for _, g := range f.groups {
			for slot, off := range g.Blocks() {
				if slot < first || slot >= end {
					continue
				}
				b, err := g.readBlock(ctx, r, slot, off)
				if !yield(b, err) || err != nil {
					return
				}
			}
		}
	}
}

// blocksEnd returns where the last block in a range of slots ends, so that nothing is read behind it.
func (f *File) blocksEnd(first, end ssz.Slot) int64 {
	for _, g := range slices.Backward(f.groups) {
		for i, off := range slices.Backward(g.blocks.entries) {
			slot := g.blocks.first + ssz.Slot(i)
			if off != 0 && first <= slot && slot < end {
				_, end, _ := g.blockAt(slot) // the slot is not empty
				return end
			}
		}
	}
	return 0
}

// readBlock reads the block at an offset.
func (g *Group) readBlock(ctx context.Context, r *e2store.Reader, slot ssz.Slot, off int64) (Block, error) {
	r.SkipTo(off)
	record, err := r.Next(ctx)
	if err == nil {
		if err := checkType(record, e2store.CompressedSignedBeaconBlock, slot); err != nil {
			return Block{}, err
		}
		if _, end, _ := g.blockAt(slot); record.End() > end {
			return Block{}, fault(off, slot, ErrRecord,
				"%d bytes of data reach into the next record at %d", record.Length, end)
		}
		var frames []byte
		if frames, err = r.Data(ctx, maxBlockFrames); err == nil {
			return Block{Slot: slot, Offset: off, Frames: frames}, nil
		}
	}
	return Block{}, recordError(err, off, slot)
}
