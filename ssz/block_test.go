package ssz_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
	"github.com/seed-2dd5877b/reqresp/ssz/mainnet"
)

func testPeekAgrees(t *testing.T, b []byte, block ssz.SignedBlock) {
	t.Helper()
	got, err := ssz.PeekBlock(b)
	want := ssz.BlockHeader{
		Slot:          ssz.Slot(block.Slot()),
		ProposerIndex: block.ProposerIndex(),
		ParentRoot:    block.ParentRoot(),
		StateRoot:     block.StateRoot(),
	}
	if err != nil || got != want {
		t.Errorf("peeked %+v, error %v, want %+v", got, err, want)
	}
}

func TestPeekBlockNeedsTheHeader(t *testing.T) {
	t.Parallel()
	b := []byte{100, 183: 0}
	if _, err := ssz.PeekBlock(b); err != nil {
		t.Errorf("184 bytes: %v", err)
	}
	for n := range b {
		if _, err := ssz.PeekBlock(b[:n]); !isCheckError(err, "", ssz.ErrSize) {
			t.Errorf("%d bytes: error %v, want ErrSize", n, err)
		}
	}
	b[0] = 101
	if _, err := ssz.PeekBlock(b); !isCheckError(err, "message", ssz.ErrOffset) {
		t.Errorf("offset 101: error %v, want ErrOffset", err)
	}
}

func TestDecodingKeepsNothingOfItsInput(t *testing.T) {
	t.Parallel()
	for _, v := range allVectors(t) {
		b := bytes.Clone(v.SSZ)
		object, err := v.decode(t, b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] ^= 0xff
		}
		testEncodes(t, object, v.SSZ)
	}
}

// Reading a block changes nothing in it, which the race detector would see.
func TestBlockIsReadConcurrently(t *testing.T) {
	t.Parallel()
	block, err := ssz.Mainnet().DecodeBlock(ssz.Electra, bigBlock(t))
	if err != nil {
		t.Fatal(err)
	}
	want, err := block.BlockRoot()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got, err := block.BlockRoot(); err != nil || got != want {
				t.Errorf("block root %x, error %v, want %x", got, err, want)
			}
			if b, err := block.MarshalSSZ(); err != nil || len(b) != block.SizeSSZ() {
				t.Errorf("%d bytes, error %v, want %d", len(b), err, block.SizeSSZ())
			}
		})
	}
	wg.Wait()
}

func TestBlockTypesOfForks(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t, "ssz-mainnet.jsonl.gz") {
		if v.Type != "SignedBeaconBlock" {
			continue
		}
		block, err := v.decode(t, v.SSZ)
		if err != nil {
			t.Fatal(err)
		}
		ok := false
		switch block.(type) {
		case *containers.SignedBeaconBlock:
			ok = v.Fork == "phase0"
		case *mainnet.SignedBeaconBlockAltair:
			ok = v.Fork == "altair"
		case *mainnet.SignedBeaconBlockBellatrix:
			ok = v.Fork == "bellatrix"
		case *mainnet.SignedBeaconBlockCapella:
			ok = v.Fork == "capella"
		case *mainnet.SignedBeaconBlockDeneb:
			ok = v.Fork == "deneb"
		case *mainnet.SignedBeaconBlockElectra:
			ok = v.Fork == "electra" || v.Fork == "fulu"
		case *mainnet.SignedBeaconBlockGloas:
			ok = v.Fork == "gloas"
		}
		if !ok {
			t.Errorf("%s block is a %T", v.Fork, block)
		}
	}
}

func TestBlocksOfForksWithoutDefinition(t *testing.T) {
	t.Parallel()
	n := ssz.Mainnet()
	for _, fork := range []ssz.Fork{ssz.Heze + 1, 200} {
		_, shapeErr := n.BlockShape(fork)
		_, decodeErr := n.DecodeBlock(fork, nil)
		_, rootErr := n.BlockRoot(fork, nil)
		for _, err := range []error{shapeErr, decodeErr, rootErr, n.CheckBlock(fork, nil)} {
			if !errors.Is(err, ssz.ErrFork) {
				t.Errorf("%v: error %v, want ErrFork", fork, err)
			}
		}
		if least, most := n.BlockBounds(fork); least != 0 || most != 0 {
			t.Errorf("%v: bounds %d to %d, want none", fork, least, most)
		}
	}
}

func TestBlockBounds(t *testing.T) {
	t.Parallel()
	// The least are the sizes of the default values, which other implementations agree on.
	for preset, least := range map[ssz.Preset][]int{
		ssz.MainnetPreset: {404, 564, 1076, 1084, 1104, 1120, 1120, 924, 926},
		ssz.MinimalPreset: {404, 504, 1016, 1024, 1044, 1060, 1060, 864, 866},
		ssz.GnosisPreset:  {404, 564, 1076, 1084, 1104, 1120, 1120, 924, 926},
	} {
		n := networkOf(preset)
		for fork, want := range least {
			got, most := n.BlockBounds(ssz.Fork(fork))
			if got != want {
				t.Errorf("%v %v: at least %d bytes, want %d", preset, ssz.Fork(fork), got, want)
			}
			if most < 100_000 {
				t.Errorf("%v %v: at most %d bytes, want more", preset, ssz.Fork(fork), most)
			}
		}
	}
	if _, most := ssz.Mainnet().BlockBounds(ssz.Phase0); most != 157756 {
		t.Errorf("phase0: at most %d bytes, want 157756", most)
	}
}

// The sizes that depend on the preset are those of the preset.
func TestSyncCommitteeSize(t *testing.T) {
	t.Parallel()
	for _, preset := range presets {
		n := networkOf(preset)
		phase0, _ := n.BlockBounds(ssz.Phase0)
		altair, _ := n.BlockBounds(ssz.Altair)
		if got, want := altair-phase0, int(preset.SyncCommitteeSize()/8)+96; got != want {
			t.Errorf("%v: a sync aggregate has %d bytes, want %d", preset, got, want)
		}
	}
}

// bigBlock returns a mainnet Electra block of about 100 KiB, as many transactions as its size
// needs and full attestations.
func bigBlock(tb testing.TB) []byte {
	block := mainnet.SignedBeaconBlockElectra{}
	body := &block.Message.Body
	for range 8 {
		body.Attestations = append(body.Attestations, &mainnet.AttestationElectra{
			AggregationBits: bytes.Repeat([]byte{0x55}, 4096),
		})
	}
	for i := range 150 {
		body.ExecutionPayload.Transactions = append(body.ExecutionPayload.Transactions,
			bytes.Repeat([]byte{byte(i)}, 430))
	}
	for range 16 {
		body.ExecutionPayload.Withdrawals = append(body.ExecutionPayload.Withdrawals, new(containers.Withdrawal))
	}
	body.BlobKZGCommitments = make([][48]byte, 9)
	b, err := block.MarshalSSZ()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
