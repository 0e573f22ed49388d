package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/sidecar"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

func TestSidecarsOfARealChainAreVerified(t *testing.T) {
	t.Parallel()
	n := beacontest.FuluNetwork()
	if err := sidecar.Verify(t.Context(), n, realBlobs()...); err != nil {
		t.Errorf("blobs: %v", err)
	}
	var all []uint64
	for column := range uint64(beacon.NumberOfColumns) {
		all = append(all, column)
	}
	if err := sidecar.Verify(t.Context(), n, realColumns(all...)...); err != nil {
		t.Errorf("columns: %v", err)
	}
	if err := sidecar.Verify(t.Context(), gloasNetwork, gloas(realColumns(3, 1, 2)[0])); err != nil {
		t.Errorf("what a block of Gloas has: %v", err)
	}
	if err := sidecar.Verify(t.Context(), n); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// checkFault checks that an error is about one object.
func checkFault(t *testing.T, err error, kind beacon.Kind, b *beacon.Block, index uint64, want error) {
	t.Helper()
	faults, ok := errors.AsType[sidecar.Errors](err)
	if !ok || len(faults) != 1 {
		t.Errorf("%v, want the error of one object", err)
		return
	}
	f := faults[0]
	if f.Kind != kind || f.Slot != b.Slot || f.Root != b.Root || f.Index != index || !errors.Is(err, want) {
		t.Errorf("%v, want %v %d of slot %d: %v", err, kind, index, b.Slot, want)
	}
}

func TestEveryFieldOfABlobSidecarCounts(t *testing.T) {
	t.Parallel()
	type object = containers.BlobSidecar
	for _, tt := range []struct {
		name   string
		change func(*object)
		want   error
	}{
		{"index of another blob", func(s *object) { s.Index = 0 }, sidecar.ErrCommitments},
		{"index that no blob of the block has", func(s *object) { s.Index = 2 }, sidecar.ErrCommitments},
		{"index that no block has", func(s *object) { s.Index = 1 << 40 }, sidecar.ErrCommitments},
		{"blob", func(s *object) { s.Blob[131071]++ }, sidecar.ErrProof},
		{"blob that is none", func(s *object) { s.Blob[0] = 0xff }, sidecar.ErrProof},
		{"commitment", func(s *object) { s.KZGCommitment[1]++ }, sidecar.ErrCommitments},
		{"proof", func(s *object) { s.KZGProof = [48]byte{0xc0} }, sidecar.ErrProof},
		{"proof that is none", func(s *object) { s.KZGProof[0] = 0xff }, sidecar.ErrProof},
		{"slot", func(s *object) { s.SignedBlockHeader.Message.Slot++ }, sidecar.ErrBlock},
		{"proposer", func(s *object) { s.SignedBlockHeader.Message.ProposerIndex++ }, sidecar.ErrBlock},
		{"parent", func(s *object) { s.SignedBlockHeader.Message.ParentRoot[0]++ }, sidecar.ErrBlock},
		{"state", func(s *object) { s.SignedBlockHeader.Message.StateRoot[0]++ }, sidecar.ErrBlock},
		{"body", func(s *object) { s.SignedBlockHeader.Message.BodyRoot[0]++ }, sidecar.ErrBlock},
		{"signature", func(s *object) { s.SignedBlockHeader.Signature[95]++ }, sidecar.ErrSignature},
		{"inclusion proof", func(s *object) { s.KZGCommitmentInclusionProof[16][0]++ }, beacon.ErrNotIncluded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := realBlobs()[0]
			bad := must(beacon.DecodeBlobSidecar(beacontest.FuluNetwork(), changed(s.Blobs[1].Chunk, tt.change)))
			s.Blobs = []*beacon.BlobSidecar{bad}
			checkFault(t, sidecar.Verify(t.Context(), beacontest.FuluNetwork(), s),
				beacon.KindBlobSidecar, s.Block, bad.Index, tt.want)
		})
	}
}

