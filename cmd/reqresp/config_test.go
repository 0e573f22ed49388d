package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	for _, want := range []string{
		"[HTTP]\nEnabled = false\nAddr = '127.0.0.3'\nPort = 3\n", "VirtualHosts = ['b', 'c']",
		"Verbosity = 'error'", "GenesisTime = 7", "Memory = 128", "MaxPeers = 30\n", "StaticNodes = ['" + somebody + "']\n",
		"TrustedNodes = ['" + somebodysID + "']\n", "DiscoveryV5 = true\n", "[Metrics]\nEnabled = true\n", "[Pprof]\nEnabled = false\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
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
	fail(t, exitFailed, path+":2: unknown key HTTP.Prt: [HTTP] has API, Addr, ", "serve", "--config", path)
	writeFile(t, path, []byte("[Metrics]\nPort = -1\n"))
	fail(t, exitFailed, path+": Metrics.Port is -1: want 0 to 65535", "config", "--config", path)
	fail(t, exitFailed, "/none.toml", "config", "--config", "/none.toml")
	t.Setenv("REQRESP_PPROF_PORT", "many")
	fail(t, exitFailed, `REQRESP_PPROF_PORT "many": want a whole number`, "config")
}

func TestEverySettingHasAFlagAndAVariable(t *testing.T) {
	text := succeed(t, "config", "--help")
	var names []string
	for _, s := range allSettings() {
		name := s.flag.Names()[0]
		if slices.Contains(names, name) || !strings.Contains(text, "--"+name) {
			t.Errorf("%s is there twice, or not in the help", name)
		}
		names = append(names, name)
		if source, ok := s.flag.(interface{ GetEnvVars() []string }); !ok || len(source.GetEnvVars()) != 1 {
			t.Errorf("%s has no variable", name)
		}
	}
}
