package ssz_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// fuzzTypes holds the shapes and the decoders of the named types to their promises, in all forks and
// presets that have them. It is seeded with the vectors.
func fuzzTypes(f *testing.F, names ...string) {
	kinds := kindsOf(f, names)
	vectors := allVectors(f)
	for i, k := range kinds {
		for _, v := range vectors {
			if v.Type == k.Type && v.Preset == k.Preset && v.Fork == k.Fork {
				f.Add(uint16(i), []byte(v.SSZ))
			}
		}
		f.Add(uint16(i), []byte{})
	}
	f.Fuzz(func(t *testing.T, which uint16, b []byte) {
		testFuzzed(t, &kinds[int(which)%len(kinds)], b)
	})
}

func testFuzzed(t *testing.T, kind *vector, b []byte) {
	shape := kind.shape(t)
	checkErr := shape.Check(b)
	var object coder
	var err error
	requireFewBytes(t, len(b), func() { object, err = kind.decode(t, b) })
	if (checkErr == nil) != (err == nil) {
		t.Fatalf("check: %v, decode: %v", checkErr, err)
	}
	if err != nil {
		requireCheckError(t, err)
		return
	}
	testEncodes(t, object, b)
	if least, most := shape.Bounds(); len(b) < least || len(b) > most {
		t.Errorf("%d bytes are not within the bounds %d to %d", len(b), least, most)
	}
	root, err := shape.Root(b)
	if err != nil {
		t.Errorf("no root by shape: %v", err)
	}
	if object, ok := object.(ssz.Object); ok {
		if got, err := object.HashTreeRoot(); err != nil || got != root {
			t.Errorf("root %x, error %v, want %x", got, err, root)
		}
	}
	if block, ok := object.(ssz.SignedBlock); ok {
		testPeekAgrees(t, b, block)
	}
	if text, err := shape.AppendJSON(nil, b); err != nil || !json.Valid(text) {
		t.Errorf("JSON %s, error %v", text, err)
	}
}

// kindsOf lists all presets and forks in which the named types are, as vectors without a value.
func kindsOf(tb testing.TB, names []string) (kinds []vector) {
	for _, preset := range presets {
		for fork := ssz.Phase0; fork <= ssz.Heze; fork++ {
			for _, name := range names {
				k := vector{Preset: preset.String(), Fork: fork.String(), Type: name}
				if _, err := k.network(tb).ShapeOf(fork, name); !errors.Is(err, ssz.ErrFork) {
					kinds = append(kinds, k)
				}
			}
		}
	}
	return kinds
}

func FuzzSignedBeaconBlock(f *testing.F) { fuzzTypes(f, "SignedBeaconBlock", "BeaconBlock") }

func FuzzSidecar(f *testing.F) { fuzzTypes(f, "BlobSidecar", "DataColumnSidecar") }

func FuzzLightClient(f *testing.F) {
	fuzzTypes(f, "LightClientBootstrap", "LightClientUpdate", "LightClientFinalityUpdate", "LightClientOptimisticUpdate")
}

func FuzzExecutionPayload(f *testing.F) {
	fuzzTypes(f, "SignedExecutionPayloadEnvelope", "SignedInclusionList")
}

func FuzzMessage(f *testing.F) { fuzzTypes(f, messages...) }

// FuzzParseConfig requires that a configuration that parses can be used.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(withGenesis("PRESET_BASE: minimal\nALTAIR_FORK_VERSION: 0x01000000\nALTAIR_FORK_EPOCH: 0x1\n")))
	f.Add([]byte(withGenesis("BLOB_SCHEDULE:\n- EPOCH: 9\n  MAX_BLOBS_PER_BLOCK: 2\n- EPOCH: 1\n  MAX_BLOBS_PER_BLOCK: 3\n")))
	f.Add([]byte(withGenesis("BLOB_SCHEDULE: '[{EPOCH: 9, MAX_BLOBS_PER_BLOCK: 2}]'\nSLOTS_PER_EPOCH: 32\n")))
	f.Add([]byte("SLOT_DURATION_MS: '1'\nGENESIS_FORK_VERSION: 0x00000001\nX: &a [*a]\n"))
	f.Add([]byte("data: {GENESIS_FORK_VERSION: '0x00000001', PRESET_BASE: gnosis, MIN_EPOCHS_FOR_BLOCK_REQUESTS: '33024'}"))
	for _, file := range networkFiles(f) {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		cfg, err := ssz.ParseConfig(file)
		if err != nil {
			if !errors.Is(err, ssz.ErrConfig) {
				t.Errorf("error %v, want ErrConfig", err)
			}
			return
		}
		n, err := ssz.NewNetwork(*cfg, time.Unix(0, 0), ssz.Root{})
		if err != nil {
			return // two forks of one version
		}
		for _, p := range n.Periods() {
			if of, ok := n.PeriodOf(p.Digest); !ok || of != p || n.PeriodAt(p.First) != p || n.PeriodAt(p.Last) != p {
				t.Errorf("period %+v is not found again", p)
			}
		}
		for fork := ssz.Phase0; fork <= ssz.Heze; fork++ {
			for _, name := range []string{"BlobSidecarsByRootRequest", "SignedInclusionList"} {
				if _, err := n.ShapeOf(fork, name); err != nil && !errors.Is(err, ssz.ErrFork) {
					t.Errorf("%s in %v: %v", name, fork, err)
				}
			}
		}
		n.SlotAt(n.TimeAt(n.StartSlot(ssz.FarFutureEpoch)))
	})
}

func requireCheckError(t *testing.T, err error) {
	t.Helper()
	check, ok := errors.AsType[*ssz.CheckError](err)
	if !ok || check.Type == "" || check.Error() == "" {
		t.Fatalf("error %v is no CheckError", err)
	}
}
