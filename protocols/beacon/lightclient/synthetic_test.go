package lightclient_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"

	fastssz "github.com/ferranbt/fastssz"
	blsu "github.com/protolambda/bls12-381-util"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// A world makes light client objects of blocks that never were, of any preset and fork, with signatures and proofs that
// are right unless a test changes them.
type world struct {
	*ssz.Network
	period ssz.Slot // slots of a sync committee period
	keys   [][48]byte
}

// newWorld returns a world whose forks from Altair on begin at the epochs given; the last of them is the last fork.
func newWorld(preset ssz.Preset, epochs ...ssz.Epoch) *world {
	cfg := ssz.DefaultConfig(preset)
	for i, epoch := range epochs {
		cfg.Forks[ssz.Altair+ssz.Fork(i)] = ssz.ScheduledFork{Version: ssz.Version{byte(i + 1), 9}, Epoch: epoch}
	}
	n, err := ssz.NewNetwork(cfg, time.Unix(1_700_000_000, 0), ssz.Root{7})
	must(err)
	w := &world{Network: n, period: ssz.Slot(preset.EpochsPerSyncCommitteePeriod() * preset.SlotsPerEpoch())}
	for secret := range 64 {
		key, err := blsu.SkToPk(secretKey(secret + 1))
		must(err)
		w.keys = append(w.keys, key.Serialize())
	}
	return w
}

func secretKey(n int) *blsu.SecretKey {
	var b [32]byte
	binary.BigEndian.PutUint64(b[24:], uint64(n))
	key := new(blsu.SecretKey)
	must(key.Deserialize(&b))
	return key
}

// secret returns the secret key of a member of a period's committee, less 1.
func (w *world) secret(period uint64, member int) int {
	return (int(period)*4 + member%4) % len(w.keys)
}

// committee encodes the sync committee of a period.
func (w *world) committee(period uint64) (b []byte) {
	for i := range int(w.Preset().SyncCommitteeSize()) {
		b = append(b, w.keys[w.secret(period, i)][:]...)
	}
	return append(b, w.keys[0][:]...) // the aggregate, which nobody looks at
}

func (w *world) periodOf(slot ssz.Slot) uint64 { return uint64(slot / w.period) }
func (w *world) forkOf(slot ssz.Slot) ssz.Fork { return w.ForkAt(w.EpochOf(slot)) }

// A tree has the nodes of a Merkle tree that matter, by generalized index. All others are made up.
type tree map[uint64]ssz.Root

func (t tree) node(g uint64) ssz.Root {
	if root, ok := t[g]; ok {
		return root
	}
	for leaf := range t {
		if depth := bits.Len64(leaf) - bits.Len64(g); depth > 0 && leaf>>depth == g {
			left, right := t.node(2*g), t.node(2*g+1)
			return sha256.Sum256(append(left[:], right[:]...))
		}
	}
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, g))
}

func (t tree) branch(g uint64) (b []byte) {
	for ; g > 1; g >>= 1 {
		root := t.node(g ^ 1)
		b = append(b, root[:]...)
	}
	return b
}

// stateIndices are those of the finalized root and of the current and the next sync committee, as the specs state them.
func stateIndices(fork ssz.Fork) [3]uint64 {
	switch {
	case fork >= ssz.Gloas:
		return [3]uint64{735, 2945, 2946}
	case fork >= ssz.Electra:
		return [3]uint64{169, 86, 87}
	}
	return [3]uint64{105, 54, 55}
}

// A block is a block that never was, and what can be proven of its state and body.
type block struct {
	header      containers.BeaconBlockHeader
	state, body tree
	payload     containers.ExecutionPayloadHeaderDeneb
}

func (b *block) root() ssz.Root {
	root, err := b.header.HashTreeRoot()
	must(err)
	return root
}

// block returns the block of a slot, in whose state a block is finalized, or none, and which has committees: those of
// its period, or the current and the next one that are given.
func (w *world) block(slot ssz.Slot, finalized *block, committees ...[]byte) *block {
	if committees == nil {
		committees = [][]byte{w.committee(w.periodOf(slot)), w.committee(w.periodOf(slot) + 1)}
	}
	b := &block{state: make(tree)}
	b.header = containers.BeaconBlockHeader{Slot: uint64(slot), ProposerIndex: 5, ParentRoot: ssz.Root{byte(slot), 1}}
	at := stateIndices(w.forkOf(slot))
	b.state[at[0]] = ssz.Root{}
	b.state[at[1]], b.state[at[2]] = w.rootOf("SyncCommittee", committees[0]), w.rootOf("SyncCommittee", committees[1])
	if finalized != nil {
		var epoch ssz.Root
		perEpoch := w.Preset().SlotsPerEpoch()
		binary.LittleEndian.PutUint64(epoch[:], (finalized.header.Slot+perEpoch-1)/perEpoch)
		b.state[at[0]-1], b.state[at[0]] = epoch, finalized.root()
	}
	b.header.StateRoot = b.state.node(1)
	w.fillBody(b)
	return b
}

