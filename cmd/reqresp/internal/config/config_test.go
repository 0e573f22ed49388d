package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/limits"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reqresp.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, text string) config.Config {
	t.Helper()
	c := config.Default()
	if err := c.Load(file(t, text)); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, c config.Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDefaultsAreAllowed(t *testing.T) {
	c := config.Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotSetKeepsItsDefault(t *testing.T) {
	got := load(t, `
[HTTP]
Port = 1234
[Limits.methods.ping]
peer = { items = "7/10s" }
`)
	want := config.Default()
	want.HTTP.Port = 1234
	want.Limits = got.Limits
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	served, err := got.Limits.Config()
	if err != nil {
		t.Fatal(err)
	}
	methods := limits.DefaultMethods()
	ping := served.Limits.Methods["ping"].Peer
	if len(served.Limits.Methods) != len(methods) || ping.Items != (limits.Rate{N: 7, Per: 10 * time.Second, Burst: 7}) ||
		ping.Requests != methods["ping"].Peer.Requests {
		t.Errorf("limits %+v", served.Limits)
	}
}

func TestWrittenConfigurationIsReadBack(t *testing.T) {
	c := load(t, `
[Node]
DataDir = '/var/lib/"x"'
[Network]
ConfigFile = "config.yaml"
GenesisTime = 0
[P2P]
Listen = ["/ip4/127.0.0.1/tcp/0"]
[Limits]
preset = "home"
max_queue = 3
[Limits.methods.beacon_blocks_by_range]
peer = { bytes = "1000/m+5KiB" }
[HTTP]
Enabled = true
API = ["reqresp", "reqrespadmin"]
CORSDomain = ["*"]
[Metrics]
Enabled = true
[Log]
Verbosity = "warn,sync=debug"
`)
	text := write(t, c)
	again := config.Default()
	if err := again.Load(file(t, text)); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := write(t, again); got != text {
		t.Errorf("read back as\n%s\nof\n%s", got, text)
	}
	for _, want := range []string{
		"[HTTP]\n", "Enabled = true\n", "bytes = '1000/m+5KiB'", "max_queue = 3\n", "GenesisTime = 0\n", "[Pprof]\n",
		"[Limits.methods.status]\npeer = {requests = '5/15s+10', ", // a default, in full
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !reflect.DeepEqual(again.HTTP, c.HTTP) || !reflect.DeepEqual(again.Network, c.Network) {
		t.Errorf("%+v\nwant %+v", again, c)
	}
}

func TestErrorsNameTheKeyAndWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"[HTTP]\nPrt = 1":                         ":2: unknown key HTTP.Prt: [HTTP] has API, Addr, CORSDomain, Enabled, Port, VirtualHosts",
		"[Htpt]\nPort = 1":                        ":1: unknown key Htpt: the top level has HTTP, Limits, Log, Metrics, Network, Node, P2P, Pprof",
		"Port = 1":                                "unknown key Port: the top level has",
		"[Limits.methods.ping.peer]\nblock = 1":   "unknown key Limits.methods.ping.peer.block: [Limits.methods.ping.peer] has bytes, items, requests",
		"[Limits.methods.pong]\nrefuse = true":    "unknown key Limits.methods.pong: want a method, one of beacon_blocks_by_head, ",
		"[Limits]\nmax_quue = 1":                  "unknown key Limits.max_quue: [Limits] has default, max_concurrent, max_peers, max_queue, methods, node, prefix, preset, score, trusted",
		"[Limits.node]\nitems = 'many'":           `"many" is no rate, such as "128/10s+256"`,
		"[Limits.node]\nitems = '0/s'":            "nothing could ever be used",
		"[Limits]\nmax_queue = -1":                "Limits: config: limits: MaxQueue -1 is not between 1 and 65536",
		"[Limits]\npreset = 'huge'":               `Limits: config: there is no preset "huge", only default, home`,
		"[HTTP]\nPort = 70000":                    "HTTP.Port is 70000: want 0 to 65535",
		"[HTTP]\nPort = 'x'":                      ":2: HTTP.Port: cannot decode TOML string",
		"[HTTP]\nAPI = ['eth']":                   `HTTP.API is "eth": want reqresp or reqrespadmin`,
		"[Metrics]\nAddr = ''":                    "Metrics.Addr is empty: want an address",
		"[Log]\nVerbosity = 'loud'":               `Log.Verbosity is "loud": level "loud": want debug, info, warn or error`,
		"[Log]\nFormat = 'xml'":                   `Log.Format is "xml": want text or json`,
		"[Network]\nName = 'other'":               `Network.Name is "other": want one of mainnet, sepolia, holesky, hoodi, or Network.ConfigFile`,
		"[Network]\nGenesisValidatorsRoot = '12'": "Network.GenesisValidatorsRoot: ",
		"[P2P]\nListen = ['127.0.0.1']":           `P2P.Listen: "127.0.0.1" is no multiaddr`,
		"[P2P]\nListen = []":                      "P2P.Listen is empty",
		"[HTTP\n":                                 ":1: expected ']'",
	} {
		c := config.Default()
		path := file(t, text)
		err := c.Load(path)
		if err == nil || !strings.HasPrefix(err.Error(), path+":") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	c := config.Default()
	if err := c.Load("/none.toml"); err == nil || !strings.Contains(err.Error(), "/none.toml") {
		t.Errorf("error %v", err)
	}
}
