package beacon_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// envelopeChunk is a response chunk with an envelope of a block.
func envelopeChunk(b *beacon.Block, root ssz.Root) []byte {
	n := beacontest.Network()
	object := beacontest.Object("SignedExecutionPayloadEnvelope", n.ForkAt(n.EpochOf(b.Slot)))
	beacontest.Set(object, "Message.BeaconBlockRoot", root)
	beacontest.Set(object, "Message.Payload.SlotNumber", b.Slot)
	return chunkOf(n.DigestAt(n.EpochOf(b.Slot)), beacontest.Encode(object))
}

// Where the blocks are known an envelope has to be of one of them, and its payload one that the chain has built on.
func TestEnvelopesAreHeldAgainstBlocks(t *testing.T) {
	s := gloasSlot
	made := gloasChain(gloasBlock{s, 0, true}, gloasBlock{s + 1, 0, false}, gloasBlock{s + 3, 0, true},
		gloasBlock{s + 4, 0, true})
	var blocks []*beacon.Block
	for _, slot := range []ssz.Slot{s, s + 1, s + 3, s + 4} {
		b := *made.bySlot[slot]
		b.Fork = ssz.Gloas
		blocks = append(blocks, &b)
	}
	of := func(i int) []byte { return envelopeChunk(blocks[i], blocks[i].Root) }
	for _, tt := range []struct {
		name   string
		answer []byte
		want   int // envelopes before the error
		err    error
	}{
		{"those of the chain", join(of(0), of(2), of(3)), 3, nil},
		{"not those of the chain", join(of(0), of(1), of(2)), 1, beacon.ErrNotBuiltOn},
		{"fewer", of(2), 1, nil},
		{"none", nil, 0, nil},
		{"of an unknown block", join(of(0), envelopeChunk(blocks[2], ssz.Root{9})), 1, beacon.ErrUnexpectedRoot},
		{"out of order", join(of(2), of(0)), 1, beacon.ErrSlotOrder},
		{"repeated", join(of(0), of(0)), 1, beacon.ErrSlotOrder},
	} {
		simulate(t, func(t *testing.T, client, server host.Host) {
			answerRaw(t, server, id("execution_payload_envelopes_by_range", 1), func(request []byte) []byte {
				if want := blobRange(s, 5); !slices.Equal(request, want) {
					t.Errorf("%s: asked with %x, want %x", tt.name, request, want)
				}
				return tt.answer
			})
			c := beacon.NewClient(client, beacon.NewFamily(beacontest.Network()), nil)
			got, failed := 0, error(nil)
			for _, err := range c.ExecutionPayloadEnvelopesOfBlocks(t.Context(), server.ID(), blocks) {
				if failed = err; err == nil {
					got++
				}
			}
			if got != tt.want || !errors.Is(failed, tt.err) || tt.err != nil && !errors.Is(failed, reqresp.ErrViolation) {
				t.Errorf("%s: %d envelopes, %v, want %d, %v", tt.name, got, failed, tt.want, tt.err)
			}
			for range c.ExecutionPayloadEnvelopesOfBlocks(t.Context(), server.ID(), nil) {
				t.Error("no blocks have an envelope")
			}
			bad := *blocks[0]
			bad.SSZ = bad.SSZ[:50]
			for _, err := range c.ExecutionPayloadEnvelopesOfBlocks(t.Context(), server.ID(), []*beacon.Block{&bad, blocks[1]}) {
				if !errors.Is(err, ssz.ErrSize) || errors.Is(err, reqresp.ErrViolation) {
					t.Errorf("a malformed block of ours: %v", err)
				}
			}
		})
	}
}
