//go:build amd64 || arm64

package ssz_test

import (
	"testing"

	rival "github.com/karalabe/ssz"
	spec "github.com/karalabe/ssz/tests/testtypes/consensus-spec-tests"
	"github.com/prysmaticlabs/go-bitfield"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/mainnet"
)

// Electra's containers for github.com/karalabe/ssz, which has those of the forks before.
type (
	rivalIndexedAttestation struct {
		AttestingIndices []uint64
		Data             *spec.AttestationData
		Signature        [96]byte
	}
	rivalAttesterSlashing struct{ Attestation1, Attestation2 *rivalIndexedAttestation }
	rivalAttestation      struct {
		AggregationBits bitfield.Bitlist
		Data            *spec.AttestationData
		Signature       [96]byte
		CommitteeBits   [8]byte
	}
	rivalDepositRequest struct {
		Pubkey                [48]byte
		WithdrawalCredentials [32]byte
		Amount                uint64
		Signature             [96]byte
		Index                 uint64
	}
	rivalWithdrawalRequest struct {
		SourceAddress   [20]byte
		ValidatorPubkey [48]byte
		Amount          uint64
	}
	rivalConsolidationRequest struct {
		SourceAddress              [20]byte
		SourcePubkey, TargetPubkey [48]byte
	}
	rivalExecutionRequests struct {
		Deposits       []*rivalDepositRequest
		Withdrawals    []*rivalWithdrawalRequest
		Consolidations []*rivalConsolidationRequest
	}
	rivalBody struct {
		RandaoReveal          [96]byte
		Eth1Data              *spec.Eth1Data
		Graffiti              [32]byte
		ProposerSlashings     []*spec.ProposerSlashing
		AttesterSlashings     []*rivalAttesterSlashing
		Attestations          []*rivalAttestation
		Deposits              []*spec.Deposit
		VoluntaryExits        []*spec.SignedVoluntaryExit
		SyncAggregate         *spec.SyncAggregate
		ExecutionPayload      *spec.ExecutionPayloadDeneb
		BLSToExecutionChanges []*spec.SignedBLSToExecutionChange
		BlobKZGCommitments    [][48]byte
		ExecutionRequests     *rivalExecutionRequests
	}
	rivalBlock struct {
		Slot, ProposerIndex   uint64
		ParentRoot, StateRoot [32]byte
		Body                  *rivalBody
	}
	rivalSignedBlock struct {
		Message   *rivalBlock
		Signature [96]byte
	}
)

func (a *rivalIndexedAttestation) SizeSSZ(s *rival.Sizer, fixed bool) uint32 {
	if fixed {
		return 4 + 128 + 96
	}
	return 4 + 128 + 96 + rival.SizeSliceOfUint64s(s, a.AttestingIndices)
}

func (a *rivalIndexedAttestation) DefineSSZ(c *rival.Codec) {
	rival.DefineSliceOfUint64sOffset(c, &a.AttestingIndices, 131072)
	rival.DefineStaticObject(c, &a.Data)
	rival.DefineStaticBytes(c, &a.Signature)
	rival.DefineSliceOfUint64sContent(c, &a.AttestingIndices, 131072)
}

func (a *rivalAttesterSlashing) SizeSSZ(s *rival.Sizer, fixed bool) uint32 {
	if fixed {
		return 8
	}
	return 8 + rival.SizeDynamicObject(s, a.Attestation1) + rival.SizeDynamicObject(s, a.Attestation2)
}

func (a *rivalAttesterSlashing) DefineSSZ(c *rival.Codec) {
	rival.DefineDynamicObjectOffset(c, &a.Attestation1)
	rival.DefineDynamicObjectOffset(c, &a.Attestation2)
	rival.DefineDynamicObjectContent(c, &a.Attestation1)
	rival.DefineDynamicObjectContent(c, &a.Attestation2)
}

func (a *rivalAttestation) SizeSSZ(s *rival.Sizer, fixed bool) uint32 {
	if fixed {
		return 4 + 128 + 96 + 8
	}
	return 4 + 128 + 96 + 8 + rival.SizeSliceOfBits(s, a.AggregationBits)
}

func (a *rivalAttestation) DefineSSZ(c *rival.Codec) {
	rival.DefineSliceOfBitsOffset(c, &a.AggregationBits, 131072)
	rival.DefineStaticObject(c, &a.Data)
	rival.DefineStaticBytes(c, &a.Signature)
	rival.DefineStaticBytes(c, &a.CommitteeBits) // it has no type for 64 bits, which are the same
	rival.DefineSliceOfBitsContent(c, &a.AggregationBits, 131072)
}

