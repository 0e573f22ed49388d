package sidecar_test

import (
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// realBlobs returns all blob sidecars of the real chain, by block.
func realBlobs() []beacon.Sidecars {
	return ofBlocks(func(b *beacon.Block) (s beacon.Sidecars) {
		for _, blob := range beacontest.Fulu().BlobSidecars() {
			if blob.BlockRoot == b.Root {
				s.Blobs = append(s.Blobs, blob)
			}
		}
		return s
	})
}

// realColumns returns some columns of all blocks of the real chain that have any, by block.
func realColumns(indices ...uint64) []beacon.Sidecars {
	return ofBlocks(func(b *beacon.Block) (s beacon.Sidecars) {
		for _, column := range beacontest.Fulu().DataColumnSidecars() {
			if column.BlockRoot == b.Root && slices.Contains(indices, column.Index) {
				s.Columns = append(s.Columns, column)
			}
		}
		return s
	})
}

func ofBlocks(sidecarsOf func(*beacon.Block) beacon.Sidecars) (of []beacon.Sidecars) {
	for _, b := range beacontest.FuluBlocks() {
		if s := sidecarsOf(b); len(s.Blobs)+len(s.Columns) > 0 {
			s.Block = b
			of = append(of, s)
		}
	}
	return of
}

// gloasNetwork has a fork in each epoch.
var gloasNetwork = beacontest.Network()

const gloasSlot = 7*beacontest.SlotsPerEpoch + 1

// gloas returns what a block of Gloas has that commits to the blobs of a block of Fulu.
func gloas(of beacon.Sidecars) (s beacon.Sidecars) {
	signed := new(containers.SignedExecutionPayloadEnvelope)
	envelope := &signed.Message
	envelope.BuilderIndex, envelope.ParentBeaconBlockRoot = 7, [32]byte{1}
	envelope.ExecutionRequests.BuilderExits = []*containers.BuilderExitRequest{{SourceAddress: [20]byte{2}}}
	payload := &envelope.Payload
	payload.ParentHash, payload.BlockHash, payload.PrevRandao = [32]byte{3}, [32]byte{4}, [32]byte{5}
	payload.GasLimit, payload.SlotNumber = 60_000_000, gloasSlot
	payload.Timestamp = uint64(gloasNetwork.TimeAt(gloasSlot).Unix())

	first := decoded[containers.DataColumnSidecar](of.Columns[0].SSZ)
	block := beacontest.Object("SignedBeaconBlock", ssz.Gloas)
	beacontest.Set(block, "Message.Slot", gloasSlot)
	beacontest.Set(block, "Message.ParentRoot", envelope.ParentBeaconBlockRoot)
	beacontest.Set(block, "Message.Body.SignedExecutionPayloadBid.Message", containers.ExecutionPayloadBid{
		ParentBlockHash: payload.ParentHash, BlockHash: payload.BlockHash, PrevRandao: payload.PrevRandao,
		GasLimit: payload.GasLimit, BuilderIndex: envelope.BuilderIndex, Slot: gloasSlot,
		BlobKZGCommitments:    first.KZGCommitments,
		ExecutionRequestsRoot: must(envelope.ExecutionRequests.HashTreeRoot()),
	})
	root := must(block.(ssz.SignedBlock).BlockRoot())
	s.Block = &beacon.Block{
		Slot: gloasSlot, Root: root, ParentRoot: envelope.ParentBeaconBlockRoot, Fork: ssz.Gloas,
		SSZ: beacontest.Encode(block),
	}
	for _, column := range of.Columns {
		c := decoded[containers.DataColumnSidecar](column.SSZ)
		s.Columns = append(s.Columns, must(beacon.DecodeDataColumnSidecar(gloasNetwork, gloasChunk(
			&containers.DataColumnSidecarGloas{
				Index: c.Index, Column: c.Column, KZGProofs: c.KZGProofs, Slot: gloasSlot, BeaconBlockRoot: root,
			}))))
	}
	envelope.BeaconBlockRoot = root
	s.Envelope = must(beacon.DecodeExecutionPayloadEnvelope(gloasNetwork, gloasChunk(signed)))
	return s
}

func gloasChunk(object ssz.Object) beacon.Chunk {
	return beacon.Chunk{Fork: ssz.Gloas, SSZ: beacontest.Encode(object)}
}

// A pointer is one to an object.
type pointer[T any] interface {
	*T
	ssz.Object
}

func decoded[T any, P pointer[T]](b []byte) *T {
	object := new(T)
	if err := P(object).UnmarshalSSZ(b); err != nil {
		panic(err)
	}
	return object
}

// changed returns a chunk whose object is another.
func changed[T any, P pointer[T]](c beacon.Chunk, change func(*T)) beacon.Chunk {
	object := decoded[T, P](c.SSZ)
	change(object)
	c.SSZ, c.Frames = beacontest.Encode(P(object)), nil
	return c
}
