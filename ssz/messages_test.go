package ssz_test

import (
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// messages are the names of all messages, by the vectors' spelling where there are some.
var messages = []string{
	"StatusV1", "StatusV2", "Ping", "Goodbye", "MetadataV1", "MetadataV2", "MetadataV3",
	"BeaconBlocksByRangeRequest", "BeaconBlocksByRootRequest", "BeaconBlocksByHeadRequest",
	"BlobSidecarsByRangeRequest", "BlobIdentifier", "BlobSidecarsByRootRequest",
	"DataColumnSidecarsByRangeRequest", "DataColumnsByRootIdentifier", "DataColumnSidecarsByRootRequest",
	"LightClientBootstrapRequest", "LightClientUpdatesByRangeRequest",
	"ExecutionPayloadEnvelopesByRangeRequest", "ExecutionPayloadEnvelopesByRootRequest",
	"InclusionListsByIndicesRequest",
}

func TestDecodeMalformedMessages(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]int{
		"StatusV1": 84, "StatusV2": 92, "MetadataV1": 16, "MetadataV2": 17, "MetadataV3": 25,
		"Ping": 8, "Goodbye": 8, "BeaconBlocksByRangeRequest": 24, "BeaconBlocksByHeadRequest": 40,
		"BlobSidecarsByRangeRequest": 16, "BlobIdentifier": 40, "LightClientBootstrapRequest": 32,
		"LightClientUpdatesByRangeRequest": 16, "ExecutionPayloadEnvelopesByRangeRequest": 16,
		"InclusionListsByIndicesRequest": 42,
	} {
		message := vector{Preset: "mainnet", Fork: "heze", Type: name}
		for n := range 100 {
			_, err := message.decode(t, make([]byte, n))
			if n == good && err != nil {
				t.Errorf("%s: %d bytes: %v", name, n, err)
			}
			if n != good && !isCheckError(err, "", ssz.ErrSize) {
				t.Errorf("%s: %d bytes: error %v, want ErrSize", name, n, err)
			}
		}
	}
	if _, err := ssz.Decode[ssz.MetaDataV2](at(make([]byte, 17), 16, 0x10)); !isCheckError(err, "syncnets", ssz.ErrPadding) {
		t.Errorf("fifth sync subnet: error %v, want ErrPadding", err)
	}
	var ping ssz.Ping
	if err := ping.UnmarshalSSZ(make([]byte, 9)); !isCheckError(err, "", ssz.ErrSize) {
		t.Errorf("ping of 9 bytes: error %v, want ErrSize", err)
	}
	var goodbye ssz.Goodbye
	if err := goodbye.UnmarshalSSZ(nil); !isCheckError(err, "", ssz.ErrSize) {
		t.Errorf("goodbye of no bytes: error %v, want ErrSize", err)
	}
	var roots ssz.BeaconBlocksByRootRequest
	if err := roots.UnmarshalSSZ(make([]byte, 33)); !isCheckError(err, "", ssz.ErrSize) {
		t.Errorf("33 bytes of roots: error %v, want ErrSize", err)
	}
	shape := ssz.Mainnet().BeaconBlocksByRootShape(300_000)
	if err := shape.Check(make([]byte, 129*32)); !isCheckError(err, "", ssz.ErrLimit) {
		t.Errorf("129 roots: error %v, want ErrLimit", err)
	}
}

func TestUnmarshalReplacesRoots(t *testing.T) {
	t.Parallel()
	roots := ssz.BeaconBlocksByRootRequest{{1}, {2}}
	b := []byte(strings.Repeat("a", 32))
	if err := roots.UnmarshalSSZ(b); err != nil || len(roots) != 1 || roots.SizeSSZ() != 32 {
		t.Fatalf("%d roots, error %v, want 1", len(roots), err)
	}
	b[0] = 'b'
	if roots[0][0] != 'a' {
		t.Error("the request shares memory with its input")
	}
}
