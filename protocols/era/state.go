package era

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	gsnappy "github.com/golang/snappy"

	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxState is the most bytes of an encoded state: the offsets within it have 32 bits.
const maxState = 1<<32 - 1

// StateRecord reads where the record of the state is. Its data are the frames of the encoded state, which
// [e2store.AppendData] or [e2store.NewDataReader] read. The error is an [*Error].
func (g *Group) StateRecord(ctx context.Context) (e2store.Record, error) {
	return g.record(ctx, e2store.CompressedBeaconState, g.StateSlot(), g.states.entries[0], g.firstIndex())
}

// StateFrames appends the frames of the state to dst, as they are in the file, and returns the extended buffer. On
// mainnet these are hundreds of MiB; [Group.OpenState] needs no memory for them. The error is an [*Error]; upon an
// error it returns dst as it was.
func (g *Group) StateFrames(ctx context.Context, dst []byte) ([]byte, error) {
	r, err := g.StateRecord(ctx)
	if err != nil {
		return dst, err
	}
	out, err := e2store.AppendData(ctx, g.file.src, dst, r, e2store.MaxLength)
	if err != nil {
		return dst, recordError(err, r.Offset, g.StateSlot())
	}
	return out, nil
}

// OpenState returns a reader of the encoded state, which decodes its frames and verifies their checksums on the way. It
// needs a buffer of 1 MiB, and reads the file under ctx. All errors, also those of the reader, are an [*Error]; invalid
// frames wrap [ErrFrames].
func (g *Group) OpenState(ctx context.Context) (io.Reader, error) {
	r, err := g.StateRecord(ctx)
	if err != nil {
		return nil, err
	}
	data := bufio.NewReaderSize(e2store.NewDataReader(ctx, g.file.src, r), 1<<20)
	return &stateReader{gsnappy.NewReader(data), r.Offset, g.StateSlot()}, nil
}

// A stateReader says where the errors of its reader are.
type stateReader struct {
	frames *gsnappy.Reader
	offset int64
	slot   ssz.Slot
}

func (r *stateReader) Read(p []byte) (int, error) {
	n, err := r.frames.Read(p)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(err, gsnappy.ErrCorrupt) || errors.Is(err, gsnappy.ErrUnsupported):
		err = fmt.Errorf("%w: %w", ErrFrames, err)
	}
	return n, &Error{r.offset, r.slot, err}
}

// State reads, decodes and parses the state. The state is in memory as a whole, which is hundreds of MiB on mainnet;
// memory grows with what has been decoded. The error is an [*Error]; it wraps [ErrState] if what the frames hold is
// not the state of this slot and network.
func (g *Group) State(ctx context.Context, n *ssz.Network) (*State, error) {
	r, err := g.OpenState(ctx)
	if err != nil {
		return nil, err
	}
	encoded, err := io.ReadAll(io.LimitReader(r, maxState+1))
	if err != nil {
		return nil, err
	}
	offset := g.states.entries[0]
	s, err := ParseState(n, encoded)
	if err != nil {
		return nil, &Error{offset, g.StateSlot(), err}
	}
	if s.slot != g.StateSlot() {
		return nil, fault(offset, g.StateSlot(), ErrState, "it is that of slot %d", s.slot)
	}
	return s, nil
}

// BlockRoots reads the block roots of the era's slots: that of the block in the slot, or of the latest one before if
// the slot is empty. Era 0 has none. It reads and decodes no more than the beginning of the state, 262 KiB on mainnet,
// and verifies the checksums of that part, the slot and the network; [File.Check] verifies all of the state.
//
// The error is an [*Error]; it wraps [ErrState] if the state is not that of this slot and network.
func (g *Group) BlockRoots(ctx context.Context, n *ssz.Network) ([]ssz.Root, error) {
	count, offset, slot := len(g.blocks.entries), g.states.entries[0], g.StateSlot()
	if count == 0 {
		return nil, nil
	}
	if want := SlotsPerEra(n); ssz.Slot(count) != want {
		return nil, fault(offset, slot, ErrState, "an era of %d slots: want %d, as the network has", count, want)
	}
	r, err := g.OpenState(ctx)
	if err != nil {
		return nil, err
	}
	const rootsAt = stateHeader + 112 // after latest_block_header, in every fork
	b := make([]byte, rootsAt+count*len(ssz.Root{}))
	if _, err := io.ReadFull(r, b); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fault(offset, slot, ErrState, "%w: it ends before its block roots do", ssz.ErrSize)
	} else if err != nil {
		return nil, err
	}
	if s := ssz.Slot(binary.LittleEndian.Uint64(b[40:])); s != slot {
		return nil, fault(offset, slot, ErrState, "it is that of slot %d", s)
	}
	if err := checkNetwork(n, n.ForkAt(n.EpochOf(slot)), b); err != nil {
		return nil, &Error{offset, slot, err}
	}
	blockRoots := make([]ssz.Root, count)
	for i := range blockRoots {
		blockRoots[i] = roots(b[rootsAt:]).at(uint64(i))
	}
	return blockRoots, nil
}

