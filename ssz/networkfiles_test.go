package ssz_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// networkFiles returns the configuration files of real networks by name, as their repositories have
// published them, and as "lodestar-minimal.yaml" that of a development network, as its node tells it.
func networkFiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	f, err := os.Open("testdata/networks.tar.gz")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string][]byte{}
	archive := tar.NewReader(z)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			tb.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestConfigurationsOfRealNetworks(t *testing.T) {
	t.Parallel()
	files := networkFiles(t)
	if len(files) != 25 {
		t.Errorf("%d files, want 25", len(files))
	}
	for name, file := range files {
		cfg, err := ssz.ParseConfig(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := ssz.NewNetwork(*cfg, time.Unix(1_600_000_000, 0), ssz.Root{1}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, answer := range answers(t, file) {
			if got, err := ssz.ParseConfig(answer); err != nil || !reflect.DeepEqual(got, cfg) {
				t.Errorf("%s: as an answer of the beacon API it is %+v, error %v, want %+v", name, got, err, cfg)
			}
		}
	}
}

// answers returns a configuration as the beacon API answers it, in which all values are strings: with and
// without its envelope.
func answers(tb testing.TB, file []byte) [][]byte {
	tb.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(file, &doc); err != nil {
		tb.Fatal(err)
	}
	data, err := json.MarshalIndent(asStrings(doc.Content[0]), "", "\t")
	if err != nil {
		tb.Fatal(err)
	}
	return [][]byte{data, fmt.Appendf(nil, `{"execution_optimistic":false,"data":%s}`, data)}
}

func asStrings(node *yaml.Node) any {
	switch node.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			list = append(list, asStrings(item))
		}
		return list
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i < len(node.Content); i += 2 {
			object[node.Content[i].Value] = asStrings(node.Content[i+1])
		}
		return object
	default:
		return node.Value
	}
}

// What files state goes before what the specs compute.
func TestStatedValuesOfRealNetworks(t *testing.T) {
	t.Parallel()
	files := networkFiles(t)
	for name, want := range map[string]struct {
		preset                        ssz.Preset
		slot                          time.Duration
		epochs, deneb, electra, lists uint64
		maxPayload                    uint64
	}{
		"mainnet.yaml":                    {ssz.MainnetPreset, 12 * time.Second, 33024, 768, 1152, 16, 10 << 20},
		"spec-mainnet.yaml":               {ssz.MainnetPreset, 12 * time.Second, 33024, 768, 1152, 16, 10 << 20},
		"spec-minimal.yaml":               {ssz.MinimalPreset, 6 * time.Second, 272, 768, 1152, 16, 10 << 20},
		"gnosis.yaml":                     {ssz.GnosisPreset, 5 * time.Second, 33024, 768, 256, 16, 10 << 20},
		"chiado.yaml":                     {ssz.GnosisPreset, 5 * time.Second, 33024, 768, 256, 16, 10 << 20},
		"gnosis-withdrawal-devnet-4.yaml": {ssz.GnosisPreset, 5 * time.Second, 33024, 256, 256, 16, 10 << 20},
		"pectra-devnet-4.yaml":            {ssz.MainnetPreset, 12 * time.Second, 33024, 768, 1152, 16, 10 << 20},
		"glamsterdam-devnet-3.yaml":       {ssz.MainnetPreset, 12 * time.Second, 33024, 768, 1152, 16, 10 << 20},
	} {
		cfg, err := ssz.ParseConfig(files[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if cfg.Preset != want.preset || cfg.SlotDuration != want.slot || cfg.MaxPayloadSize != want.maxPayload ||
			cfg.ComputeMinEpochsForBlockRequests() != want.epochs || cfg.MaxRequestInclusionList != want.lists {
			t.Errorf("%s: %+v, want %+v", name, cfg, want)
		}
		deneb, electra := cfg.ComputeMaxRequestBlobSidecars(ssz.Deneb), cfg.ComputeMaxRequestBlobSidecars(ssz.Electra)
		if deneb != want.deneb || electra != want.electra || cfg.ComputeMaxRequestDataColumnSidecars() != 16384 {
			t.Errorf("%s: %d, %d and %d sidecars, want %d, %d and 16384", name, deneb, electra,
				cfg.ComputeMaxRequestDataColumnSidecars(), want.deneb, want.electra)
		}
	}
}

// Configurations that state what their preset fixes are refused as ones of another preset.
func TestConfigurationsOfAnotherPreset(t *testing.T) {
	t.Parallel()
	files := networkFiles(t)
	for _, n := range []string{"2", "3", "4"} {
		file := string(files["gnosis-withdrawal-devnet-"+n+".yaml"])
		for _, preset := range []string{"mainnet", "minimal"} {
			other := strings.Replace(file, "gnosis", preset, 1)
			_, err := ssz.ParseConfig([]byte(other))
			want := "which the preset " + preset + " (PRESET_BASE) fixes"
			if other == file || !errors.Is(err, ssz.ErrConfig) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s as one of %s: error %v, want ErrConfig with %q", n, preset, err, want)
			}
		}
	}
}
