package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A store that knows sepolia from before Gloas was scheduled is served with the digest of Gloas, whether the network
// is left to the store or named.
func TestServeFollowsTodaysSchedule(t *testing.T) {
	t.Parallel()
	old := *named(t, "sepolia")
	old.Config = strings.Replace(old.Config, "GLOAS_FORK_EPOCH: 353024", "GLOAS_FORK_EPOCH: 18446744073709551615", 1)
	for _, flags := range [][]string{nil, {"--network", "sepolia"}} {
		dir := t.TempDir()
		remember(t, dir, old)
		s := startServe(t, dir, append(flags, "--json")...)
		if got := decode[serveResult](t, s.line(t)); got.ForkDigest.String() != "0x669e6c11" {
			t.Errorf("%v: fork digest %v, want 0x669e6c11", flags, got.ForkDigest)
		}
		const change = "GLOAS_FORK_EPOCH is 353024, was not scheduled"
		if o := s.stop(); o.code != exitOK || !strings.Contains(o.stderr, change) {
			t.Errorf("%v: exit code %d: %s", flags, o.code, o.stderr)
		}
		if got := storedIn(t, dir); got != *named(t, "sepolia") {
			t.Errorf("%v: the store remembers %v with %q", flags, got, got.Config)
		}
	}
}

func storedIn(t *testing.T, dir string) store.Network {
	t.Helper()
	n, err := storedNetwork(dir)
	if err != nil || n == nil {
		t.Fatal(err)
	}
	return *n
}

func TestNamesOfNetworks(t *testing.T) {
	t.Parallel()
	help := succeed(t, "serve", "--help")
	if want := "mainnet, sepolia, hoodi, gnosis, chiado, holesky (retired)"; !strings.Contains(help, want) {
		t.Errorf("no %q in\n%s", want, help)
	}
	for _, name := range ssz.NetworkNames() {
		text := succeed(t, "config", "--network", name)
		if want := fmt.Sprintf("\nname = '%s'\n", name); !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// The answer of a beacon node to /eth/v1/config/spec is a configuration; other files are none.
func TestNetworkConfigurationFiles(t *testing.T) {
	t.Parallel()
	file, flags := linesFile(t, blocks(t)[:3]), devNetwork(t)
	var data strings.Builder
	for line := range strings.Lines(devchain.Config()) {
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ": "); ok && strings.Trim(key, " -#") == key && value != "" {
			fmt.Fprintf(&data, "%q:%q,", key, value)
		}
	}
	answer := `{"data":{` + data.String() + `"BLOB_SCHEDULE":[],"SLOTS_PER_EPOCH":"32"}}`
	for _, test := range []struct{ file, says string }{
		{answer, ""},
		{"global: {scrape_interval: 15s}\nscrape_configs: []", "the configuration of Prometheus"},
		{`{"config":{"chainId":1},"difficulty":"0x1","alloc":{}}`, "the genesis of the execution layer"},
		{strings.ToLower(devchain.Config()), "keys are in capitals"},
		{strings.Replace(answer, `"32"`, `"16"`, 1), "which the preset mainnet (PRESET_BASE) fixes"},
	} {
		writeFile(t, flags[1], []byte(test.file))
		args := append([]string{"import", "--datadir", t.TempDir(), file}, flags...)
		if test.says == "" {
			succeed(t, args...)
			continue
		}
		fail(t, exitFailed, test.says, args...)
	}
}