// A State is an encoded BeaconState of any fork, with access to the roots that link it to the blocks of its era. It is
// immutable; its methods may be called concurrently.
type State struct {
	ssz   []byte
	shape *ssz.Shape
	fork  ssz.Fork
	slot  ssz.Slot

	header              []byte
	blockRoots          roots
	stateRoots          roots
	historicalRoots     roots
	historicalSummaries roots // two for each: block_summary_root and state_summary_root
}

// roots are a vector or list of roots.
type roots []byte

func (r roots) len() uint64          { return uint64(len(r) / len(ssz.Root{})) }
func (r roots) at(i uint64) ssz.Root { return ssz.Root(r[i*32:]) }

// ParseState reads an encoded state of a network; its slot tells the fork. The encoding is checked against the state's
// type, and the genesis and the fork that it says against the network. The error wraps [ErrState]; for a malformed
// encoding it is a [*ssz.CheckError] too. The state keeps a reference to encoded, which must not change.
func ParseState(n *ssz.Network, encoded []byte) (*State, error) {
	const slotAt = 8 + 32 // after genesis_time and genesis_validators_root, in every fork
	if len(encoded) < slotAt+8 {
		return nil, fmt.Errorf("%w: %w: %d bytes", ErrState, ssz.ErrSize, len(encoded))
	}
	s := &State{ssz: encoded, slot: ssz.Slot(binary.LittleEndian.Uint64(encoded[slotAt:]))}
	s.fork = n.ForkAt(n.EpochOf(s.slot))
	var err error
	if s.shape, err = StateShape(n, s.fork); err != nil {
		return nil, err
	}
	if err := s.shape.Check(encoded); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	s.header = s.part("latest_block_header")
	s.blockRoots = s.part("block_roots")
	s.stateRoots = s.part("state_roots")
	s.historicalRoots = s.part("historical_roots")
	if s.fork >= ssz.Capella {
		s.historicalSummaries = s.part("historical_summaries")
	}
	return s, checkNetwork(n, s.fork, encoded)
}

// part returns the encoding of a part of the state, which has been checked.
func (s *State) part(path ...string) []byte {
	at, n, err := s.shape.Find(bytes.NewReader(s.ssz), int64(len(s.ssz)), path...)
	if err != nil {
		panic("era: " + err.Error())
	}
	return s.ssz[at : at+n]
}

// stateHeader is how many bytes of a state are before latest_block_header, in every fork: genesis_time,
// genesis_validators_root, slot and fork.
const stateHeader = 8 + 32 + 8 + 16

// checkNetwork checks that a state which begins with these bytes is of a fork of the network.
func checkNetwork(n *ssz.Network, fork ssz.Fork, header []byte) error {
	const rootAt, slotAt, versionAt = 8, 40, 52
	if v := header[versionAt : versionAt+4]; !bytes.Equal(v, versionOf(n, fork)) {
		return fmt.Errorf("%w: fork version %#x: want %#x, that of %v, at slot %d", ErrState, v,
			versionOf(n, fork), fork, binary.LittleEndian.Uint64(header[slotAt:]))
	}
	if r := ssz.Root(header[rootAt:]); r != n.GenesisValidatorsRoot() {
		return fmt.Errorf("%w: genesis validators root %v: want %v", ErrState, r, n.GenesisValidatorsRoot())
	}
	if t := binary.LittleEndian.Uint64(header); t != uint64(n.GenesisTime().Unix()) {
		return fmt.Errorf("%w: genesis time %d: want %d", ErrState, t, n.GenesisTime().Unix())
	}
	return nil
}