func (*rivalDepositRequest) SizeSSZ(*rival.Sizer) uint32 { return 48 + 32 + 8 + 96 + 8 }

func (r *rivalDepositRequest) DefineSSZ(c *rival.Codec) {
	rival.DefineStaticBytes(c, &r.Pubkey)
	rival.DefineStaticBytes(c, &r.WithdrawalCredentials)
	rival.DefineUint64(c, &r.Amount)
	rival.DefineStaticBytes(c, &r.Signature)
	rival.DefineUint64(c, &r.Index)
}

func (*rivalWithdrawalRequest) SizeSSZ(*rival.Sizer) uint32 { return 20 + 48 + 8 }

func (r *rivalWithdrawalRequest) DefineSSZ(c *rival.Codec) {
	rival.DefineStaticBytes(c, &r.SourceAddress)
	rival.DefineStaticBytes(c, &r.ValidatorPubkey)
	rival.DefineUint64(c, &r.Amount)
}

func (*rivalConsolidationRequest) SizeSSZ(*rival.Sizer) uint32 { return 20 + 48 + 48 }

func (r *rivalConsolidationRequest) DefineSSZ(c *rival.Codec) {
	rival.DefineStaticBytes(c, &r.SourceAddress)
	rival.DefineStaticBytes(c, &r.SourcePubkey)
	rival.DefineStaticBytes(c, &r.TargetPubkey)
}

func (r *rivalExecutionRequests) SizeSSZ(s *rival.Sizer, fixed bool) uint32 {
	if fixed {
		return 12
	}
	return 12 + rival.SizeSliceOfStaticObjects(s, r.Deposits) + rival.SizeSliceOfStaticObjects(s, r.Withdrawals) +
		rival.SizeSliceOfStaticObjects(s, r.Consolidations)
}

func (r *rivalExecutionRequests) DefineSSZ(c *rival.Codec) {
	rival.DefineSliceOfStaticObjectsOffset(c, &r.Deposits, 8192)
	rival.DefineSliceOfStaticObjectsOffset(c, &r.Withdrawals, 16)
	rival.DefineSliceOfStaticObjectsOffset(c, &r.Consolidations, 2)
	rival.DefineSliceOfStaticObjectsContent(c, &r.Deposits, 8192)
	rival.DefineSliceOfStaticObjectsContent(c, &r.Withdrawals, 16)
	rival.DefineSliceOfStaticObjectsContent(c, &r.Consolidations, 2)
}

func (b *rivalBody) SizeSSZ(s *rival.Sizer, fixed bool) uint32 {
	if fixed {
		return 396
	}
	return 396 + rival.SizeSliceOfStaticObjects(s, b.ProposerSlashings) +
		rival.SizeSliceOfDynamicObjects(s, b.AttesterSlashings) + rival.SizeSliceOfDynamicObjects(s, b.Attestations) +
		rival.SizeSliceOfStaticObjects(s, b.Deposits) + rival.SizeSliceOfStaticObjects(s, b.VoluntaryExits) +
		rival.SizeDynamicObject(s, b.ExecutionPayload) + rival.SizeSliceOfStaticObjects(s, b.BLSToExecutionChanges) +
		rival.SizeSliceOfStaticBytes(s, b.BlobKZGCommitments) + rival.SizeDynamicObject(s, b.ExecutionRequests)
}

func (b *rivalBody) DefineSSZ(c *rival.Codec) {
	rival.DefineStaticBytes(c, &b.RandaoReveal)
	rival.DefineStaticObject(c, &b.Eth1Data)
	rival.DefineStaticBytes(c, &b.Graffiti)
	rival.DefineSliceOfStaticObjectsOffset(c, &b.ProposerSlashings, 16)
	rival.DefineSliceOfDynamicObjectsOffset(c, &b.AttesterSlashings, 1)
	rival.DefineSliceOfDynamicObjectsOffset(c, &b.Attestations, 8)
	rival.DefineSliceOfStaticObjectsOffset(c, &b.Deposits, 16)
	rival.DefineSliceOfStaticObjectsOffset(c, &b.VoluntaryExits, 16)
	rival.DefineStaticObject(c, &b.SyncAggregate)
	rival.DefineDynamicObjectOffset(c, &b.ExecutionPayload)
	rival.DefineSliceOfStaticObjectsOffset(c, &b.BLSToExecutionChanges, 16)
	rival.DefineSliceOfStaticBytesOffset(c, &b.BlobKZGCommitments, 4096)
	rival.DefineDynamicObjectOffset(c, &b.ExecutionRequests)

	rival.DefineSliceOfStaticObjectsContent(c, &b.ProposerSlashings, 16)
	rival.DefineSliceOfDynamicObjectsContent(c, &b.AttesterSlashings, 1)
	rival.DefineSliceOfDynamicObjectsContent(c, &b.Attestations, 8)
	rival.DefineSliceOfStaticObjectsContent(c, &b.Deposits, 16)
	rival.DefineSliceOfStaticObjectsContent(c, &b.VoluntaryExits, 16)
	rival.DefineDynamicObjectContent(c, &b.ExecutionPayload)
	rival.DefineSliceOfStaticObjectsContent(c, &b.BLSToExecutionChanges, 16)
	rival.DefineSliceOfStaticBytesContent(c, &b.BlobKZGCommitments, 4096)
	rival.DefineDynamicObjectContent(c, &b.ExecutionRequests)
}

