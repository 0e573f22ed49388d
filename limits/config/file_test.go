package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/config"
)

// A node has one file, of which limits are a table.
type nodeFile struct {
	Name   string
	Limits config.File
}

func TestAFileMayBeATableOfALargerOne(t *testing.T) {
	t.Parallel()
	var f nodeFile
	err := toml.Unmarshal([]byte(`
Name = "a"
[Limits]
preset = "home"
[Limits.methods.ping]
peer = { items = "7/10s" }
`), &f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Limits.Config()
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Parse([]byte("preset = \"home\"\n[methods.ping]\npeer = { items = \"7/10s\" }"))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v, error %v", got, want, err)
	}
	if f.Limits, err = got.File(); err != nil {
		t.Fatal(err)
	}
	text, err := toml.Marshal(f)
	if err != nil || !strings.Contains(string(text), "[Limits.methods.ping]\n") {
		t.Errorf("printed as\n%s\nerror %v", text, err)
	}
	var again nodeFile
	if err := toml.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if read, err := again.Limits.Config(); err != nil || !reflect.DeepEqual(read, want) {
		t.Errorf("read back as %+v, want %+v, error %v", read, want, err)
	}
}

func TestAnEmptyFileIsTheDefaultPreset(t *testing.T) {
	t.Parallel()
	got, err := new(config.File).Config()
	if err != nil {
		t.Fatal(err)
	}
	if want := preset(t, config.Default); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestRatesAreReadAsPrinted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]limits.Rate{
		"128/10s+256": {N: 128, Per: 10 * time.Second, Burst: 256},
		"128/10s":     {N: 128, Per: 10 * time.Second, Burst: 128},
		"5/m+6":       {N: 5, Per: time.Minute, Burst: 6},
	} {
		var r config.Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || limits.Rate(r) != want || r.String() == "" {
			t.Errorf("%q is %v, error %v", text, r, err)
		}
		var again config.Rate
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%v is read as %v, error %v", r, again, err)
		}
	}
	var r config.ByteRate
	if err := r.UnmarshalText([]byte("2MiB/s+25165824")); err != nil || r.String() != "2MiB/s+24MiB" {
		t.Errorf("%v, error %v", r, err)
	}
}

func TestWhatIsZeroInARateIsPrintedAsWhatItMeans(t *testing.T) {
	t.Parallel()
	if got := (config.Rate{N: 9}).String(); got != "9/s" {
		t.Errorf("printed as %q", got)
	}
}
