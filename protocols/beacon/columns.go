package beacon

import (
	"context"
	"encoding/binary"
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
			has:     hasColumns,
			declare: stream(&f.DataColumnSidecarsByRange), serve: (*Server).columnsByRange,
		},
		{
			Name: "data_column_sidecars_by_root", Version: 1,
			Request: "DataColumnSidecarsByRootRequest", Response: "DataColumnSidecar", Context: true,
			First: ssz.Fulu, Last: newest,
			maxItems: maxRequestColumns, cost: costOf(columnsByRootCost), window: columnWindow,
			gone:    leftOut,
			declare: stream(&f.DataColumnSidecarsByRoot), serve: (*Server).columnsByRoot,
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

// A ColumnSource is a [Chain] that holds data column sidecars too, those of blocks from Fulu on. What [Chain]
// says of concurrency and errors goes for it as well. The custody is that of the host's node ID and of the
// metadata's custody group count, see [CustodyColumns]. A host without a secp256k1 key has no node ID: then a
// block is taken for complete if one of the columns asked for is held.
type ColumnSource interface {
	// DataColumnSidecarsByRange yields the sidecars of some columns, which ascend, of the canonical chain's
	// blocks with slots from start to start+count-1, which does not overflow, by ascending slot and index. What
	// is not held is left out; the server ends the answer with ResourceUnavailable before a block that columns
	// of the node's custody are missing of. A range that begins before what is held yields ErrUnavailable. Of
	// count and of how much is consumed the same goes as for [Chain].BlocksByRange: a server stops after the
	// columns of MAX_REQUEST_BLOCKS_DENEB blocks.
	DataColumnSidecarsByRange(ctx context.Context, start ssz.Slot, count uint64, columns []uint64) iter.Seq2[SidecarRef, error]

	// DataColumnSidecarsByRoot yields those of the sidecars asked for that it holds, in the order of
	// ids. No more are asked for than compute_max_request_data_column_sidecars() allows, of columns
	// that there are; one may be asked for twice.
	DataColumnSidecarsByRoot(ctx context.Context, ids []ssz.DataColumnsByRootIdentifier) iter.Seq2[SidecarRef, error]

	// AppendDataColumnSidecarFrames appends a DataColumnSidecar's SSZ encoding to dst as snappy frames,
	// in the manner of [Chain].AppendFrames.
	AppendDataColumnSidecarFrames(ctx context.Context, ref SidecarRef, dst []byte) ([]byte, error)
}

func (s *Server) columnsByRange(p *Protocol) reqresp.HandlerFunc {
	source, ok := s.chain.(ColumnSource)
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.DataColumnSidecarsByRangeRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		start, count, err := slotsAsked(p, req.StartSlot, req.Count)
		if err != nil {
			return err
		}
		columns, err := checkColumns(req.Columns)
		if err != nil {
			return err
		}
		if count == 0 || len(columns) == 0 {
			return nil
		}
		ours, known := s.ofCustody(columns)
		if !ok {
			if len(ours) == 0 {
				return nil
			}
			return s.noneHeld(ctx, in, p, start, count)
		}
		h := holding[SidecarRef]{
			server: s, in: in, p: p, start: start, count: count, most: p.cfg.MaxRequestBlocksDeneb,
			optional: len(ours) == 0,
		}
		h.ask = func(start ssz.Slot, count uint64) iter.Seq2[SidecarRef, error] {
			return source.DataColumnSidecarsByRange(ctx, start, count, columns)
		}
		if known {
			h.lacks = lacksColumns(ours)
		}
		return send(ctx, s, p, in, h.refs(ctx), source.AppendDataColumnSidecarFrames)
	}
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

func (s *Server) columnsByRoot(p *Protocol) reqresp.HandlerFunc {
	source, ok := s.chain.(ColumnSource)
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.DataColumnSidecarsByRootRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		for i := range req {
			if _, err := checkColumns(req[i].Columns); err != nil {
				return err
			}
		}
		if err := checkAsked("sidecars", p.Asked(&req), s.maxItems(p)); err != nil || !ok {
			return err
		}
		return send(ctx, s, p, in, source.DataColumnSidecarsByRoot(ctx, req), source.AppendDataColumnSidecarFrames)
	}
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
