package ssz_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestText(t *testing.T) {
	t.Parallel()
	type all struct {
		Root    ssz.Root
		Version ssz.Version
		Digest  ssz.ForkDigest
	}
	want := all{ssz.Root{0: 0xab, 31: 1}, ssz.Version{1, 2, 3, 4}, ssz.ForkDigest{0xff}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if s := `{"Root":"0xab` + strings.Repeat("0", 61) + `1","Version":"0x01020304","Digest":"0xff000000"}`; string(text) != s {
		t.Errorf("%s, want %s", text, s)
	}
	var got all
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%+v, error %v, want %+v", got, err, want)
	}
	if err := got.Version.UnmarshalText([]byte("AABBCCDD")); err != nil || got.Version != (ssz.Version{0xaa, 0xbb, 0xcc, 0xdd}) {
		t.Errorf("version %v, error %v", got.Version, err)
	}
}

func TestMalformedText(t *testing.T) {
	t.Parallel()
	root, version, digest := ssz.Root{1}, ssz.Version{2}, ssz.ForkDigest{3}
	for _, text := range []string{"", "0x", "0x0", "0x010203", "0x0102030405", "0x0102030g", "0X01020304"} {
		for _, err := range []error{
			root.UnmarshalText([]byte(text)),
			version.UnmarshalText([]byte(text)),
			digest.UnmarshalText([]byte(text)),
		} {
			if !errors.Is(err, ssz.ErrHex) {
				t.Errorf("%q: error %v, want ErrHex", text, err)
			}
		}
	}
	if root != (ssz.Root{1}) || version != (ssz.Version{2}) || digest != (ssz.ForkDigest{3}) {
		t.Error("a malformed text changed the value")
	}
}

func TestForks(t *testing.T) {
	t.Parallel()
	for f := ssz.Phase0; f <= ssz.Heze; f++ {
		if got, err := ssz.ParseFork(strings.ToUpper(f.String())); err != nil || got != f {
			t.Errorf("%v parses as %v, error %v", f, got, err)
		}
	}
	if got := ssz.Fork(9).String(); got != "fork_9" {
		t.Errorf("fork 9 is %q", got)
	}
	if _, err := ssz.ParseFork("fork_9"); !errors.Is(err, ssz.ErrFork) {
		t.Errorf("error %v, want ErrFork", err)
	}
}

func TestPresets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		preset            ssz.Preset
		slots, validators uint64
		epochs            uint64
	}{
		{ssz.MainnetPreset, 32, 512, 256},
		{ssz.MinimalPreset, 8, 32, 8},
		{ssz.GnosisPreset, 16, 512, 512},
	} {
		if got, err := ssz.ParsePreset(test.preset.String()); err != nil || got != test.preset {
			t.Errorf("%v parses as %v, error %v", test.preset, got, err)
		}
		if test.preset.SlotsPerEpoch() != test.slots || test.preset.SyncCommitteeSize() != test.validators ||
			test.preset.EpochsPerSyncCommitteePeriod() != test.epochs {
			t.Errorf("%v has other constants than %+v", test.preset, test)
		}
	}
	if got := ssz.Preset(5).String(); got != "preset_5" {
		t.Errorf("preset 5 is %q", got)
	}
	if _, err := ssz.ParsePreset("preset_5"); !errors.Is(err, ssz.ErrConfig) {
		t.Errorf("error %v, want ErrConfig", err)
	}
}
