package beacon

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// columnProtocols are the rows of the protocols that carry data column sidecars.
func (f *Family) columnProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "data_column_sidecars_by_range", Version: 1,
			Request: "DataColumnSidecarsByRangeRequest", Response: "DataColumnSidecar", Context: true,
			First: ssz.Fulu, Last: newest,
			maxItems: maxRequestColumns, cost: costOf(columnsByRangeCost), window: columnWindow,
			kind: KindDataColumnSidecar, has: hasColumns,
			declare: stream(&f.dataColumnSidecarsByRange), serve: objects(columnsByRange),
		},
		{
			Name: "data_column_sidecars_by_root", Version: 1,
			Request: "DataColumnSidecarsByRootRequest", Response: "DataColumnSidecar", Context: true,
			First: ssz.Fulu, Last: newest,
			maxItems: maxRequestColumns, cost: costOf(columnsByRootCost), window: columnWindow,
			kind: KindDataColumnSidecar, gone: leftOut,
			declare: stream(&f.dataColumnSidecarsByRoot), serve: objects(columnsByRoot),
		},
	}
}

// maxRequestColumns is MAX_REQUEST_DATA_COLUMN_SIDECARS, the same in all forks.
func maxRequestColumns(c *ssz.Config, _ ssz.Fork) uint64 {
	return c.ComputeMaxRequestDataColumnSidecars()
}

func columnWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	c := n.Config()
	return since(n, now, c.MinEpochsForDataColumnSidecarsRequests, c.Forks[ssz.Fulu].Epoch)
}

func columnsByRangeCost(_ *Protocol, req *ssz.DataColumnSidecarsByRangeRequest) uint64 {
	return saturating(req.Count, uint64(len(req.Columns)))
}

func columnsByRootCost(_ *Protocol, req *ssz.DataColumnSidecarsByRootRequest) (n uint64) {
	for i := range *req {
		n += uint64(len((*req)[i].Columns))
	}
	return n
}

