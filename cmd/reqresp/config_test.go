package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
)

// The environment is the process's, so that these do not run in parallel.

func TestFlagsGoBeforeTheEnvironmentBeforeTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reqresp.toml")
	writeFile(t, path, []byte(`
[HTTP]
Port = 1
Addr = "127.0.0.2"
VirtualHosts = ["a"]
[Log]
Verbosity = "error"
`))
	t.Setenv("REQRESP_CONFIG", path)
	t.Setenv("REQRESP_HTTP_ADDR", "127.0.0.3")
	t.Setenv("REQRESP_HTTP_PORT", "2")
	t.Setenv("REQRESP_HTTP_VHOSTS", "b,c")
	t.Setenv("REQRESP_METRICS", "true")
	t.Setenv("REQRESP_GENESIS_TIME", "7")
	t.Setenv("REQRESP_MEMORY", "128")
	t.Setenv("REQRESP_MAXPEERS", "20")
	t.Setenv("REQRESP_TRUSTEDNODES", somebodysID)
	t.Setenv("REQRESP_DISCOVERY_V5", "true")
	text := succeed(t, "config", "--http.port", "3", "--staticnodes", somebody, "--maxpeers", "30")
	var lines []string
	for line := range strings.Lines(text) {
		if line[0] != '#' && line[0] != '\n' {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if want := []string{
		"[node]", "[retention]", "[network]", "genesis_time = 7",
		"[p2p]", "max_peers = 30", "static_nodes = ['" + somebody + "']", "trusted_nodes = ['" + somebodysID + "']", "discovery_v5 = true", "memory = 128",
		"[http]", "addr = '127.0.0.3'", "port = 3", "virtual_hosts = ['b', 'c']", "[metrics]", "enabled = true", "[pprof]",
		"[log]", "verbosity = 'error'", "[limits]", "[limits.prefix]",
	}; len(lines) < len(want) || !slices.Equal(lines[:len(want)], want) {
		t.Errorf("set is %q, want %q", lines, want)
	}
	// What is printed, as a file, comes to the same without flags and environment.
	printed := filepath.Join(t.TempDir(), "printed.toml")
	writeFile(t, printed, []byte(text))
	for _, name := range []string{"CONFIG", "HTTP_ADDR", "HTTP_PORT", "HTTP_VHOSTS", "METRICS", "GENESIS_TIME", "MAXPEERS", "TRUSTEDNODES", "DISCOVERY_V5", "MEMORY"} {
		os.Unsetenv("REQRESP_" + name)
	}
	if again := succeed(t, "config", "--config", printed); again != text {
		t.Errorf("printed\n%s\nof\n%s", again, text)
	}
}

func TestMistakesInSettingsNameTheirPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reqresp.toml")
	writeFile(t, path, []byte("[HTTP]\nPrt = 1\n"))
	fail(t, exitFailed, path+":2: unknown key HTTP.Prt: [http] has addr, api, ", "serve", "--config", path)
	writeFile(t, path, []byte("[Metrics]\nPort = -1\n"))
	fail(t, exitFailed, path+":2: metrics.port: \"-1\": want a whole number from 0 to 65535", "config", "--config", path)
	fail(t, exitFailed, "/none.toml", "config", "--config", "/none.toml")
	t.Setenv("REQRESP_PPROF_PORT", "many")
	fail(t, exitFailed, `REQRESP_PPROF_PORT: "many": want a whole number`, "config")
}

func TestEverySettingHasAFlagAndAVariable(t *testing.T) {
	help := succeed(t, "config", "--help")
	var names []string
	for _, s := range config.New(loud).Settings {
		if slices.Contains(names, s.Flag) || !strings.Contains(help, "--"+s.Flag) {
			t.Errorf("%s is there twice, or not in the help", s.Flag)
		}
		names = append(names, s.Flag)
		if s.Variable() == "" {
			t.Errorf("%s has no variable", s.Flag)
		}
	}
}

// A file that was printed with a preset gives way to another preset on the command line, but for what it sets.
func TestThePresetOfAFlagWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reqresp.toml")
	writeFile(t, path, []byte(succeed(t, "config", "--limits.preset", "home")+"\n[limits.methods.ping.node]\nitems = '9/s'\n"))
	text := succeed(t, "config", "--config", path, "--limits.preset", "archive")
	for _, want := range []string{
		"preset = 'archive'\n", "[limits.methods.ping.node]\nitems = '9/s'\n", "[limits.methods.beacon_blocks_by_range.peer]\n# requests = '40/s+80'\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "'home'") {
		t.Errorf("the preset of the file is still there in\n%s", text)
	}
}