func TestEveryFieldOfADataColumnSidecarCounts(t *testing.T) {
	t.Parallel()
	type object = containers.DataColumnSidecar
	for _, tt := range []struct {
		name   string
		change func(*object)
		want   error
	}{
		{"index of another column", func(s *object) { s.Index++ }, sidecar.ErrProof},
		{"index that no column has", func(s *object) { s.Index = 128 }, beacon.ErrUnexpectedIndex},
		{"index beyond all", func(s *object) { s.Index = 1<<40 + 3 }, beacon.ErrUnexpectedIndex},
		{"cell", func(s *object) { s.Column[1][2047]++ }, sidecar.ErrProof},
		{"cell that is none", func(s *object) { s.Column[0][0] = 0xff }, sidecar.ErrProof},
		{"a cell too few", func(s *object) { s.Column = s.Column[:1] }, sidecar.ErrCommitments},
		{"no cells", func(s *object) { s.Column, s.KZGProofs = nil, nil }, sidecar.ErrCommitments},
		{"commitment", func(s *object) { s.KZGCommitments[0][1]++ }, sidecar.ErrCommitments},
		{"a commitment too few", func(s *object) { s.KZGCommitments = s.KZGCommitments[:1] }, sidecar.ErrCommitments},
		{"proof", func(s *object) { s.KZGProofs[1] = s.KZGProofs[0] }, sidecar.ErrProof},
		{"proof that is none", func(s *object) { s.KZGProofs[0][0] = 0xff }, sidecar.ErrProof},
		{"a proof too few", func(s *object) { s.KZGProofs = s.KZGProofs[:1] }, beacon.ErrMalformed},
		{"slot", func(s *object) { s.SignedBlockHeader.Message.Slot++ }, sidecar.ErrBlock},
		{"proposer", func(s *object) { s.SignedBlockHeader.Message.ProposerIndex++ }, sidecar.ErrBlock},
		{"parent", func(s *object) { s.SignedBlockHeader.Message.ParentRoot[0]++ }, sidecar.ErrBlock},
		{"state", func(s *object) { s.SignedBlockHeader.Message.StateRoot[0]++ }, sidecar.ErrBlock},
		{"body", func(s *object) { s.SignedBlockHeader.Message.BodyRoot[0]++ }, sidecar.ErrBlock},
		{"signature", func(s *object) { s.SignedBlockHeader.Signature[95]++ }, sidecar.ErrSignature},
		{"inclusion proof", func(s *object) { s.KZGCommitmentsInclusionProof[3][0]++ }, beacon.ErrNotIncluded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := realColumns(3)[0]
			bad := must(beacon.DecodeDataColumnSidecar(beacontest.FuluNetwork(), changed(s.Columns[0].Chunk, tt.change)))
			s.Columns = []*beacon.DataColumnSidecar{bad}
			checkFault(t, sidecar.Verify(t.Context(), beacontest.FuluNetwork(), s),
				beacon.KindDataColumnSidecar, s.Block, bad.Index, tt.want)
		})
	}
}

func TestEveryFieldOfAGloasDataColumnSidecarCounts(t *testing.T) {
	t.Parallel()
	type object = containers.DataColumnSidecarGloas
	for _, tt := range []struct {
		name   string
		change func(*object)
		want   error
	}{
		{"index of another column", func(s *object) { s.Index++ }, sidecar.ErrProof},
		{"index that no column has", func(s *object) { s.Index = 128 }, beacon.ErrUnexpectedIndex},
		{"cell", func(s *object) { s.Column[1][2047]++ }, sidecar.ErrProof},
		{"a cell too few", func(s *object) { s.Column = s.Column[:1] }, sidecar.ErrCommitments},
		{"a cell too many", func(s *object) {
			s.Column, s.KZGProofs = append(s.Column, s.Column[0]), append(s.KZGProofs, s.KZGProofs[0])
		}, sidecar.ErrCommitments},
		{"proof", func(s *object) { s.KZGProofs[1] = s.KZGProofs[0] }, sidecar.ErrProof},
		{"a proof too few", func(s *object) { s.KZGProofs = s.KZGProofs[:1] }, beacon.ErrMalformed},
		{"slot", func(s *object) { s.Slot++ }, sidecar.ErrBlock},
		{"block", func(s *object) { s.BeaconBlockRoot[0]++ }, sidecar.ErrBlock},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := gloas(realColumns(3)[0])
			bad := must(beacon.DecodeDataColumnSidecar(gloasNetwork, changed(s.Columns[0].Chunk, tt.change)))
			s.Columns = []*beacon.DataColumnSidecar{bad}
			checkFault(t, sidecar.Verify(t.Context(), gloasNetwork, s),
				beacon.KindDataColumnSidecar, s.Block, bad.Index, tt.want)
		})
	}
}