func columnsByRange(ctx context.Context, q *query, req *ssz.DataColumnSidecarsByRangeRequest) (iter.Seq2[Ref, error], error) {
	columns, err := checkColumns(req.Columns)
	if err != nil {
		return nil, err
	}
	ours, known := q.ofCustody(columns)
	h := holding{most: q.p.cfg.MaxRequestBlocksDeneb, optional: len(ours) == 0}
	if known {
		h.lacks = lacksColumns(ours)
	}
	if source := q.sources.Columns; source != nil {
		h.ask = func(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[Ref, error] {
			return source.DataColumnSidecarsByRange(ctx, start, count, columns)
		}
	}
	return q.byRange(ctx, req.StartSlot, req.Count, h)
}

// ofCustody returns those of some columns that are of this node's custody. A host whose key is not secp256k1
// has no node ID, and no custody that peers could compute: then known is false, and all columns count.
func (s *Server) ofCustody(columns []uint64) (ours []uint64, known bool) {
	id, err := s.nodeID()
	if err != nil {
		return columns, false
	}
	custody := CustodyColumns(id, s.opts.MetaData().CustodyGroupCount)
	return slices.DeleteFunc(slices.Clone(columns), func(column uint64) bool {
		_, found := slices.BinarySearch(custody, column)
		return !found
	}), true
}

func columnsByRoot(ctx context.Context, q *query, req *ssz.DataColumnSidecarsByRootRequest) (iter.Seq2[Ref, error], error) {
	for i := range *req {
		if _, err := checkColumns((*req)[i].Columns); err != nil {
			return nil, err
		}
	}
	if err := q.checkAsked(req); err != nil || q.sources.Columns == nil {
		return nil, err
	}
	return q.sources.Columns.DataColumnSidecarsByRoot(ctx, *req), nil
}

// checkColumns checks columns asked for, and returns them in order and each once.
func checkColumns(columns []uint64) ([]uint64, error) {
	columns = slices.Clone(columns)
	slices.Sort(columns)
	columns = slices.Compact(columns)
	if n := len(columns); n > 0 && columns[n-1] >= numberOfColumns {
		return nil, reqresp.Errorf(reqresp.CodeInvalidRequest, "column %d asked for, there are %d", columns[n-1], numberOfColumns)
	}
	return columns, nil
}

// A DataColumnSidecar is a column of a block of Fulu or later, with its proofs.
type DataColumnSidecar struct {
	Chunk

	// Slot is the slot of the block.
	Slot ssz.Slot
	// BlockRoot is the hash tree root of the block, as the sidecar has it.
	BlockRoot ssz.Root
	// Index is the index of the column.
	Index uint64
}

// Where the fixed parts of a DataColumnSidecar lie: in Fulu a SignedBeaconBlockHeader after the index
// and three offsets, from Gloas on the slot and the root of the block after the index and two.
const (
	columnHeaderAt = 8 + 3*4
	columnSlotAt   = 8 + 2*4
)

func (d *DataColumnSidecar) take(t *ssz.Type, c Chunk) (ssz.Slot, error) {
	if err := checked(t, c); err != nil {
		return 0, err
	}
	*d = DataColumnSidecar{Chunk: c, Index: binary.LittleEndian.Uint64(c.SSZ)}
	if c.Fork >= ssz.Gloas {
		d.Slot = ssz.Slot(binary.LittleEndian.Uint64(c.SSZ[columnSlotAt:]))
		d.BlockRoot = ssz.Root(c.SSZ[columnSlotAt+8:])
		return d.Slot, nil
	}
	var err error
	d.Slot, d.BlockRoot, err = readHeader(c.SSZ[columnHeaderAt:])
	return d.Slot, err
}

func (d *DataColumnSidecar) give() Chunk { return d.Chunk }

// checkForm is verify_data_column_sidecar of the specs as far as the sidecar itself goes, and then
// verify_data_column_sidecar_inclusion_proof. From Gloas on a sidecar has no such proof.
func (d *DataColumnSidecar) checkForm(n *ssz.Network) error {
	column, commitments, proofs := d.parts()
	cells := uint64(len(column) / cellSize)
	most := n.BlobParametersAt(n.EpochOf(d.Slot)).MaxBlobsPerBlock
	switch {
	case d.Index >= numberOfColumns:
		return fmt.Errorf("%w: column %d of slot %d", ErrUnexpectedIndex, d.Index, d.Slot)
	case cells == 0 || cells > most:
		return fmt.Errorf("%w: column of %d cells in slot %d, want 1 to %d", ErrMalformed, cells, d.Slot, most)
	case uint64(len(proofs)/commitmentSize) != cells:
		return fmt.Errorf("%w: %d proofs for %d cells in slot %d", ErrMalformed, len(proofs)/commitmentSize, cells, d.Slot)
	case d.Fork >= ssz.Gloas:
		return nil
	case uint64(len(commitments)/commitmentSize) != cells:
		return fmt.Errorf("%w: %d commitments for %d cells in slot %d", ErrMalformed, len(commitments)/commitmentSize, cells, d.Slot)
	}
	return d.checkInclusion(commitments)
}

func (d *DataColumnSidecar) checkInclusion(commitments []byte) error {
	leaf, err := commitmentsShape.Root(commitments)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	header := d.SSZ[columnHeaderAt:]
	branch := header[signedHeaderSize:][:commitmentsDepth*32]
	if rootOfBranch(leaf, branch, commitmentsIndex) != [32]byte(header[bodyRootAt:]) {
		return fmt.Errorf("%w: column %d of slot %d", ErrNotIncluded, d.Index, d.Slot)
	}
	return nil
}

// parts returns the SSZ of the lists of a sidecar, which is well formed. From Gloas on there are no
// commitments.
func (d *DataColumnSidecar) parts() (column, commitments, proofs []byte) {
	offset := func(i int) int { return int(binary.LittleEndian.Uint32(d.SSZ[8+4*i:])) }
	if d.Fork >= ssz.Gloas {
		return d.SSZ[offset(0):offset(1)], nil, d.SSZ[offset(1):]
	}
	return d.SSZ[offset(0):offset(1)], d.SSZ[offset(1):offset(2)], d.SSZ[offset(2):]
}

// cellSize is BYTES_PER_CELL.
const cellSize = 2048
