package era

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	gsnappy "github.com/golang/snappy"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Writer writes an era file: the blocks of an era in the order of their slots by [Writer.Block], then its state by
// [Writer.State], and so on for the next eras, if the file is to have more than one. The genesis state alone is era 0.
// The same input makes the same bytes.
//
// A call that refuses its argument writes nothing and leaves the Writer unchanged. After an error of the file the
// Writer writes nothing more. It is not safe for concurrent use. Begin with [NewWriter].
type Writer struct {
	network *ssz.Network
	out     *e2store.Writer
	perEra  ssz.Slot // SLOTS_PER_HISTORICAL_ROOT

	first   ssz.Slot // of the era that is being written; NoSlot if any can come next
	started bool     // with its Version record
	offsets []int64  // of the blocks so far, from the first slot on; 0 for empty slots
	name    Name     // of the file so far; without Config if there is no group yet
	groups  int
}

// NewWriter returns a Writer of a file of a network. It writes to w from the beginning of the file on. The caller makes
// the file durable and names it.
func NewWriter(w io.Writer, n *ssz.Network) *Writer {
	return &Writer{
		network: n,
		out:     e2store.NewWriter(w, 0),
		perEra:  SlotsPerEra(n),
		first:   NoSlot,
	}
}

// Block appends a block, given as snappy frames of its encoding. The frames are written as they are.
//
// The error wraps [ErrFrames] if [snappy.CheckFrames] rejects the frames, [ErrBlock] if the slot of the block cannot be
// read, and [ErrGroup] if the slot is not in the era or not after that of the block before; else it is an error of the
// file. Block does not check the rest of the block: see [File.Check].
func (w *Writer) Block(frames []byte) error {
	slot, err := slotOf(frames)
	if err != nil {
		return err
	}
	first := w.first
	if first == NoSlot {
		first = slot - slot%w.perEra
	}
	at := slot - first // huge if the slot is before the first
	if at >= w.perEra || int(at) < len(w.offsets) {
		return fmt.Errorf("%w: block of slot %d: want one from %d to %d", ErrGroup, slot,
			first+ssz.Slot(len(w.offsets)), first+w.perEra-1)
	}
	if err := w.start(); err != nil {
		return err
	}
	r, err := w.out.Write(e2store.CompressedSignedBeaconBlock, frames)
	if err != nil {
		return err
	}
	w.first = first
	w.offsets = append(append(w.offsets, make([]int64, int(at)-len(w.offsets))...), r.Offset)
	return nil
}

// slotOf returns the slot of a block in frames.
func slotOf(frames []byte) (ssz.Slot, error) {
	if _, err := snappy.CheckFrames(frames); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFrames, err)
	}
	r, err := snappy.NewReaderAt(frames)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFrames, err)
	}
	const headerEnd = 4 + 96 + 8 + 8 + 32 + 32 + 4 // a SignedBeaconBlock up to its body
	prefix := make([]byte, min(headerEnd, r.Size()))
	if _, err := r.ReadAt(prefix, 0); err != nil && err != io.EOF {
		return 0, fmt.Errorf("%w: %w", ErrFrames, err)
	}
	header, err := ssz.PeekBlock(prefix)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBlock, err)
	}
	return header.Slot, nil
}

// State appends the state at the end of the era, given as snappy frames of its encoding, and the indices. The frames,
// which [snappy.AppendFrames] makes of a state, are written as they are. The state is decoded on the way, as a whole:
// see [Group.State].
//
// The error wraps [ErrFrames] if the frames are not valid, [ErrState] if what they hold is not a state of the network,
// [ErrGroup] if it is not the one at the end of the era, and [ErrBlockRoot] if the blocks written are not of the slots
// in which the state has blocks; else it is an error of the file.
func (w *Writer) State(frames []byte) error {
	encoded, err := io.ReadAll(io.LimitReader(gsnappy.NewReader(bytes.NewReader(frames)), maxState+1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFrames, err)
	}
	state, err := ParseState(w.network, encoded)
	if err != nil {
		return err
	}
	first, offsets, err := w.complete(state)
	if err != nil {
		return err
	}
	era := uint64(state.slot / w.perEra)
	root, ok := state.EraRoot(era)
	if !ok {
		return fmt.Errorf("%w: it has no historical root of era %d", ErrState, era)
	}
	if err := w.start(); err != nil {
		return err
	}
	r, err := w.out.Write(e2store.CompressedBeaconState, frames)
	if err != nil {
		return err
	}
	if era > 0 {
		if err := w.index(first, offsets); err != nil {
			return err
		}
	}
	if err := w.index(state.slot, []int64{r.Offset}); err != nil {
		return err
	}
	if w.groups == 0 {
		w.name = Name{Config: w.network.Config().Name, Era: era}
	}
	w.name.Root = [4]byte(root[:4])
	w.groups++
	w.first, w.offsets, w.started = state.slot, nil, false
	return nil
}

// complete returns the first slot of the era that a state ends, and the offsets of all its blocks.
func (w *Writer) complete(state *State) (ssz.Slot, []int64, error) {
	slot := state.slot
	if slot%w.perEra != 0 || w.first != NoSlot && slot != w.first+w.perEra {
		return 0, nil, fmt.Errorf("%w: state of slot %d does not end the era", ErrGroup, slot)
	}
	if slot == 0 {
		return 0, nil, nil
	}
	first := slot - w.perEra
	offsets := append(slices.Clip(w.offsets), make([]int64, int(w.perEra)-len(w.offsets))...)
	for i := 1; i < len(offsets); i++ {
		root, _ := state.BlockRoot(first + ssz.Slot(i))
		before, _ := state.BlockRoot(first + ssz.Slot(i-1))
		if written := offsets[i] != 0; written != (root != before) {
			return 0, nil, fmt.Errorf("%w: block of slot %d: written %v, in the state %v", ErrBlockRoot,
				first+ssz.Slot(i), written, !written)
		}
	}
	return first, offsets, nil
}

// start writes the Version record of the era, unless that has been done.
func (w *Writer) start() error {
	if w.started {
		return nil
	}
	_, err := w.out.Write(e2store.Version, nil)
	w.started = err == nil
	return err
}

func (w *Writer) index(first ssz.Slot, offsets []int64) error {
	_, err := w.out.Write(e2store.SlotIndex, appendIndex(nil, w.out.Offset(), first, offsets))
	return err
}

// Name returns the name that the file has to have. Its Config is empty if that of the network is. It reports false
// before the first state.
func (w *Writer) Name() (Name, bool) { return w.name, w.groups > 0 }