func TestEveryFieldOfAnEnvelopeThatTheBlockKnowsCounts(t *testing.T) {
	t.Parallel()
	type object = containers.ExecutionPayloadEnvelope
	for _, tt := range []struct {
		name   string
		change func(*object)
		want   error
	}{
		{"builder", func(e *object) { e.BuilderIndex++ }, sidecar.ErrBid},
		{"parent hash", func(e *object) { e.Payload.ParentHash[0]++ }, sidecar.ErrBid},
		{"block hash", func(e *object) { e.Payload.BlockHash[0]++ }, sidecar.ErrBid},
		{"randao", func(e *object) { e.Payload.PrevRandao[0]++ }, sidecar.ErrBid},
		{"gas limit", func(e *object) { e.Payload.GasLimit++ }, sidecar.ErrBid},
		{"requests", func(e *object) { e.ExecutionRequests.BuilderExits[0].SourceAddress[0]++ }, sidecar.ErrBid},
		{"slot", func(e *object) { e.Payload.SlotNumber++ }, sidecar.ErrBlock},
		{"timestamp", func(e *object) { e.Payload.Timestamp++ }, sidecar.ErrBlock},
		{"block", func(e *object) { e.BeaconBlockRoot[0]++ }, sidecar.ErrBlock},
		{"parent", func(e *object) { e.ParentBeaconBlockRoot[0]++ }, sidecar.ErrBlock},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := gloas(realColumns(3)[0])
			s.Envelope = must(beacon.DecodeExecutionPayloadEnvelope(gloasNetwork, changed(s.Envelope.Chunk,
				func(e *containers.SignedExecutionPayloadEnvelope) { tt.change(&e.Message) })))
			checkFault(t, sidecar.Verify(t.Context(), gloasNetwork, s),
				beacon.KindExecutionPayloadEnvelope, s.Block, 0, tt.want)
		})
	}
}

func TestObjectsThatAreNotWhatTheySayAreFaults(t *testing.T) {
	t.Parallel()
	type object struct { // what the kinds have in common
		*beacon.Chunk
		slot *ssz.Slot
		root *ssz.Root
	}
	for _, tt := range []struct {
		name   string
		change func(object)
		want   error
	}{
		{"slot", func(o object) { *o.slot++ }, sidecar.ErrFields},
		{"root", func(o object) { o.root[0]++ }, sidecar.ErrFields},
		{"fork", func(o object) { o.Fork++ }, sidecar.ErrFork},
		{"no SSZ", func(o object) { o.SSZ = nil }, beacon.ErrMalformed},
		{"a byte too many", func(o object) { o.SSZ = append(slices.Clip(o.SSZ), 0) }, beacon.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			deneb, fulu, gloas := realBlobs()[0], realColumns(3)[0], gloas(realColumns(3)[0])
			blob, column, envelope := *deneb.Blobs[0], *fulu.Columns[0], *gloas.Envelope
			tt.change(object{&blob.Chunk, &blob.Slot, &blob.BlockRoot})
			tt.change(object{&column.Chunk, &column.Slot, &column.BlockRoot})
			tt.change(object{&envelope.Chunk, &envelope.Slot, &envelope.BlockRoot})
			deneb.Blobs, fulu.Columns = []*beacon.BlobSidecar{&blob}, []*beacon.DataColumnSidecar{&column}
			gloas.Columns, gloas.Envelope = nil, &envelope
			n := beacontest.FuluNetwork()
			checkFault(t, sidecar.Verify(t.Context(), n, deneb), beacon.KindBlobSidecar, deneb.Block, 0, tt.want)
			checkFault(t, sidecar.Verify(t.Context(), n, fulu), beacon.KindDataColumnSidecar, fulu.Block, 3, tt.want)
			checkFault(t, sidecar.Verify(t.Context(), gloasNetwork, gloas),
				beacon.KindExecutionPayloadEnvelope, gloas.Block, 0, tt.want)
		})
	}
}

func TestKindsThatABlockOfAForkDoesNotHaveAreFaults(t *testing.T) {
	t.Parallel()
	n := beacontest.FuluNetwork()
	fulu, deneb := realColumns(3)[0], realBlobs()[0]
	blob, column := *deneb.Blobs[0], *fulu.Columns[0]
	blob.Fork, column.Fork = ssz.Fulu, ssz.Deneb
	fulu.Blobs, fulu.Columns = []*beacon.BlobSidecar{&blob}, nil
	checkFault(t, sidecar.Verify(t.Context(), n, fulu), beacon.KindBlobSidecar, fulu.Block, 0, sidecar.ErrFork)
	deneb.Blobs, deneb.Columns = nil, []*beacon.DataColumnSidecar{&column}
	checkFault(t, sidecar.Verify(t.Context(), n, deneb), beacon.KindDataColumnSidecar, deneb.Block, 3, ssz.ErrFork)
}

