package beacon_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// changed returns an item with a field of its object set to another value.
func changed(i *beacontest.Item, name, path string, value any) *beacontest.Item {
	fork := fullChain().Fork(i.Slot)
	object := beacontest.Object(name, fork)
	must(0, object.UnmarshalSSZ(i.SSZ))
	beacontest.Set(object, path, value)
	c := *i
	c.SSZ = beacontest.Encode(object)
	return &c
}

// A hostileAnswer is an answer that breaks a rule, and a request that it answers.
type hostileAnswer struct {
	name string
	id   protocol.ID
	wire []byte
	ask  func(*testing.T, *beacon.Client, peer.ID) error
	want error
}

func hostileAnswers() []hostileAnswer {
	c, n := fullChain(), beacontest.Network()
	electra := n.DigestAt(ssz.Epoch(ssz.Electra))

	byHead := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := drain(cl.BlocksByHead(t.Context(), to, c.Blocks[40].Root, 3), func(b *beacon.Block) []byte { return b.SSZ })
		return err
	}
	blobs := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := drain(cl.BlobSidecarsByRange(t.Context(), to, denebSlot, 3),
			func(b *beacon.BlobSidecar) []byte { return b.SSZ })
		return err
	}
	blobsByRoot := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		ids := []ssz.BlobIdentifier{{BlockRoot: c.Blobs[0].Root, Index: 1}, {BlockRoot: c.Blobs[0].Root, Index: 9}}
		_, err := drain(cl.BlobSidecarsByRoot(t.Context(), to, ids), func(b *beacon.BlobSidecar) []byte { return b.SSZ })
		return err
	}
	columns := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := drain(cl.DataColumnSidecarsByRange(t.Context(), to, fuluSlot, 3, []uint64{0, 2}),
			func(d *beacon.DataColumnSidecar) []byte { return d.SSZ })
		return err
	}
	columnsByRoot := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		ids := []ssz.DataColumnsByRootIdentifier{{BlockRoot: c.Columns[0].Root, Columns: []uint64{1, 2}}}
		_, err := drain(cl.DataColumnSidecarsByRoot(t.Context(), to, ids),
			func(d *beacon.DataColumnSidecar) []byte { return d.SSZ })
		return err
	}
	updates := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := drain(cl.LightClientUpdatesByRange(t.Context(), to, 0, 2),
			func(l *beacon.LightClientUpdate) []byte { return l.SSZ })
		return err
	}
	bootstrap := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := cl.LightClientBootstrap(t.Context(), to, c.Bootstraps[3].Root)
		return err
	}
	optimistic := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := cl.LightClientOptimisticUpdate(t.Context(), to)
		return err
	}
	envelopes := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := drain(cl.ExecutionPayloadEnvelopesByRange(t.Context(), to, gloasSlot, 3),
			func(e *beacon.ExecutionPayloadEnvelope) []byte { return e.SSZ })
		return err
	}
	envelopesByRoot := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := drain(cl.ExecutionPayloadEnvelopesByRoot(t.Context(), to, []ssz.Root{c.Envelopes[0].Root}),
			func(e *beacon.ExecutionPayloadEnvelope) []byte { return e.SSZ })
		return err
	}
	lists := func(t *testing.T, cl *beacon.Client, to peer.ID) error {
		_, err := drain(cl.InclusionListsByIndices(t.Context(), to, beacontest.Head, fullChain().Dependent, [2]byte{3}),
			func(l *beacon.InclusionList) []byte { return l.SSZ })
		return err
	}

	head, blobRange := id("beacon_blocks_by_head", 1), id("blob_sidecars_by_range", 1)
	blobRoot, columnRange, columnRoot := id("blob_sidecars_by_root", 1), id("data_column_sidecars_by_range", 1),
		id("data_column_sidecars_by_root", 1)
	updateRange := id("light_client_updates_by_range", 1)
	payloadRange, payloadRoot := id("execution_payload_envelopes_by_range", 1),
		id("execution_payload_envelopes_by_root", 1)
	b, col, up, env, list := c.Blobs, c.Columns, c.Updates, c.Envelopes, c.Lists[16:]
	gloas := keep(col, between(gloasSlot, gloasSlot))[0]
	return []hostileAnswer{
		{"head: another block first", head, wireOf(c.Blocks[39]), byHead, beacon.ErrUnexpectedRoot},
		{"head: ascending", head, wireOf(c.Blocks[40], c.Blocks[41]), byHead, beacon.ErrSlotOrder},
		{"head: block left out", head, wireOf(c.Blocks[40], c.Blocks[38]), byHead, beacon.ErrNotLinked},
		{"head: too many", head, wireOf(descending(c.Blocks[37:41])...), byHead, reqresp.ErrTooManyChunks},

		{"blobs: before the range", blobRange, wireOf(changed(b[0], "BlobSidecar", "SignedBlockHeader.Message.Slot",
			denebSlot+3)), blobs, beacon.ErrOutOfRange},
		{"blobs: descending slots", blobRange, wireOf(b[2], b[3], b[0]), blobs, beacon.ErrSlotOrder},
		{"blobs: descending indices", blobRange, wireOf(b[0], b[1], b[0]), blobs, beacon.ErrIndexOrder},
		{"blobs: one left out", blobRange, wireOf(b[1]), blobs, beacon.ErrIndexOrder},
		{"blobs: two blocks in a slot", blobRange, wireOf(b[0],
			changed(b[1], "BlobSidecar", "SignedBlockHeader.Message.StateRoot", ssz.Root{1})), blobs, beacon.ErrNotLinked},
		{"blobs: digest of the next fork", blobRange, chunkOf(electra, b[0].SSZ), blobs, beacon.ErrWrongDigest},
		{"blobs: digest of a fork without", blobRange, chunkOf(n.DigestAt(0), b[0].SSZ), blobs, beacon.ErrUnknownDigest},
		{
			"blobs: of fulu", blobRange, chunkOf(n.DigestAt(ssz.Epoch(ssz.Fulu)),
				changed(b[0], "BlobSidecar", "SignedBlockHeader.Message.Slot", uint64(fuluSlot)).SSZ),
			func(t *testing.T, cl *beacon.Client, to peer.ID) error {
				_, err := drain(cl.BlobSidecarsByRange(t.Context(), to, fuluSlot, 1),
					func(b *beacon.BlobSidecar) []byte { return b.SSZ })
				return err
			}, beacon.ErrUnknownDigest,
		},
		{"blobs: too many", blobRange, wireOf(b[0]), func(t *testing.T, cl *beacon.Client, to peer.ID) error {
			_, err := drain(cl.BlobSidecarsByRange(t.Context(), to, denebSlot, 0),
				func(b *beacon.BlobSidecar) []byte { return b.SSZ })
			return err
		}, reqresp.ErrTooManyChunks},
		{"blobs: another root", blobRoot, wireOf(b[2]), blobsByRoot, beacon.ErrUnexpectedRoot},
		{"blobs: another index", blobRoot, wireOf(b[0]), blobsByRoot, beacon.ErrUnexpectedIndex},
		{
			"blobs: another commitment", blobRange, wireOf(changed(b[0], "BlobSidecar", "KZGCommitment", [48]byte{1})), blobs,
			beacon.ErrNotIncluded,
		},
		{"blobs: another proof", blobRoot, wireOf(changed(b[1], "BlobSidecar", "KZGCommitmentInclusionProof",
			[17][32]byte{})), blobsByRoot, beacon.ErrNotIncluded},
		{"blobs: the same again", blobRoot, wireOf(b[1], b[1]), blobsByRoot, beacon.ErrUnexpectedIndex},

		{"columns: not asked for", columnRange, wireOf(col[1]), columns, beacon.ErrUnexpectedIndex},
		{"columns: descending", columnRange, wireOf(col[2], col[0]), columns, beacon.ErrIndexOrder},
		{"columns: after the range", columnRange, wireOf(col[12]), columns, beacon.ErrOutOfRange},
		{"columns: malformed", columnRange, chunkOf(n.DigestAt(6), with(col[0].SSZ, 8, 1)), columns, beacon.ErrMalformed},
		{"columns: another root", columnRoot, wireOf(col[5]), columnsByRoot, beacon.ErrUnexpectedRoot},
		{"columns: another index", columnRoot, wireOf(col[0]), columnsByRoot, beacon.ErrUnexpectedIndex},
		{
			"columns: another commitment", columnRange,
			wireOf(changed(col[0], "DataColumnSidecar", "KZGCommitments", make([][48]byte, 2))), columns, beacon.ErrNotIncluded,
		},
		{"columns: another proof", columnRoot, wireOf(changed(col[1], "DataColumnSidecar", "KZGCommitmentsInclusionProof",
			[4][32]byte{})), columnsByRoot, beacon.ErrNotIncluded},
		{
			"columns: a cell too many", columnRange,
			wireOf(changed(col[0], "DataColumnSidecar", "Column", make([][2048]byte, 3))), columns, beacon.ErrMalformed,
		},
		{
			"columns: a proof too many", columnRange,
			wireOf(changed(col[0], "DataColumnSidecar", "KZGProofs", make([][48]byte, 3))), columns, beacon.ErrMalformed,
		},
		{
			"columns: no cells", columnRange, wireOf(changed(col[0], "DataColumnSidecar", "Column", [][2048]byte{})), columns,
			beacon.ErrMalformed,
		},
		{"columns: a proof too many in gloas", columnRange, wireOf(changed(gloas, "DataColumnSidecar", "KZGProofs",
			make([][48]byte, 3))), func(t *testing.T, cl *beacon.Client, to peer.ID) error {
			_, err := drain(cl.DataColumnSidecarsByRange(t.Context(), to, gloasSlot, 1, []uint64{0}),
				func(d *beacon.DataColumnSidecar) []byte { return d.SSZ })
			return err
		}, beacon.ErrMalformed},
		{"columns: too many", columnRoot, wireOf(col[1], col[2], col[3]), columnsByRoot, reqresp.ErrTooManyChunks},

		{"updates: out of the range", updateRange, wireOf(changed(up[1], "LightClientUpdate", "AttestedHeader.Beacon.Slot",
			uint64(1<<40))), updates, beacon.ErrOutOfRange},
		{"updates: descending", updateRange, wireOf(up[1], up[0]), updates, beacon.ErrSlotOrder},
		{"updates: repeated", updateRange, wireOf(up[0], up[0]), updates, beacon.ErrSlotOrder},
		{"updates: too many", updateRange, wireOf(up[0], up[1], up[1]), updates, reqresp.ErrTooManyChunks},
		{
			"updates: signed before", updateRange, wireOf(changed(up[0], "LightClientUpdate", "SignatureSlot", uint64(3))),
			updates, beacon.ErrSlotOrder,
		},
		{
			"bootstrap: another block", id("light_client_bootstrap", 1), wireOf(c.Bootstraps[4]), bootstrap,
			beacon.ErrUnexpectedRoot,
		},
		{"bootstrap: none", id("light_client_bootstrap", 1), nil, bootstrap, reqresp.ErrNoResponse},
		{"optimistic: signed before", id("light_client_optimistic_update", 1), wireOf(changed(c.Optimistic,
			"LightClientOptimisticUpdate", "SignatureSlot", uint64(3))), optimistic, beacon.ErrSlotOrder},
		{
			"optimistic: two", id("light_client_optimistic_update", 1), wireOf(c.Optimistic, c.Optimistic), optimistic,
			reqresp.ErrTooManyChunks,
		},

		{"envelopes: descending", payloadRange, wireOf(env[1], env[0]), envelopes, beacon.ErrSlotOrder},
		{"envelopes: out of the range", payloadRange, wireOf(env[4]), envelopes, beacon.ErrOutOfRange},
		{"envelopes: another digest", payloadRange, chunkOf(n.DigestAt(8), env[0].SSZ), envelopes, beacon.ErrWrongDigest},
		{"envelopes: another root", payloadRoot, wireOf(env[1]), envelopesByRoot, beacon.ErrUnexpectedRoot},

		{"lists: another slot", id("inclusion_lists_by_indices", 1), wireOf(c.Lists[0]), lists, beacon.ErrOutOfRange},
		{"lists: another block", id("inclusion_lists_by_indices", 1), wireOf(changed(list[0], "SignedInclusionList",
			"Message.DependentRoot", ssz.Root{})), lists, beacon.ErrUnexpectedRoot},
		{
			"lists: a validator twice", id("inclusion_lists_by_indices", 1), wireOf(list[0], list[0]), lists,
			beacon.ErrRepeated,
		},
		{"lists: too many", id("inclusion_lists_by_indices", 1), wireOf(list[:3]...), lists, reqresp.ErrTooManyChunks},
	}
}

