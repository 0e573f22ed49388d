package conformance

import (
	"context"
	"fmt"
	"iter"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func sidecarRules() []Rule {
	return []Rule{
		{
			ID: "S5-blobs", Method: "blob_sidecars_by_range", Version: 1, Severity: Must,
			Asked: "the last slots before fulu, or up to its head", Expected: "all sidecars of each block, by slot and index", try: tryBlobs,
		},
		{
			ID: "S5-fulu", Method: "blob_sidecars_by_range", Version: 1, Severity: Must,
			Asked: "slots of fulu or later", Expected: "no sidecar and no error", try: tryBlobsOfFulu,
		},
		{
			ID: "S5-unknown", Method: "blob_sidecars_by_root", Version: 1, Severity: Must,
			Asked: "a blob of a root that is none", Expected: "no chunk and no error, or code 3", try: tryUnknownBlob,
		},
		{
			ID: "S5-columns", Method: "data_column_sidecars_by_range", Version: 1, Severity: Must,
			Asked: "two columns of the slots up to its head", Expected: "sidecars by slot and index, each with the digest of its epoch", try: tryColumns,
		},
		{
			ID: "S5-known", Method: "data_column_sidecars_by_root", Version: 1, Severity: Must,
			Asked: "the columns of its newest block", Expected: "none but those asked for", try: tryColumnsByRoot,
		},
		{
			ID: "S5-unknown", Method: "data_column_sidecars_by_root", Version: 1, Severity: Must,
			Asked: "a column of a root that is none", Expected: "no chunk and no error, or code 3", try: tryUnknownColumn,
		},
	}
}

// count counts what an answer yields.
func count[T any](objects iter.Seq2[*T, error]) (n int, err error) {
	for _, err := range objects {
		if err != nil {
			return n, told(err)
		}
		n++
	}
	return n, nil
}

// asked asks for objects that the peer may hold, and tells how many came.
func asked[T any](ctx context.Context, s *session, r *Rule, items uint64, ask func() iter.Seq2[*T, error]) (string, error) {
	if err := s.pace.wait(ctx, r.Method, items); err != nil {
		return "", err
	}
	n, err := count(ask())
	if err == nil && n == 0 {
		err = skipped("the peer has shown none")
	}
	return fmt.Sprintf("%d objects", n), err
}

// blobSlots are how many slots are asked for blobs, and columnSlots for columns.
const (
	blobSlots   = 4
	columnSlots = 8
)

func tryBlobs(ctx context.Context, s *session, r *Rule) (string, error) {
	end := s.theirs.HeadSlot + 1
	if fulu := s.network.StartSlot(s.network.Config().Forks[ssz.Fulu].Epoch); fulu < end {
		end = fulu
	}
	start := max(s.row(r.Method, 1).ServedFrom(s.currentSlot()), end-min(end, blobSlots))
	if start >= end {
		return "", skipped("none has to be kept")
	}
	return asked(ctx, s, r, blobSlots*9, func() iter.Seq2[*beacon.BlobSidecar, error] {
		return s.client.BlobSidecarsByRange(ctx, s.to, start, uint64(end-start))
	})
}

func tryBlobsOfFulu(ctx context.Context, s *session, r *Rule) (string, error) {
	fulu := s.network.StartSlot(s.network.Config().Forks[ssz.Fulu].Epoch)
	if s.theirs.HeadSlot < fulu {
		return "", skipped("its head is before fulu")
	}
	if err := s.pace.wait(ctx, r.Method, blobSlots); err != nil {
		return "", err
	}
	n, err := count(s.client.BlobSidecarsByRange(ctx, s.to, max(fulu, s.theirs.HeadSlot-min(s.theirs.HeadSlot, 1)), 1))
	if err == nil && n > 0 {
		err = broken("%d sidecars", n)
	}
	return "no sidecar", err
}

func tryUnknownBlob(ctx context.Context, s *session, r *Rule) (string, error) {
	request := ssz.BlobSidecarsByRootRequest{{BlockRoot: nowhere}}
	b, err := request.MarshalSSZ()
	if err != nil {
		return "", err
	}
	return s.noneOrUnavailable(ctx, r, payload(b))
}

var twoColumns = []uint64{0, 3}

func tryColumns(ctx context.Context, s *session, r *Rule) (string, error) {
	head := s.theirs.HeadSlot
	start := max(s.row(r.Method, 1).ServedFrom(s.currentSlot()), s.theirs.EarliestAvailableSlot, head-min(head, columnSlots-1))
	if start > head {
		return "", skipped("its head is before fulu")
	}
	return asked(ctx, s, r, columnSlots*2, func() iter.Seq2[*beacon.DataColumnSidecar, error] {
		return s.client.DataColumnSidecarsByRange(ctx, s.to, start, uint64(head-start)+1, twoColumns)
	})
}

func tryColumnsByRoot(ctx context.Context, s *session, r *Rule) (string, error) {
	head, err := s.head()
	if err != nil {
		return "", err
	}
	return asked(ctx, s, r, 2, func() iter.Seq2[*beacon.DataColumnSidecar, error] {
		return s.client.DataColumnSidecarsByRoot(ctx, s.to, []ssz.DataColumnsByRootIdentifier{{BlockRoot: head.Root, Columns: twoColumns}})
	})
}

func tryUnknownColumn(ctx context.Context, s *session, r *Rule) (string, error) {
	request := ssz.DataColumnSidecarsByRootRequest{{BlockRoot: nowhere, Columns: twoColumns[:1]}}
	b, err := request.MarshalSSZ()
	if err != nil {
		return "", err
	}
	return s.noneOrUnavailable(ctx, r, payload(b))
}