func TestAnIndexGivenTwiceIsAFault(t *testing.T) {
	t.Parallel()
	s := realColumns(3, 4)[0]
	s.Columns = append(s.Columns, s.Columns[0])
	checkFault(t, sidecar.Verify(t.Context(), beacontest.FuluNetwork(), s),
		beacon.KindDataColumnSidecar, s.Block, s.Columns[0].Index, sidecar.ErrRepeated)
	s = realBlobs()[0]
	s.Blobs = append(s.Blobs, s.Blobs[1])
	checkFault(t, sidecar.Verify(t.Context(), beacontest.FuluNetwork(), s),
		beacon.KindBlobSidecar, s.Block, 1, sidecar.ErrRepeated)
}

// A sidecar that is wrong does not spoil its index for the right one.
func TestTheRightSidecarAfterAWrongOneIsNoFault(t *testing.T) {
	t.Parallel()
	n := beacontest.FuluNetwork()
	blobs := realBlobs()[0]
	wrongBlob := *blobs.Blobs[0]
	wrongBlob.Fork = ssz.Fulu
	blobs.Blobs = append([]*beacon.BlobSidecar{&wrongBlob}, blobs.Blobs...)
	checkFault(t, sidecar.Verify(t.Context(), n, blobs), beacon.KindBlobSidecar, blobs.Block, 0, sidecar.ErrFork)
	columns := realColumns(3)[0]
	wrongColumn := *columns.Columns[0]
	wrongColumn.Slot++
	columns.Columns = append([]*beacon.DataColumnSidecar{&wrongColumn}, columns.Columns...)
	checkFault(t, sidecar.Verify(t.Context(), n, columns), beacon.KindDataColumnSidecar, columns.Block, 3, sidecar.ErrFields)
}

func TestABlockThatIsMalformedIsNoFaultOfItsSidecars(t *testing.T) {
	t.Parallel()
	s := realColumns(3)[0]
	b := *s.Block
	b.SSZ = b.SSZ[:200]
	s.Block = &b
	err := sidecar.Verify(t.Context(), beacontest.FuluNetwork(), s)
	if _, ok := errors.AsType[sidecar.Errors](err); err == nil || ok {
		t.Errorf("%v, want an error that is not Errors", err)
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sidecar.Verify(ctx, beacontest.FuluNetwork(), realColumns(3)...); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A culprit is a column of the real chain, by the index of its block.
type culprit struct {
	block  int
	column uint64
}

func TestCulpritsOfABatchAreFound(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]culprit{
		"the first":         {{0, 5}},
		"the last":          {{10, 90}},
		"one of the middle": {{6, 61}},
		"two of a block":    {{3, 5}, {3, 61}},
		"some of many":      {{0, 90}, {1, 5}, {5, 60}, {9, 61}, {10, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := realColumns(5, 60, 61, 90)
			if len(all) != 11 {
				t.Fatalf("%d blocks, want 11", len(all))
			}
			for _, w := range want {
				spoil(all[w.block].Columns, w.column)
			}
			checkCulprits(t, sidecar.Verify(t.Context(), beacontest.FuluNetwork(), all...), all, want)
		})
	}
}

func TestBlocksWithDifferentColumnsAreVerified(t *testing.T) {
	t.Parallel()
	all := realColumns(5, 60, 61, 90)
	for i := range all {
		all[i].Columns = all[i].Columns[i%4:]
		slices.Reverse(all[i].Columns)
	}
	spoil(all[7].Columns, 90)
	checkCulprits(t, sidecar.Verify(t.Context(), beacontest.FuluNetwork(), all...), all, []culprit{{7, 90}})
}

// spoil changes a cell of a column.
func spoil(columns []*beacon.DataColumnSidecar, index uint64) {
	i := slices.IndexFunc(columns, func(c *beacon.DataColumnSidecar) bool { return c.Index == index })
	columns[i] = must(beacon.DecodeDataColumnSidecar(beacontest.FuluNetwork(), changed(columns[i].Chunk,
		func(s *containers.DataColumnSidecar) { s.Column[0][1000]++ })))
}

func checkCulprits(t *testing.T, err error, all []beacon.Sidecars, want []culprit) {
	t.Helper()
	faults, _ := errors.AsType[sidecar.Errors](err)
	var got, wanted []string
	for _, f := range faults {
		got = append(got, fmt.Sprint(f.Kind, f.Slot, f.Root, f.Index, errors.Is(f, sidecar.ErrProof)))
	}
	for _, w := range want {
		b := all[w.block].Block
		wanted = append(wanted, fmt.Sprint(beacon.KindDataColumnSidecar, b.Slot, b.Root, w.column, true))
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("culprits %v, want %v", got, wanted)
	}
}
