package main

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An sszVector is a line of the vectors of package ssz.
type sszVector struct {
	Preset, Fork, Type string
	Variant            int
	SSZ                string `json:"ssz_hex"`
	Root               string `json:"root_hex"`
}

func (v *sszVector) args(command, file string) []string {
	return []string{"ssz", command, "--preset", v.Preset, "--fork", v.Fork, "--type", v.Type, file}
}

func sszVectors(t *testing.T, preset string) (vectors []sszVector) {
	t.Helper()
	f, err := os.Open("../../ssz/testdata/ssz-" + preset + ".jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<21)
	for lines.Scan() {
		var v sszVector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		vectors = append(vectors, v)
	}
	if lines.Err() != nil || len(vectors) == 0 {
		t.Fatalf("%d vectors, error %v", len(vectors), lines.Err())
	}
	return vectors
}

func TestSSZOfAllTypes(t *testing.T) {
	t.Parallel()
	for _, preset := range []string{"mainnet", "minimal", "gnosis"} {
		for _, v := range sszVectors(t, preset) {
			if v.Variant != 2 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s/%s", v.Preset, v.Fork, v.Type), func(t *testing.T) {
				t.Parallel()
				testSSZ(t, &v)
			})
		}
	}
}

func testSSZ(t *testing.T, v *sszVector) {
	raw, err := hex.DecodeString(v.SSZ)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "object.ssz")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := succeed(t, v.args("root", file)...); got != v.Root+"\n" {
		t.Errorf("root %q, want %q", got, v.Root)
	}
	if got := succeed(t, v.args("check", file)...); got != "valid\n" {
		t.Errorf("check prints %q", got)
	}
	if got := succeed(t, v.args("json", file)...); !json.Valid([]byte(got)) || strings.Count(got, "\n") != 1 {
		t.Errorf("%.100q is not a line of JSON", got)
	}
	for _, command := range []string{"root", "json", "check"} {
		o := runWithInput(t, "0x"+v.SSZ[2:]+"\n", append(v.args(command, "-"), "--hex")...)
		if o.code != exitFailed || o.stdout != "" || !strings.HasPrefix(o.stderr, "reqresp: ssz "+command+": ") {
			t.Errorf("%s without the first byte: exit code %d: %q and %.100q", command, o.code, o.stderr, o.stdout)
		}
	}
}

func TestSSZAsJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, in, want string }{
		{
			"--fork fulu --type MetadataV3", "0x01000000000000000200000000000080" + "03" + "0400000000000000",
			`{"seq_number":"1","attnets":"0x0200000000000080","syncnets":"0x03","custody_group_count":"4"}`,
		},
		{"--fork phase0 --type Ping", "ffffffffffffffff", `"18446744073709551615"`},
		{"--fork phase0 --type BeaconBlocksByRootRequest", strings.Repeat("ab", 32), `["0x` + strings.Repeat("ab", 32) + `"]`},
		{
			"--fork gloas --type PayloadAttestationData --preset minimal", " 0x" + strings.Repeat("00", 40) + "0001\n",
			`{"beacon_block_root":"0x` + strings.Repeat("00", 32) + `","slot":"0","payload_present":false,"blob_data_available":true}`,
		},
	} {
		o := runWithInput(t, test.in, strings.Fields("ssz json --hex - "+test.args)...)
		if o.code != exitOK || o.stdout != test.want+"\n" {
			t.Errorf("%s: exit code %d: %s: %s, want %s", test.args, o.code, o.stderr, o.stdout, test.want)
		}
	}
}

func TestSSZSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, in, want string }{
		{"--type Ping", "0x01", "Ping: wrong size: 1 bytes, want 8"},
		{"--type Ping", "0x0", "malformed hexadecimal"},
		{"--type MetadataV2", strings.Repeat("00", 16) + "10", "MetaDataV2.syncnets: bit set beyond the end"},
		{"--type BeaconBlocksByRootRequest", strings.Repeat("00", 129*32), "list over its limit: 129 elements, want at most 128"},
	} {
		o := runWithInput(t, test.in, strings.Fields("ssz check --hex --fork fulu - "+test.args)...)
		if o.code != exitFailed || o.stdout != "" || !strings.Contains(o.stderr, test.want) {
			t.Errorf("%s: exit code %d: %q and %q, want %q", test.args, o.code, o.stderr, o.stdout, test.want)
		}
	}
	fail(t, exitFailed, "/none", strings.Fields("ssz check --fork fulu --type Ping /none")...)
}

func TestSSZOfWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "endless")
	writeFile(t, path, nil)
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, "more than 67108864 bytes", "ssz", "check", "--fork", "electra", "--type", "SignedBeaconBlock", path)
}