func (b *rivalBlock) SizeSSZ(s *rival.Sizer, fixed bool) uint32 {
	if fixed {
		return 84
	}
	return 84 + rival.SizeDynamicObject(s, b.Body)
}

func (b *rivalBlock) DefineSSZ(c *rival.Codec) {
	rival.DefineUint64(c, &b.Slot)
	rival.DefineUint64(c, &b.ProposerIndex)
	rival.DefineStaticBytes(c, &b.ParentRoot)
	rival.DefineStaticBytes(c, &b.StateRoot)
	rival.DefineDynamicObjectOffset(c, &b.Body)
	rival.DefineDynamicObjectContent(c, &b.Body)
}

func (b *rivalSignedBlock) SizeSSZ(s *rival.Sizer, fixed bool) uint32 {
	if fixed {
		return 100
	}
	return 100 + rival.SizeDynamicObject(s, b.Message)
}

func (b *rivalSignedBlock) DefineSSZ(c *rival.Codec) {
	rival.DefineDynamicObjectOffset(c, &b.Message)
	rival.DefineStaticBytes(c, &b.Signature)
	rival.DefineDynamicObjectContent(c, &b.Message)
}

// The libraries that the benchmarks compare do the same.
func TestRivalAgrees(t *testing.T) {
	t.Parallel()
	for _, encoded := range [][]byte{bigBlock(t), vectorOf(t, "electra", "SignedBeaconBlock").SSZ} {
		var theirs rivalSignedBlock
		if err := rival.DecodeFromBytes(encoded, &theirs); err != nil {
			t.Fatal(err)
		}
		ours, err := ssz.Mainnet().DecodeBlock(ssz.Electra, encoded)
		if err != nil {
			t.Fatal(err)
		}
		if root, err := ours.HashTreeRoot(); err != nil || root != rival.HashSequential(&theirs) {
			t.Errorf("root %x, error %v, want %x", root, err, rival.HashSequential(&theirs))
		}
	}
}

// BenchmarkRivals decodes and hashes a full block of Electra with fastssz, with what this package
// does around it, and with another library. Fastssz alone trusts what it decodes.
func BenchmarkRivals(b *testing.B) {
	encoded := bigBlock(b)
	var ours mainnet.SignedBeaconBlockElectra
	var theirs rivalSignedBlock
	if err := ours.UnmarshalSSZ(encoded); err != nil {
		b.Fatal(err)
	}
	if err := rival.DecodeFromBytes(encoded, &theirs); err != nil {
		b.Fatal(err)
	}
	n := ssz.Mainnet()
	for _, bm := range []struct {
		name string
		do   func() error
	}{
		{"decode/fastssz", func() error { return new(mainnet.SignedBeaconBlockElectra).UnmarshalSSZ(encoded) }},
		{"decode/checked", func() error { _, err := n.DecodeBlock(ssz.Electra, encoded); return err }},
		{"decode/karalabe", func() error { return rival.DecodeFromBytes(encoded, new(rivalSignedBlock)) }},
		{"root/fastssz", func() error { _, err := ours.HashTreeRoot(); return err }},
		{"root/shape", func() error { _, err := ours.Shape().Root(encoded); return err }},
		{"root/karalabe", func() error { rival.HashSequential(&theirs); return nil }},
		{"root/karalabe-concurrent", func() error { rival.HashConcurrent(&theirs); return nil }},
	} {
		b.Run(bm.name, func(b *testing.B) { run(b, len(encoded), bm.do) })
	}
}