// fillBody gives a block a body with an execution payload.
func (w *world) fillBody(b *block) {
	fork := w.forkOf(ssz.Slot(b.header.Slot))
	b.body = tree{25: {9}}
	if fork >= ssz.Capella {
		b.payload.BlockHash, b.payload.BlockNumber = ssz.Root{byte(b.header.Slot), 3}, 77
		b.payload.ExtraData = []byte("synthetic")
	}
	switch {
	case fork >= ssz.Gloas:
		b.body = tree{2856: b.payload.BlockHash}
	case fork >= ssz.Deneb:
		b.payload.BlobGasUsed = 1
		root, err := b.payload.HashTreeRoot()
		must(err)
		b.body[25] = root
	case fork >= ssz.Capella:
		root, err := b.capellaPayload().HashTreeRoot()
		must(err)
		b.body[25] = root
	}
	b.header.BodyRoot = b.body.node(1)
}

func (b *block) capellaPayload() *containers.ExecutionPayloadHeader {
	return &containers.ExecutionPayloadHeader{
		BlockHash: b.payload.BlockHash, BlockNumber: b.payload.BlockNumber, ExtraData: b.payload.ExtraData,
	}
}

// lightHeader encodes the LightClientHeader of a block, or none, in the type that a fork has.
func (w *world) lightHeader(fork ssz.Fork, b *block) []byte {
	if b == nil {
		b = new(block)
	}
	of := w.forkOf(ssz.Slot(b.header.Slot))
	var branch []byte
	if of >= ssz.Capella && b.body != nil {
		branch = b.body.branch(25)
	}
	if fork >= ssz.Gloas {
		h := &containers.LightClientHeaderGloas{Beacon: b.header, ExecutionBlockHash: b.payload.BlockHash}
		branch = w.blockHashBranch(of, b, branch)
		spread(h.ExecutionBranch[:], append(make([]byte, 11*32-len(branch)), branch...))
		return encoded(h)
	}
	switch {
	case fork >= ssz.Deneb:
		h := &containers.LightClientHeaderDeneb{Beacon: b.header, Execution: b.payload}
		spread(h.ExecutionBranch[:], branch)
		return encoded(h)
	case fork >= ssz.Capella:
		h := &containers.LightClientHeaderCapella{Beacon: b.header, Execution: *b.capellaPayload()}
		spread(h.ExecutionBranch[:], branch)
		return encoded(h)
	}
	return encoded(&containers.LightClientHeader{Beacon: b.header})
}

// blockHashBranch extends the branch of a block's payload to that of the payload's block hash.
func (w *world) blockHashBranch(of ssz.Fork, b *block, branch []byte) []byte {
	var payload interface{ GetTree() (*fastssz.Node, error) } = b.capellaPayload()
	index := 16 + 12
	switch {
	case of >= ssz.Gloas && b.body != nil:
		return b.body.branch(2856)
	case of < ssz.Capella || b.body == nil:
		return nil
	case of >= ssz.Deneb:
		payload, index = &b.payload, 32+12
	}
	node, err := payload.GetTree()
	must(err)
	proof, err := node.Prove(index)
	must(err)
	return append(slices.Concat(proof.Hashes...), branch...)
}

func spread(roots [][32]byte, b []byte) {
	for i := range b {
		roots[i/32][i%32] = b[i]
	}
}

func encoded(o ssz.Object) []byte {
	b, err := o.MarshalSSZ()
	must(err)
	return b
}

// rootOf returns the root of an encoded value of a type that no fork has changed.
func (w *world) rootOf(name string, b []byte) ssz.Root {
	t, err := w.TypeOf(ssz.Altair, name)
	must(err)
	root, err := t.Shape().Root(b)
	must(err)
	return root
}

// A field is one of a container, encoded; it may be of variable size.
type field struct {
	b        []byte
	variable bool
}

