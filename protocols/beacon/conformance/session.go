package conformance

import (
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A session is one run against one peer, and what was learnt of it.
type session struct {
	host    host.Host
	to      peer.ID
	network *ssz.Network
	family  *beacon.Family
	client  *beacon.Client
	engine  *reqresp.Client // for what client would not ask
	pace    pace
	now     func() time.Time

	at      peer.AddrInfo // where the peer is
	offered []protocol.ID // by the peer, as identify has told
	theirs  beacon.Status
	blocks  []*beacon.Block // some of the newest, ascending
	samples map[protocol.ID]*sample

	// What the peer was once asked for.
	blobs     shown[beacon.BlobSidecar]
	columns   shown[beacon.DataColumnSidecar]
	envelopes shown[beacon.ExecutionPayloadEnvelope]
	updates   shown[beacon.LightClientUpdate]
	lists     shown[beacon.InclusionList]

	dependents shown[ssz.Root] // the one that those lists depend on
}

// offers reports whether the peer offers a protocol.
func (s *session) offers(id protocol.ID) bool { return slices.Contains(s.offered, id) }

// protocol returns the row of a protocol that this package names.
func (s *session) protocol(method string, version int) *beacon.Protocol {
	row, ok := s.family.Protocol(method, version)
	if !ok {
		panic(fmt.Sprintf("conformance: no protocol %s/%d", method, version))
	}
	return row
}

func (s *session) currentSlot() ssz.Slot { return s.network.SlotAt(s.now()) }

// head returns the newest block known of the peer.
func (s *session) head() (*beacon.Block, error) {
	if len(s.blocks) == 0 {
		return nil, skipped("the peer has shown no block")
	}
	return s.blocks[len(s.blocks)-1], nil
}

// newest returns the last slots up to the peer's head, no more than a number of them and none before
// its earliest. There are none if that is after its head, as it may be where a peer takes on more
// custody.
func (s *session) newest(most uint64) (start ssz.Slot, count uint64) {
	return s.slotsUntil(s.theirs.HeadSlot+1, 0, most)
}

// recentSlots returns the last slots whose objects by a protocol the peer has to hold, no more than a number.
func (s *session) recentSlots(method string, most uint64) (start ssz.Slot, count uint64) {
	p, end := s.protocol(method, 1), s.theirs.HeadSlot+1
	if forks := s.network.Config().Forks; int(p.Last)+1 < len(forks) {
		end = min(end, s.network.StartSlot(forks[p.Last+1].Epoch))
	}
	return s.slotsUntil(end, p.ServedFrom(s.currentSlot()), most)
}

// slotsUntil returns the last slots before end, no more than a number, none before first and none before the peer's
// earliest.
func (s *session) slotsUntil(end, first ssz.Slot, most uint64) (start ssz.Slot, count uint64) {
	start = max(first, s.theirs.EarliestAvailableSlot, end-min(end, ssz.Slot(most)))
	if start >= end {
		return start, 0
	}
	return start, uint64(end - start)
}
