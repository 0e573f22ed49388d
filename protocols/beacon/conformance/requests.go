package conformance

import (
	"context"
	"encoding/binary"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// ask returns a small request for the rule's protocol, well formed, as SSZ, and how many items it may bring.
func (t *trial) ask(ctx context.Context) (message []byte, items uint64) {
	request, items := t.askFor(t.Method)
	if lists, ok := request.(*ssz.InclusionListsByIndicesRequest); ok {
		if root, err := t.dependentRoot(ctx); err == nil {
			lists.DependentRoot = root
		}
	}
	if request == nil {
		return t.askNode(t.row), 1
	}
	return encode(request), items
}

// askNode is ask for the protocols by which nodes get to know each other.
func (s *session) askNode(p *beacon.Protocol) []byte {
	switch p.Name {
	case "status":
		return s.ownStatus(p.Version)
	case "ping":
		return make([]byte, 8)
	case "goodbye":
		return binary.LittleEndian.AppendUint64(nil, uint64(beacon.GoodbyeClientShutdown))
	case "metadata", finalityUpdate, optimisticUpdate:
		return nil
	}
	panic("conformance: no request for " + p.Name)
}

// digest is the one in force.
func (s *session) digest() ssz.ForkDigest {
	return s.network.DigestAt(s.network.EpochOf(s.currentSlot()))
}

// ownStatus is the status that the run tells: no more than the digest in force.
func (s *session) ownStatus(version int) []byte {
	digest, size := s.digest(), 84
	if version == 2 {
		size += 8 // the earliest slot
	}
	return append(digest[:], make([]byte, size-len(digest))...)
}

type marshaler interface{ MarshalSSZ() ([]byte, error) }

// askFor returns nil if the protocol is none of objects.
func (s *session) askFor(name string) (request marshaler, items uint64) {
	root := s.theirs.HeadRoot
	start, count := s.newest(2)
	count = max(count, 1)
	switch name {
	case blocksByRange, envelopesByRange:
		return rangeOf(name, start, count), count
	case blocksByRoot:
		return &ssz.BeaconBlocksByRootRequest{root}, 1
	case blocksByHead:
		return &ssz.BeaconBlocksByHeadRequest{BeaconRoot: root, Count: count}, count
	case blobsByRange:
		if first, n := s.recentSlots(blobsByRange, 1); n > 0 {
			start, count = first, n
		}
		return rangeOf(name, start, count), count * mostBlobs
	case blobsByRoot:
		return &ssz.BlobSidecarsByRootRequest{{BlockRoot: root}}, 1
	case columnsByRange:
		return rangeOf(name, start, count), 2 * count
	case columnsByRoot:
		return &ssz.DataColumnSidecarsByRootRequest{{BlockRoot: root, Columns: twoColumns}}, 2
	case bootstrap:
		return new(ssz.LightClientBootstrapRequest(s.theirs.FinalizedRoot)), 1
	case updatesByRange:
		return rangeOf(name, ssz.Slot(s.period()-min(s.period(), 1)), 1), 1
	case envelopesByRoot:
		return &ssz.ExecutionPayloadEnvelopesByRootRequest{root}, 1
	case listsByIndices:
		return &ssz.InclusionListsByIndicesRequest{Slot: s.theirs.HeadSlot, DependentRoot: root, Indices: [2]byte{1}}, 1
	}
	return nil, 0
}

// twoColumns are asked for where nothing is known of what the peer holds.
var twoColumns = []uint64{0, 3}

// period is the sync committee period of the peer's head.
func (s *session) period() uint64 { return s.network.SyncCommitteePeriodOf(s.theirs.HeadSlot) }

// rangeOf is the request of a protocol for a range, which is of slots or, of light client updates, of periods.
func rangeOf(name string, start ssz.Slot, count uint64) marshaler {
	switch name {
	case blocksByRange:
		return &ssz.BeaconBlocksByRangeRequest{StartSlot: start, Count: count, Step: 1}
	case blobsByRange:
		return &ssz.BlobSidecarsByRangeRequest{StartSlot: start, Count: count}
	case columnsByRange:
		return &ssz.DataColumnSidecarsByRangeRequest{StartSlot: start, Count: count, Columns: twoColumns}
	case envelopesByRange:
		return &ssz.ExecutionPayloadEnvelopesByRangeRequest{StartSlot: start, Count: count}
	case updatesByRange:
		return &ssz.LightClientUpdatesByRangeRequest{StartPeriod: uint64(start), Count: count}
	}
	panic("conformance: no request for a range of " + name)
}

// encode returns the SSZ of a request of this package, which cannot fail.
func encode(request marshaler) []byte {
	message, err := request.MarshalSSZ()
	if err != nil {
		panic(err)
	}
	return message
}