func container(fields ...field) (b []byte) {
	size := 0
	for _, f := range fields {
		if f.variable {
			size += 4
		} else {
			size += len(f.b)
		}
	}
	for _, f := range fields {
		if f.variable {
			b = binary.LittleEndian.AppendUint32(b, uint32(size))
			size += len(f.b)
		} else {
			b = append(b, f.b...)
		}
	}
	for _, f := range fields {
		if f.variable {
			b = append(b, f.b...)
		}
	}
	return b
}

func hasVariableHeaders(fork ssz.Fork) bool { return fork >= ssz.Capella && fork < ssz.Gloas }

// bootstrap returns the bootstrap of a block.
func (w *world) bootstrap(b *block) beacon.Chunk {
	slot := ssz.Slot(b.header.Slot)
	fork := w.forkOf(slot)
	return beacon.Chunk{Fork: fork, SSZ: container(
		field{w.lightHeader(fork, b), hasVariableHeaders(fork)},
		field{w.committee(w.periodOf(slot)), false},
		field{b.state.branch(stateIndices(fork)[1]), false},
	)}
}

// A recipe is what an update is made of. All but the kind and the attested block may be left out.
type recipe struct {
	kind      beacon.Kind
	attested  *block
	finalized *block
	next      []byte       // the next committee; that of the period by default
	slot      ssz.Slot     // of the signature; the one after the attested block's by default
	signers   int          // all by default
	version   *ssz.Version // of the domain; that of the slot before slot by default

	noFinality, noNext bool // zero branches, and nothing that they could prove
	change             func(*wire)
}

// A wire has the fields of an update before they are encoded, for a test to change.
type wire struct {
	attested, next, nextBranch, finalized, finalityBranch, bits, signature []byte
	slot                                                                   ssz.Slot
}

func (w *world) update(r recipe) beacon.Chunk {
	slot := ssz.Slot(r.attested.header.Slot)
	fork, at := w.forkOf(slot), stateIndices(w.forkOf(slot))
	if r.slot == 0 {
		r.slot = slot + 1
	}
	if r.next == nil {
		r.next = w.committee(w.periodOf(slot) + 1)
	}
	x := &wire{
		attested: w.lightHeader(fork, r.attested), slot: r.slot,
		next: r.next, nextBranch: r.attested.state.branch(at[2]),
		finalized: w.lightHeader(fork, r.finalized), finalityBranch: r.attested.state.branch(at[0]),
	}
	if r.noFinality {
		x.finalized, x.finalityBranch = w.lightHeader(fork, nil), make([]byte, len(x.finalityBranch))
	}
	if r.noNext {
		x.next, x.nextBranch = make([]byte, len(x.next)), make([]byte, len(x.nextBranch))
	}
	x.bits, x.signature = w.sign(r)
	if r.change != nil {
		r.change(x)
	}
	variable := hasVariableHeaders(fork)
	fields := []field{{x.attested, variable}}
	if r.kind == beacon.KindLightClientUpdate {
		fields = append(fields, field{x.next, false}, field{x.nextBranch, false})
	}
	if r.kind != beacon.KindLightClientOptimisticUpdate {
		fields = append(fields, field{x.finalized, variable}, field{x.finalityBranch, false})
	}
	fields = append(fields, field{append(x.bits, x.signature...), false},
		field{binary.LittleEndian.AppendUint64(nil, uint64(x.slot)), false})
	return beacon.Chunk{Fork: fork, SSZ: container(fields...)}
}

// sign has the first members of the committee of the signature's slot sign the attested block.
func (w *world) sign(r recipe) (participation, signature []byte) {
	size := int(w.Preset().SyncCommitteeSize())
	if r.signers == 0 {
		r.signers = size
	}
	participation, sum := make([]byte, size/8), 0
	for i := range r.signers {
		participation[i/8] |= 1 << (i % 8)
		sum += w.secret(w.periodOf(r.slot), i) + 1
	}
	version := w.PeriodAt(w.EpochOf(r.slot - 1)).Version
	if r.version != nil {
		version = *r.version
	}
	message := w.signingRoot(version, r.attested.root())
	b := blsu.Sign(secretKey(sum), message[:]).Serialize()
	return participation, b[:]
}

// signingRoot is compute_signing_root of the specs, with DOMAIN_SYNC_COMMITTEE.
func (w *world) signingRoot(version ssz.Version, root ssz.Root) ssz.Root {
	genesis := w.GenesisValidatorsRoot()
	forkData := sha256.Sum256(slices.Concat(version[:], make([]byte, 28), genesis[:]))
	return sha256.Sum256(slices.Concat(root[:], []byte{7, 0, 0, 0}, forkData[:28]))
}
