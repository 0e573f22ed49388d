package beacon_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// A listSource holds one inclusion list of the head's slot.
type listSource struct {
	*beacontest.Chain
	list []byte
}

func (s *listSource) InclusionLists(context.Context, ssz.Slot, ssz.Root, [2]byte) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		yield(beacon.Ref{Kind: beacon.KindInclusionList, Slot: beacontest.Head, Size: len(s.list)}, nil)
	}
}

func (s *listSource) Sources() beacon.Sources { return beacontest.SourcesOf(s) }

func (s *listSource) AppendFrames(_ context.Context, _ beacon.Ref, dst []byte) ([]byte, error) {
	return append(dst, frames(s.list)...), nil
}

// inclusionList returns a list of the head's slot with transactions of one size.
func inclusionList(transactions, size int) []byte {
	l := new(containers.SignedInclusionList)
	l.Message.Slot = beacontest.Head
	l.Message.DependentRoot = fullChain().Dependent
	for range transactions {
		l.Message.Transactions = append(l.Message.Transactions, make([]byte, size))
	}
	return beacontest.Encode(l)
}

// Inclusion lists are served and read up to MAX_SIGNED_INCLUSION_LIST_SIZE, however their bytes are
// divided between transactions.
func TestSizesOfInclusionLists(t *testing.T) {
	for _, tt := range []struct {
		transactions, size int
		bytes              int
		refused            bool
	}{
		{transactions: 65, size: 126, bytes: 8602},
		{transactions: 8192, size: 1, bytes: 41112},
		{transactions: 1, size: 41113 - 156, bytes: 41113, refused: true},
	} {
		list := inclusionList(tt.transactions, tt.size)
		if len(list) != tt.bytes {
			t.Fatalf("%d bytes, want %d", len(list), tt.bytes)
		}
		n := beacontest.Network()
		read := func(t *testing.T, client, server host.Host) ([][]byte, error) {
			c := beacon.NewClient(client, beacon.NewFamily(n), nil)
			return drain(c.InclusionListsByIndices(t.Context(), server.ID(), beacontest.Head, fullChain().Dependent, [2]byte{1}),
				func(l *beacon.InclusionList) []byte { return l.SSZ })
		}
		simulate(t, func(t *testing.T, client, server host.Host) {
			serveOn(t, server, n, &listSource{fullChain(), list}, beacon.ServerOptions{Now: inSlot(beacontest.Head)})
			switch got, err := read(t, client, server); {
			case tt.refused:
				if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != reqresp.CodeServerError || len(got) > 0 {
					t.Errorf("%d bytes are served: %d lists, %v", tt.bytes, len(got), err)
				}
			case err != nil || len(got) != 1 || !bytes.Equal(got[0], list):
				t.Errorf("%d bytes are not served: %d lists, %v", tt.bytes, len(got), err)
			}
		})
		simulate(t, func(t *testing.T, client, server host.Host) {
			answerRaw(t, server, id("inclusion_lists_by_indices", 1), func([]byte) []byte {
				return chunkOf(n.DigestAt(n.EpochOf(beacontest.Head)), list)
			})
			if got, err := read(t, client, server); errors.Is(err, reqresp.ErrViolation) != tt.refused ||
				len(got) == 1 == tt.refused {
				t.Errorf("%d bytes from a peer: %d lists, %v", tt.bytes, len(got), err)
			}
		})
	}
}

// The configuration says how many lists may be asked for, and of how long ago.
func TestInclusionListsFollowTheConfiguration(t *testing.T) {
	n := beacontest.Network()
	cfg := n.Config()
	cfg.MaxRequestInclusionList, cfg.MinSlotsForInclusionListsRequests = 3, 2
	n = must(ssz.NewNetwork(cfg, n.GenesisTime(), n.GenesisValidatorsRoot()))
	simulate(t, func(t *testing.T, client, server host.Host) {
		source := &endlessSource{Chain: fullChain()}
		serveOn(t, server, n, source, beacon.ServerOptions{Now: inSlot(beacontest.Head)})
		for slot, want := range map[ssz.Slot]int{beacontest.Head: 3, beacontest.Head - 2: 3, beacontest.Head - 3: 0} {
			source.taken = 0
			req := &ssz.InclusionListsByIndicesRequest{Slot: slot, Indices: [2]byte{255, 255}}
			if _, err := ask(t, client, server, id("inclusion_lists_by_indices", 1), encode(req)); err != nil ||
				source.taken != want {
				t.Errorf("slot %d: %d lists were taken, %v, want %d", slot, source.taken, err, want)
			}
		}
	})
}
