package sidecar

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/crypto/kzg4844"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

const (
	cellSize       = len(kzg4844.Cell{})
	commitmentSize = len(kzg4844.Commitment{})
	proofSize      = len(kzg4844.Proof{})
)

// maxCells is of how many cells a batch is at most, if it is of more than one column. Larger batches save little.
const maxCells = 1024

// verifyProofs verifies all proofs that are left, and waits for its workers. The error is that of ctx.
func (v *verifier) verifyProofs(ctx context.Context) error {
	var tasks []func(context.Context)
	for _, b := range v.blobs {
		tasks = append(tasks, func(context.Context) { v.verifyBlob(b) })
	}
	for _, b := range batchesOf(v.columns) {
		tasks = append(tasks, func(ctx context.Context) { v.verifyBatch(ctx, b) })
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(tasks)) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(tasks) {
					return
				}
				tasks[i](ctx)
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}

func (v *verifier) verifyBlob(b *blob) {
	err := kzg4844.VerifyBlobProof((*kzg4844.Blob)(b.blob), kzg4844.Commitment(b.commitment), kzg4844.Proof(b.proof))
	if err != nil {
		v.fail(beacon.KindBlobSidecar, b.block, b.index, fmt.Errorf("%w: %w", ErrProof, err))
	}
}

// A batch has the same columns of some blocks, each block's in ascending order.
type batch [][]*column

// batchesOf sorts columns into batches. Those of a block follow one another.
func batchesOf(columns []*column) (batches []batch) {
	open := make(map[string]int) // by the columns of each block, the batch that takes more
	for len(columns) > 0 {
		b := columns[0].block
		n := 1
		for n < len(columns) && columns[n].block == b {
			n++
		}
		same := columns[:n]
		columns = columns[n:]
		slices.SortFunc(same, func(a, b *column) int { return int(a.index) - int(b.index) })
		for part := range slices.Chunk(same, max(1, maxCells/b.blobs())) {
			key := indicesOf(part)
			i, ok := open[key]
			if !ok || batches[i].cells()+len(part)*b.blobs() > maxCells {
				i = len(batches)
				batches = append(batches, nil)
				open[key] = i
			}
			batches[i] = append(batches[i], part)
		}
	}
	return batches
}

// indicesOf returns the indices of columns, each of which is less than 128, as the bytes of a string.
func indicesOf(columns []*column) string {
	indices := make([]byte, len(columns))
	for i, c := range columns {
		indices[i] = byte(c.index)
	}
	return string(indices)
}

func (b batch) cells() (n int) {
	for _, columns := range b {
		n += len(columns) * columns[0].block.blobs()
	}
	return n
}

// verifyBatch verifies a batch, and if that fails each half of it, down to single sidecars.
func (v *verifier) verifyBatch(ctx context.Context, b batch) {
	if ctx.Err() != nil {
		return
	}
	err := b.verify()
	if err == nil {
		return
	}
	switch columns := b[0]; {
	case len(b) > 1:
		v.verifyBatch(ctx, b[:len(b)/2])
		v.verifyBatch(ctx, b[len(b)/2:])
	case len(columns) > 1:
		v.verifyBatch(ctx, batch{columns[:len(columns)/2]})
		v.verifyBatch(ctx, batch{columns[len(columns)/2:]})
	default:
		v.fail(beacon.KindDataColumnSidecar, columns[0].block, columns[0].index, fmt.Errorf("%w: %w", ErrProof, err))
	}
}

// verify verifies the proofs of a batch at once. The error does not tell whose is wrong.
func (b batch) verify() error {
	n := b.cells()
	cells, proofs := make([]kzg4844.Cell, 0, n), make([]kzg4844.Proof, 0, n)
	commitments := make([]kzg4844.Commitment, 0, n/len(b[0]))
	for _, columns := range b {
		for blob := range columns[0].block.blobs() {
			commitments = append(commitments, kzg4844.Commitment(columns[0].block.commitment(blob)))
			for _, c := range columns {
				cells = append(cells, kzg4844.Cell(c.cells[blob*cellSize:][:cellSize]))
				proofs = append(proofs, kzg4844.Proof(c.proofs[blob*proofSize:][:proofSize]))
			}
		}
	}
	indices := make([]uint64, len(b[0]))
	for i, c := range b[0] {
		indices[i] = c.index
	}
	return kzg4844.VerifyCells(cells, commitments, proofs, indices)
}
