package ssz_test

import (
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestTypeOf(t *testing.T) {
	t.Parallel()
	n := ssz.Mainnet()
	for _, test := range []struct {
		fork ssz.Fork
		name string
		want string
		from ssz.Fork
		err  error
	}{
		{ssz.Phase0, "SignedBeaconBlock", "SignedBeaconBlock", ssz.Phase0, nil},
		{ssz.Fulu, "signedbeaconblock", "SignedBeaconBlock", ssz.Electra, nil},
		{ssz.Heze, "SignedBeaconBlock", "SignedBeaconBlock", ssz.Heze, nil},
		{ssz.Heze, "SignedExecutionPayloadEnvelope", "SignedExecutionPayloadEnvelope", ssz.Gloas, nil},
		{ssz.Heze, "LightClientUpdate", "LightClientUpdate", ssz.Gloas, nil},
		{ssz.Fulu, "LightClientOptimisticUpdate", "LightClientOptimisticUpdate", ssz.Deneb, nil},
		{ssz.Gloas, "DataColumnSidecar", "DataColumnSidecar", ssz.Gloas, nil},
		{ssz.Heze, "MetadataV1", "MetaDataV1", ssz.Phase0, nil},
		{ssz.Phase0, "MetaDataV2", "", 0, ssz.ErrFork},
		{ssz.Deneb, "DataColumnSidecar", "", 0, ssz.ErrFork},
		{ssz.Gloas, "SignedInclusionList", "", 0, ssz.ErrFork},
		{ssz.Heze + 1, "Ping", "", 0, ssz.ErrFork},
		{ssz.Heze, "BeaconBlocksByRootRequest", "", 0, ssz.ErrType},
		{ssz.Heze, "", "", 0, ssz.ErrType},
	} {
		got, err := n.TypeOf(test.fork, test.name)
		if !errors.Is(err, test.err) || got.Name() != test.want || got.Fork() != test.from {
			t.Errorf("%s in %v is %s of %v, error %v", test.name, test.fork, got.Name(), got.Fork(), err)
		}
	}
}

func TestTypeOfKnowsThePreset(t *testing.T) {
	t.Parallel()
	for preset, want := range map[ssz.Preset]int{ssz.MainnetPreset: 48 * 513, ssz.MinimalPreset: 48 * 33, ssz.GnosisPreset: 48 * 513} {
		committee, err := networkOf(preset).TypeOf(ssz.Altair, "SyncCommittee")
		if err != nil {
			t.Fatal(err)
		}
		if least, most := committee.Shape().Bounds(); least != want || most != want {
			t.Errorf("%v: a sync committee has %d to %d bytes, want %d", preset, least, most, want)
		}
	}
}

func TestShapeOfRequests(t *testing.T) {
	t.Parallel()
	cfg := ssz.DefaultConfig(ssz.MainnetPreset)
	cfg.MaxRequestBlocks, cfg.MaxRequestBlocksDeneb, cfg.MaxRequestPayloads = 10, 5, 3
	cfg.MaxBlobsPerBlock, cfg.MaxBlobsPerBlockElectra = 2, 4
	n, err := ssz.NewNetwork(cfg, ssz.Mainnet().GenesisTime(), ssz.Root{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		fork ssz.Fork
		name string
		most int
		err  error
	}{
		{ssz.Capella, "BeaconBlocksByRootRequest", 32 * 10, nil},
		{ssz.Deneb, "beaconblocksbyrootrequest", 32 * 5, nil},
		{ssz.Deneb, "BlobSidecarsByRootRequest", 40 * 5 * 2, nil},
		{ssz.Electra, "BlobSidecarsByRootRequest", 40 * 5 * 4, nil},
		{ssz.Fulu, "DataColumnSidecarsByRootRequest", (4 + 36 + 128*8) * 5, nil},
		{ssz.Gloas, "ExecutionPayloadEnvelopesByRootRequest", 32 * 3, nil},
		{ssz.Fulu, "DataColumnSidecarsByRangeRequest", 20 + 128*8, nil},
		{ssz.Capella, "BlobSidecarsByRootRequest", 0, ssz.ErrFork},
		{ssz.Heze + 1, "BeaconBlocksByRootRequest", 0, ssz.ErrFork},
		{ssz.Fulu, "BeaconBlocksByRoot", 0, ssz.ErrType},
	} {
		shape, err := n.ShapeOf(test.fork, test.name)
		if !errors.Is(err, test.err) {
			t.Errorf("%s in %v: error %v, want %v", test.name, test.fork, err, test.err)
		}
		if err != nil {
			continue
		}
		if _, most := shape.Bounds(); most != test.most {
			t.Errorf("%s in %v has at most %d bytes, want %d", test.name, test.fork, most, test.most)
		}
	}
}
