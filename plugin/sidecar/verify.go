package sidecar

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Verify verifies sidecars against their blocks, whose roots are taken at their word: those of a beacon.Client are
// right. The sidecars may be some of a block's, in any order, with each index at most once. The checks that cost least
// come first: the form, the block's slot and root, what the block says of the object, the inclusion proof, and at last
// the KZG proofs, of all blocks together.
//
// The error is [Errors], which names each object that failed, unless a block is malformed or ctx has ended. What it
// does not name is verified. If a batch of KZG proofs fails, each half of it is verified again, so that wrong ones cost
// a few times what right ones cost.
//
// Verify runs at most GOMAXPROCS goroutines, and returns when all have ended. Each has copies of up to 1024 cells,
// which take about 6 MiB, or of those of one column of more blobs. The end of ctx is noticed between two batches.
// Verify keeps no reference to what it is given. The first call of the process loads the trusted setup, which takes
// seconds.
func Verify(ctx context.Context, n *ssz.Network, of ...beacon.Sidecars) error {
	v := verifier{network: n}
	for _, s := range of {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := readBlock(n, s.Block)
		if err != nil {
			return err
		}
		v.check(b, s)
	}
	if err := v.verifyProofs(ctx); err != nil {
		return err
	}
	if len(v.faults) == 0 {
		return nil
	}
	slices.SortFunc(v.faults, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Index, b.Index))
	})
	return v.faults
}

// A verifier is one call of Verify.
type verifier struct {
	network *ssz.Network
	blobs   []*blob   // whose proofs are left to verify
	columns []*column // likewise; those of a block follow one another

	mu     sync.Mutex
	faults Errors
}

// A blob is a sidecar that has passed all checks but that of its proof.
type blob struct {
	block      *block
	index      uint64
	blob       []byte
	commitment []byte
	proof      []byte
}

// A column is a sidecar that has passed all checks but that of its proofs.
type column struct {
	block  *block
	index  uint64
	cells  []byte
	proofs []byte
}

func (v *verifier) fail(kind beacon.Kind, b *block, index uint64, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults = append(v.faults, &Error{kind, b.Slot, b.Root, index, err})
}

// check verifies all but the proofs of a block's sidecars, which it puts by.
func (v *verifier) check(b *block, s beacon.Sidecars) {
	given := make(map[uint64]bool)
	for _, sidecar := range s.Blobs {
		checked, err := v.checkBlob(b, sidecar)
		if v.passes(beacon.KindBlobSidecar, b, sidecar.Index, given, err) {
			v.blobs = append(v.blobs, checked)
		}
	}
	clear(given)
	for _, sidecar := range s.Columns {
		checked, err := v.checkColumn(b, sidecar)
		if v.passes(beacon.KindDataColumnSidecar, b, sidecar.Index, given, err) {
			v.columns = append(v.columns, checked)
		}
	}
	if s.Envelope == nil {
		return
	}
	if err := v.checkEnvelope(b, s.Envelope); err != nil {
		v.fail(beacon.KindExecutionPayloadEnvelope, b, 0, err)
	}
}

// passes reports whether a sidecar has no fault, and none of its index has passed before.
func (v *verifier) passes(kind beacon.Kind, b *block, index uint64, given map[uint64]bool, fault error) bool {
	if fault == nil && given[index] {
		fault = ErrRepeated
	}
	if fault != nil {
		v.fail(kind, b, index, fault)
		return false
	}
	given[index] = true
	return true
}

func (v *verifier) checkBlob(b *block, given *beacon.BlobSidecar) (*blob, error) {
	if given.Fork != b.Fork || b.Fork >= ssz.Fulu {
		return nil, fmt.Errorf("%w: of %v, the block is of %v", ErrFork, given.Fork, b.Fork)
	}
	s, err := beacon.DecodeBlobSidecar(v.network, given.Chunk)
	switch {
	case err != nil:
		return nil, err
	case s.Slot != given.Slot || s.BlockRoot != given.BlockRoot || s.Index != given.Index:
		return nil, ErrFields
	case s.Slot != b.Slot || s.BlockRoot != b.Root:
		return nil, ErrBlock
	}
	t, err := v.network.TypeOf(s.Fork, "BlobSidecar")
	if err != nil {
		return nil, err
	}
	checked := &blob{block: b, index: s.Index}
	var signature []byte
	if err := parts(t.Shape(), s.SSZ, map[string]*[]byte{
		"blob": &checked.blob, "kzg_commitment": &checked.commitment, "kzg_proof": &checked.proof,
		"signed_block_header.signature": &signature,
	}); err != nil {
		return nil, err
	}
	switch {
	case !bytes.Equal(signature, b.signature):
		return nil, ErrSignature
	case s.Index >= uint64(b.blobs()) || !bytes.Equal(checked.commitment, b.commitment(int(s.Index))):
		return nil, ErrCommitments
	}
	return checked, s.Verify(v.network)
}

func (v *verifier) checkColumn(b *block, given *beacon.DataColumnSidecar) (*column, error) {
	if given.Fork != b.Fork {
		return nil, fmt.Errorf("%w: of %v, the block is of %v", ErrFork, given.Fork, b.Fork)
	}
	s, err := beacon.DecodeDataColumnSidecar(v.network, given.Chunk)
	switch {
	case err != nil:
		return nil, err
	case s.Slot != given.Slot || s.BlockRoot != given.BlockRoot || s.Index != given.Index:
		return nil, ErrFields
	case s.Slot != b.Slot || s.BlockRoot != b.Root:
		return nil, ErrBlock
	}
	t, err := v.network.TypeOf(s.Fork, "DataColumnSidecar")
	if err != nil {
		return nil, err
	}
	checked := &column{block: b, index: s.Index}
	wanted := map[string]*[]byte{"column": &checked.cells, "kzg_proofs": &checked.proofs}
	signature, commitments := b.signature, b.commitments
	if s.Fork < ssz.Gloas {
		wanted["signed_block_header.signature"], wanted["kzg_commitments"] = &signature, &commitments
	}
	if err := parts(t.Shape(), s.SSZ, wanted); err != nil {
		return nil, err
	}
	switch {
	case !bytes.Equal(signature, b.signature):
		return nil, ErrSignature
	case !bytes.Equal(commitments, b.commitments) || len(checked.cells) != b.blobs()*cellSize:
		return nil, ErrCommitments
	}
	return checked, s.Verify(v.network)
}