func TestViolationsOfEveryProtocol(t *testing.T) {
	all := append([]error{
		beacon.ErrIndexOrder, beacon.ErrNotIncluded, beacon.ErrUnexpectedIndex, beacon.ErrRepeated,
		beacon.ErrMalformed,
	}, violations...)
	simulate(t, func(t *testing.T, client, server host.Host) {
		c := beacon.NewClient(client, beacon.NewFamily(beacontest.Network()), nil)
		for _, tt := range hostileAnswers() {
			answerRaw(t, server, tt.id, func([]byte) []byte { return tt.wire })
			err := tt.ask(t, c, server.ID())
			if !errors.Is(err, reqresp.ErrViolation) {
				t.Errorf("%s: got %v, want a violation", tt.name, err)
			}
			for _, sentinel := range all {
				if errors.Is(err, sentinel) != (sentinel == tt.want) {
					t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
				}
			}
		}
	})
}

// Peers that know nothing but the first versions are asked by those.
func TestOldPeersAreAskedByOldVersions(t *testing.T) {
	c := fullChain()
	md := ssz.MetaDataV1{SeqNumber: 5, Attnets: [8]byte{7}}
	simulate(t, func(t *testing.T, client, server host.Host) {
		answerRaw(t, server, id("metadata", 1), func([]byte) []byte { return result(0, must(md.MarshalSSZ())) })
		old := func([]byte) []byte { return join(result(0, c.Blocks[3].SSZ), result(0, c.Blocks[4].SSZ)) }
		answerRaw(t, server, id("beacon_blocks_by_range", 1), old)
		answerRaw(t, server, id("beacon_blocks_by_root", 1), func([]byte) []byte { return result(0, c.Blocks[10].SSZ) })
		cl := beacon.NewClient(client, beacon.NewFamily(beacontest.Network()), nil)
		if got, err := cl.MetaData(t.Context(), server.ID()); err != nil ||
			*got != (ssz.MetaDataV3{SeqNumber: 5, Attnets: [8]byte{7}}) {
			t.Errorf("metadata %+v, %v", got, err)
		}
		blocks, err := collect(cl.BlocksByRange(t.Context(), server.ID(), 3, 2))
		if err != nil || !slices.Equal(slotsOf(blocks), []ssz.Slot{3, 4}) || blocks[0].Fork != ssz.Phase0 ||
			blocks[0].Root != c.Blocks[3].Root {
			t.Errorf("blocks of slots %d, %v", slotsOf(blocks), err)
		}
		// A block of altair by version 1 is a violation, whatever it decodes as.
		if _, err := collect(cl.BlocksByRoot(t.Context(), server.ID(),
			[]ssz.Root{c.Blocks[10].Root})); !errors.Is(err, beacon.ErrWrongDigest) {
			t.Errorf("altair by version 1: %v", err)
		}
	})
}