func versionOf(n *ssz.Network, fork ssz.Fork) []byte {
	v := n.Config().Forks[fork].Version
	return v[:]
}

// SSZ returns the state's encoding, which must not be changed.
func (s *State) SSZ() []byte { return s.ssz }

// Shape returns the shape of the state, by which its fields are found: see [StateShape].
func (s *State) Shape() *ssz.Shape { return s.shape }

// Fork returns the fork of the state.
func (s *State) Fork() ssz.Fork { return s.fork }

// Slot returns the slot of the state.
func (s *State) Slot() ssz.Slot { return s.slot }

// Root returns the hash tree root of the state. It takes time in the order of a second for 100 MiB and is not
// remembered.
func (s *State) Root() (ssz.Root, error) {
	return s.shape.Root(s.ssz)
}

// BlockRoot returns the root of the latest block at or before a slot, which is get_block_root_at_slot of the specs. It
// reports false unless the slot is one of the SLOTS_PER_HISTORICAL_ROOT before that of the state.
func (s *State) BlockRoot(slot ssz.Slot) (ssz.Root, bool) { return s.recent(s.blockRoots, slot) }

// StateRoot returns the root of the state after a slot and its block. It reports false unless the slot is one of the
// SLOTS_PER_HISTORICAL_ROOT before that of the state.
func (s *State) StateRoot(slot ssz.Slot) (ssz.Root, bool) { return s.recent(s.stateRoots, slot) }

func (s *State) recent(r roots, slot ssz.Slot) (ssz.Root, bool) {
	if slot >= s.slot || uint64(s.slot-slot) > r.len() {
		return ssz.Root{}, false
	}
	return r.at(uint64(slot) % r.len()), true
}

// EraRoot returns the root that names an era in the names of files. It is the genesis validators root for era 0, else
// that of historical_roots, or the hash tree root of the HistoricalSummary from Capella on. It reports false if the
// era ends after the state.
func (s *State) EraRoot(era uint64) (ssz.Root, bool) {
	if era == 0 {
		return ssz.Root(s.part("genesis_validators_root")), true
	}
	i, frozen := era-1, s.historicalRoots.len()
	switch summaries := s.historicalSummaries.len() / 2; {
	case i < frozen:
		return s.historicalRoots.at(i), true
	case i-frozen < summaries:
		i = 2 * (i - frozen)
		return hashPair(s.historicalSummaries.at(i), s.historicalSummaries.at(i+1)), true
	default:
		return ssz.Root{}, false
	}
}

// eraRootOfRoots returns the era root of the era that ends with the state, computed from its block and state roots. The
// root of a HistoricalBatch is that of a HistoricalSummary of the same roots.
func (s *State) eraRootOfRoots() ssz.Root {
	return hashPair(merkleize(s.blockRoots), merkleize(s.stateRoots))
}

// latestBlock returns the slot, the parent root and the block root of the latest block. The state root of the block is
// not in the header if the block is that of the state's own slot; ok is false then and the root is not known.
func (s *State) latestBlock() (slot ssz.Slot, parent, root ssz.Root, ok bool) {
	const parentAt, stateAt, bodyAt = 16, 48, 80
	slot = ssz.Slot(binary.LittleEndian.Uint64(s.header))
	parent = ssz.Root(s.header[parentAt:])
	ok = ssz.Root(s.header[stateAt:]) != ssz.Root{}
	leaves := make(roots, 8*32)
	copy(leaves[0:], s.header[0:8])
	copy(leaves[32:], s.header[8:16])
	copy(leaves[64:], s.header[parentAt:stateAt])
	copy(leaves[96:], s.header[stateAt:bodyAt])
	copy(leaves[128:], s.header[bodyAt:])
	return slot, parent, merkleize(leaves), ok
}

// merkleize returns the root of a tree whose leaves are roots. Their number is a power of two.
func merkleize(leaves roots) ssz.Root {
	level := slices.Clone(leaves)
	for level.len() > 1 {
		for i := uint64(0); i < level.len()/2; i++ {
			node := hashPair(level.at(2*i), level.at(2*i+1))
			copy(level[32*i:], node[:])
		}
		level = level[:len(level)/2]
	}
	return level.at(0)
}

func hashPair(a, b ssz.Root) ssz.Root {
	return sha256.Sum256(append(a[:], b[:]...))
}
