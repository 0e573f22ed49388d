package beacon

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

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
			maxItems: maxRequestColumns, window: columnWindow,
			asked: askedBy(func(req *ssz.DataColumnSidecarsByRangeRequest) uint64 {
				return saturatingMul(req.Count, uint64(len(req.Columns)))
			}),
			kind: KindDataColumnSidecar, blockHas: hasColumns,
			declare: streamOf(&f.dataColumnSidecarsByRange), serve: objects(columnsByRange),
		},
		{
			Name: "data_column_sidecars_by_root", Version: 1,
			Request: "DataColumnSidecarsByRootRequest", Response: "DataColumnSidecar", Context: true,
			First: ssz.Fulu, Last: newest,
			maxItems: maxRequestColumns, asked: askedBy(columnsAsked), window: columnWindow,
			kind: KindDataColumnSidecar, gone: leftOut,
			declare: streamOf(&f.dataColumnSidecarsByRoot), serve: objects(columnsByRoot),
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

func columnsAsked(req *ssz.DataColumnSidecarsByRootRequest) (n uint64) {
	for i := range *req {
		n += uint64(len((*req)[i].Columns))
	}
	return n
}

func columnsByRange(
	ctx context.Context, q *query, req *ssz.DataColumnSidecarsByRangeRequest,
) (iter.Seq2[Ref, error], error) {
	columns, err := checkColumns(req.Columns)
	switch {
	case err != nil:
		return nil, err
	case len(columns) == 0:
		return nil, checkRange("start_slot", req.StartSlot, req.Count)
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
	return q.heldInRange(ctx, req.StartSlot, req.Count, h)
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

func columnsByRoot(
	ctx context.Context, q *query, req *ssz.DataColumnSidecarsByRootRequest,
) (iter.Seq2[Ref, error], error) {
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
	if n := len(columns); n > 0 && columns[n-1] >= NumberOfColumns {
		return nil, reqresp.Errorf(reqresp.CodeInvalidRequest,
			"column %d asked for, there are %d", columns[n-1], NumberOfColumns)
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

func (d *DataColumnSidecar) decode(t *ssz.Type, c Chunk) (ssz.Slot, error) {
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

// DecodeDataColumnSidecar returns the data column sidecar that a chunk of a network holds. It checks its form, as the
// error ErrMalformed or [ssz.ErrFork] tells, and nothing else: see [DataColumnSidecar.Verify].
func DecodeDataColumnSidecar(n *ssz.Network, c Chunk) (*DataColumnSidecar, error) {
	return decodeChunk[DataColumnSidecar](n, "DataColumnSidecar", c)
}

// Verify reports what the specs check of a data column sidecar by itself: verify_data_column_sidecar, or the error is
// ErrUnexpectedIndex or ErrMalformed, and until Fulu verify_data_column_sidecar_inclusion_proof, or it is
// ErrNotIncluded. From Gloas on a sidecar has no commitments and no such proof. The SSZ has to be well formed. A
// sidecar that comes from a [Client] has passed. It does not verify the KZG proofs, nor the signature.
func (d *DataColumnSidecar) Verify(n *ssz.Network) error {
	column, commitments, proofs := d.parts()
	cells := len(column) / cellSize
	most := n.BlobParametersAt(n.EpochOf(d.Slot)).MaxBlobsPerBlock
	switch {
	case d.Index >= NumberOfColumns:
		return fmt.Errorf("%w: column %d of slot %d", ErrUnexpectedIndex, d.Index, d.Slot)
	case cells == 0 || uint64(cells) > most:
		return fmt.Errorf("%w: column of %d cells in slot %d, want 1 to %d", ErrMalformed, cells, d.Slot, most)
	case len(proofs) != cells*commitmentSize:
		return fmt.Errorf("%w: proofs of %d bytes for %d cells in slot %d", ErrMalformed, len(proofs), cells, d.Slot)
	case d.Fork >= ssz.Gloas:
		return nil
	case len(commitments) != cells*commitmentSize:
		return fmt.Errorf("%w: commitments of %d bytes for %d cells in slot %d",
			ErrMalformed, len(commitments), cells, d.Slot)
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

// DataColumnSidecarsByRange asks a peer for some columns of the blocks of slots start to
// start+count-1. It yields them as they arrive, each checked: well-formed, of its fork and digest, in
// the range, of a column asked for, by ascending slot and index and of one block in each slot, with as
// many proofs as cells. In Fulu there have to be as many commitments, included in the block of its
// header; from Gloas on those are in the block alone. KZG proofs and signatures are the caller's to
// verify, as with BlobSidecarsByRange. It is otherwise as BlocksByRange.
func (c *Client) DataColumnSidecarsByRange(
	ctx context.Context, to peer.ID, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[*DataColumnSidecar, error] {
	plan := &columnSpan{span: newSpan(start, count, nil), columns: columns}
	order := sidecarOrder{span: &plan.span}
	check := func(d *DataColumnSidecar) error {
		if !slices.Contains(plan.part, d.Index) {
			return fmt.Errorf("%w: column %d of slot %d", ErrUnexpectedIndex, d.Index, d.Slot)
		}
		if err := order.check(d.Slot, d.BlockRoot, d.Index); err != nil {
			return err
		}
		plan.index = d.Index
		return d.Verify(c.family.network)
	}
	return stream(ctx, c, to, plan, check, c.family.dataColumnSidecarsByRange.Spec())
}

// DataColumnSidecarsByRoot asks a peer for columns of blocks by their roots and yields those it has,
// in the order in which it sends them, each checked: well-formed, of its fork and digest, one of those
// asked for, and further as by range. It is otherwise as DataColumnSidecarsByRange.
func (c *Client) DataColumnSidecarsByRoot(
	ctx context.Context, to peer.ID, ids []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[*DataColumnSidecar, error] {
	var columns []ssz.BlobIdentifier
	for _, id := range ids {
		for _, column := range id.Columns {
			columns = append(columns, ssz.BlobIdentifier{BlockRoot: id.BlockRoot, Index: column})
		}
	}
	wanted := newWanted(columns, columnsRequest)
	wanted.all = new(ssz.DataColumnSidecarsByRootRequest(ids))
	check := func(d *DataColumnSidecar) error {
		if err := checkSidecar(wanted, d.Slot, d.BlockRoot, d.Index); err != nil {
			return err
		}
		return d.Verify(c.family.network)
	}
	return stream(ctx, c, to, wanted, check, c.family.dataColumnSidecarsByRoot.Spec())
}

// columnsRequest returns the request for some columns, which those of a block follow one another in.
func columnsRequest(columns []ssz.BlobIdentifier) any {
	var ids ssz.DataColumnSidecarsByRootRequest
	for _, c := range columns {
		if n := len(ids); n == 0 || ids[n-1].BlockRoot != c.BlockRoot {
			ids = append(ids, ssz.DataColumnsByRootIdentifier{BlockRoot: c.BlockRoot})
		}
		last := &ids[len(ids)-1]
		last.Columns = append(last.Columns, c.Index)
	}
	return &ids
}

// columnSpan is a plan for some columns of a range of slots. Where those of one slot are too many they are
// asked for in ascending order, as they are answered.
type columnSpan struct {
	span
	columns []uint64
	slot    []uint64 // what is left of the columns of the next slot; nil: all of them
	part    []uint64 // those asked for
	index   uint64   // that of the sidecar that came last
}

func (c *columnSpan) next(n int) any {
	most := max(1, min(n, len(c.columns)))
	if c.slot == nil && most < len(c.columns) && !c.ended {
		c.slot = c.after(0)
	}
	slots := 1
	if c.slot == nil {
		c.part, slots = c.columns, per(n, uint64(len(c.columns)))
	} else {
		c.part = c.slot[:min(most, len(c.slot))]
	}
	if !c.take(slots) {
		return nil
	}
	return &ssz.DataColumnSidecarsByRangeRequest{StartSlot: ssz.Slot(c.start), Count: c.count, Columns: c.part}
}

// after returns the columns from an index on, ascending.
func (c *columnSpan) after(index uint64) []uint64 {
	sorted := slices.Clone(c.columns)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	at, _ := slices.BinarySearch(sorted, index)
	return sorted[at:]
}

func (c *columnSpan) done(cut bool) {
	switch {
	case c.slot == nil && !cut:
		c.span.done(false)
		return
	case c.slot == nil:
		c.skip(c.last - c.start)
		c.slot = c.after(c.index + 1)
	case cut:
		at, _ := slices.BinarySearch(c.slot, c.index+1)
		c.slot = c.slot[at:]
	default:
		c.slot = c.slot[len(c.part):]
	}
	if len(c.slot) == 0 {
		c.slot = nil
		c.skip(1)
	}
}
