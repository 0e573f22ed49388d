package config_test

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reqresp.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load reads a file as a command does.
func load(text, path string) (*config.Config, error) {
	c := config.New(slog.LevelInfo)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := c.Load(path); err != nil {
		return nil, err
	}
	if err := c.LoadLimits(); err != nil {
		return nil, err
	}
	return c, c.Resolve()
}

func mustLoad(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := load(text, file(t, ""))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func write(t *testing.T, c *config.Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Settings.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// set returns the lines that set something.
func set(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if line[0] != '#' && line[0] != '\n' && line[0] != '[' {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestDefaultsAreAllowed(t *testing.T) {
	if got := set(write(t, mustLoad(t, ""))); len(got) > 0 {
		t.Errorf("set is %q", got)
	}
}

func TestWhatIsNotSetKeepsItsDefault(t *testing.T) {
	got := mustLoad(t, `
[http]
port = 1234
[limits.methods.blocks-by-range]
peer = { items = "7/10s" }
`)
	if text := set(write(t, got)); !slices.Equal(text, []string{"port = 1234", "items = '7/10s'"}) {
		t.Errorf("set is %q", text)
	}
	want := mustLoad(t, "").Service.Limits
	ranges := want.Methods["beacon_blocks_by_range"]
	ranges.Peer.Items = limits.Rate{N: 7, Per: 10 * time.Second, Burst: 7}
	want.Methods["beacon_blocks_by_range"] = ranges
	if !reflect.DeepEqual(got.Service.Limits, want) {
		t.Errorf("limits %+v\nwant %+v", got.Service.Limits, want)
	}
}

// Files had other keys before, which are still read.
const before = `
[Node]
DataDir = '/var/lib/"x"'
IPCPath = "x.ipc"
Custody = "all"
[Network]
ConfigFile = "config.yaml"
GenesisTime = 0
GenesisValidatorsRoot = "0x0000000000000000000000000000000000000000000000000000000000000000"
[P2P]
Listen = ["/ip4/127.0.0.1/tcp/0"]
MaxPeers = 200
MinOutbound = 100
NoDial = true
StaticNodes = ["/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"]
TrustedNodes = ["16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"]
DiscoveryV5 = true
DiscAddr = "127.0.0.1:0"
BootstrapNodesV5 = ["BOOT"]
ExternalIP = ["203.0.113.7", "2001:db8::7"]
NoGossipsub = true
Memory = 512
[Limits]
preset = "home"
max_queue = 3
[Limits.methods.beacon_blocks_by_range]
peer = { bytes = "1000/m+5KiB" }
[HTTP]
Enabled = true
Addr = "0.0.0.0"
Port = 0
API = ["reqresp", "reqrespadmin"]
VirtualHosts = []
CORSDomain = ["*"]
[Metrics]
Enabled = true
[Pprof]
Enabled = true
[Log]
Verbosity = "warn,sync=debug"
Format = "json"
`

func TestWrittenConfigurationIsReadBack(t *testing.T) {
	c := mustLoad(t, strings.Replace(before, "BOOT", bootNode(t), 1))
	text := write(t, c)
	again := mustLoad(t, text)
	if got := write(t, again); got != text {
		t.Errorf("read back as\n%s\nof\n%s", got, text)
	}
	if got, want := len(set(text)), 31; got != want {
		t.Errorf("%d are set, want %d:\n%s", got, want, text)
	}
	for _, want := range []string{
		"[http]\n", "\nenabled = true\n", "\ncustody = 'all'\n", "\nmemory = 512\n", "\nbytes = '1000/m+5KiB'", "\nmax_queue = 3\n", "\ngenesis_time = 0\n",
		"[limits.methods.status.peer]\n# requests = '5/15s+10'\n", // a default
		"\n# number of peers to have: a whole number from 1 to 10000\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	again.Settings, c.Settings = nil, nil
	if !reflect.DeepEqual(again.HTTP, c.HTTP) || !reflect.DeepEqual(again.Network, c.Network) || !reflect.DeepEqual(again.Service, c.Service) {
		t.Errorf("%+v\nwant %+v", again, c)
	}
}

func TestErrorsNameTheKeyAndWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"[http]\nprt = 1":                           ":2: unknown key http.prt: [http] has addr, api, cors_domain, enabled, port, virtual_hosts",
		"[htpt]\nport = 1":                          ":1: unknown key htpt: the top level has http, limits, log, metrics, network, node, p2p, pprof",
		"port = 1":                                  ":1: unknown key port: the top level has",
		"[limits.methods.ping.peer]\nblock = 1":     ":2: unknown key limits.methods.ping.peer.block: [limits.methods.ping.peer] has bytes, items, requests",
		"[limits.methods.pong]\npeer.items = '1/s'": ":1: unknown key limits.methods.pong: [limits.methods] has beacon_blocks_by_head, ",
		"[limits]\nmax_quue = 1":                    ":2: unknown key limits.max_quue: [limits] has default, max_concurrent, max_peers, max_queue, methods, node, prefix, preset, score, trusted",
		"[limits.node]\nitems = 'many'":             `:2: limits.node.items: "many" is not a rate like "128/10s+256"`,
		"[limits.node]\nitems = '0/s'":              "rate and burst must be positive",
		"[limits.node]\nitems = '1/2h'":             ": limits.node.items: Per 2h0m0s is not between",
		"[limits]\nmax_queue = -1":                  `limits.max_queue: "-1": want a whole number from 1 to 65536`,
		"[limits]\npreset = 'huge'":                 `limits.preset: "huge": want one of default, home`,
		"[http]\nport = 70000":                      `:2: http.port: "70000": want a whole number from 0 to 65535`,
		"[http]\nport = 'x'":                        ":2: http.port: x: want a whole number",
		"[node]\ndata_dir = 5":                      ":2: node.data_dir: 5: want a text in quotes",
		"[p2p]\nlisten = [1]":                       ":2: p2p.listen: [1]: want a list of texts, each in quotes",
		"[p2p]\nlisten = 'x'":                       ":2: p2p.listen: x: want a list of texts, each in quotes",
		"[limits]\nnode = 3":                        ":2: limits.node: want a table with bytes, items, requests",
		"limits = 3":                                ":1: limits: want a table with preset",
		"p2p = { max_pers = 1 }":                    ":1: unknown key p2p.max_pers: [p2p] has",
		"p2p = { external_ip = [], static_nodes = [], max_pers = 1, trusted_nodes = ['{', '}'] }": ":1: unknown key p2p.max_pers: [p2p] has",
		"# {\n\np2p = { listen = [\n'/ip4/1.2.3.4/tcp/1',\n], max_pers = 1 }":                     ":5: unknown key p2p.max_pers: [p2p] has",
		"[limits]\nmethods = { ping = { peer = { items = '1/s', item = 1 } } }":                   ":2: unknown key limits.methods.ping.peer.item: [limits.methods.ping.peer] has",
		"limits = { methods . \"ping\".peer = { item = 1 } }":                                     ":1: unknown key limits.methods.ping.peer.item: [limits.methods.ping.peer] has",
		"[limits.methods]\nping = 3":                                                              ":2: limits.methods.ping: want a table",
		"[http]\napi = ['eth']":                                                                   `http.api: "eth": want reqresp or reqrespadmin`,
		"[metrics]\naddr = ''":                                                                    `metrics.addr: "": want an address`,
		"[log]\nverbosity = 'loud'":                                                               `log.verbosity: level "loud": want debug, info, warn or error`,
		"[log]\nformat = 'xml'":                                                                   `log.format: "xml": want text or json`,
		"[network]\nname = 'other'":                                                               `network.name: "other": want one of mainnet, sepolia, hoodi, gnosis, chiado, holesky, or network.config_file`,
		"[network]\ngenesis_validators_root = '12'":                                               "network.genesis_validators_root: ",
		"[network]\ngenesis_time = -1":                                                            `network.genesis_time: "-1": want a whole number from 0 to 18446744073709551615`,
		"[p2p]\nlisten = ['127.0.0.1']":                                                           `p2p.listen: "127.0.0.1" is no multiaddr`,
		"[p2p]\nlisten = ['/ip4/127.0.0.1/tcp/0/ws']":                                             `is of no transport that there is: want TCP or QUIC`,
		"[p2p]\nlisten = []":                                                                      "p2p.listen: []: want one multiaddr or more",
		"[node]\ncustody = '129'":                                                                 `:2: node.custody: "129": want 1 to 128 custody groups, or all`,
		"[node]\ncustody = '0'":                                                                   `node.custody: "0": want 1 to 128 custody groups, or all`,
		"[node]\ncustody = 4":                                                                     "node.custody: 4: want a text in quotes",
		"[retention]\nblocks = '-1'":                                                              `retention.blocks: retention "-1": want all, spec, or a number of epochs`,
		"[retention]\nblocks = 'spec'\n[node]\nera_dir = 'x'":                                     "retention.blocks: is spec, want all with era files",
		"[p2p]\nmemory = 63":                                                                      `:2: p2p.memory: "63": want 64 to 1048576 MiB, or 0`,
		"[p2p]\nmemory = -1":                                                                      `p2p.memory: "-1": want a whole number from 0 to 1048576`,
		"[p2p]\nmax_peers = 0":                                                                    `p2p.max_peers: "0": want a whole number from 1 to 10000`,
		"[p2p]\nmin_outbound = -1":                                                                `p2p.min_outbound: "-1": want a whole number from 0`,
		"[p2p]\nmin_outbound = 65":                                                                "p2p.min_outbound: is 65, want at most 64, the number of all peers",
		"[p2p]\nstatic_nodes = ['/ip4/1.2.3.4/tcp/1']":                                            `p2p.static_nodes: "/ip4/1.2.3.4/tcp/1": want a multiaddr with the peer's id`,
		"[p2p]\nstatic_nodes = ['enr:x']":                                                         `p2p.static_nodes: node record "enr:x": `,
		"[p2p]\ntrusted_nodes = ['me']":                                                           `p2p.trusted_nodes: "me": want a peer id like 16Uiu2HA`,
		"[p2p]\ndiscovery_v5 = 1":                                                                 ":2: p2p.discovery_v5: 1: want true or false",
		"[p2p]\ndisc_addr = '9001'":                                                               `p2p.disc_addr: is "9001", want an IP address and a port like 0.0.0.0:9001`,
		"[p2p]\nbootstrap_nodes_v5 = ['enr:x']":                                                   `p2p.bootstrap_nodes_v5: has "enr:x", which is no node record`,
		"[p2p]\nexternal_ip = ['home']":                                                           `p2p.external_ip: "home": want IP addresses`,
		"[p2p]\nexternal_ip = ['0.0.0.0']":                                                        "p2p.external_ip: is 0.0.0.0, want the address of one node",
		"[p2p]\nexternal_ip = ['192.0.2.1', '192.0.2.2']":                                         "p2p.external_ip: has 192.0.2.1 and 192.0.2.2, want at most one",
		"[limits]\ntrusted = []":                                                                  ":2: limits.trusted: is not for this file: want p2p.trusted_nodes in its place",
		"[http\n":                                                                                 ":1: expected ']'",
		"[http]\nport = 1\nPort = 2":                                                              ":3: http.port is set twice",
		"[p2p]\nbootstrap_nodes_v5 = ['BOOT']":                                                    "p2p.bootstrap_nodes_v5 has nodes, but discovery is off",
		"[p2p]\nbootstrap_nodes_file = 'x'":                                                       "p2p.bootstrap_nodes_file has nodes, but discovery is off",
		"[p2p]\ndiscovery_v5 = true\nbootstrap_nodes_file = '/none'":                              "p2p.bootstrap_nodes_file: open /none",
		"[p2p]\ndiscovery_v5 = true\ndisc_addr = '0.0.0.0:9000'":                                  "p2p.disc_addr: has the UDP port 9000, on which libp2p listens at /ip4/0.0.0.0/udp/9000/quic-v1: choose another",
	} {
		path := file(t, "")
		_, err := load(strings.Replace(text, "BOOT", bootNode(t), 1), path)
		if want, _ = strings.CutPrefix(want, "PATH"); err == nil || !strings.Contains(err.Error(), want) ||
			want[0] == ':' && !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if err := config.New(slog.LevelInfo).Load("/none.toml"); err == nil || !strings.Contains(err.Error(), "/none.toml") {
		t.Errorf("error %v", err)
	}
}

// What is wrong in the configuration of the service is told by the key that a file has for it.
func TestErrorsOfTheServiceNameTheKey(t *testing.T) {
	for key, set := range map[string]func(*plugin.Config){
		"p2p.listen":        func(c *plugin.Config) { c.Listen = []string{"x"} },
		"p2p.max_peers":     func(c *plugin.Config) { c.Peers.Target = -1 },
		"p2p.min_outbound":  func(c *plugin.Config) { c.Peers.MinOutbound = 65 },
		"p2p.static_nodes":  func(c *plugin.Config) { c.Peers.Static = make([]peer.AddrInfo, 1) },
		"p2p.trusted_nodes": func(c *plugin.Config) { c.Peers.Trusted = make([]peer.ID, 1) },
	} {
		c := mustLoad(t, "")
		set(&c.Service)
		if err := c.Resolve(); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("error %v, want one of %s", err, key)
		}
	}
	var many string
	for range 257 {
		many += "- " + bootNode(t) + "\n"
	}
	want := "p2p.bootstrap_nodes_v5, p2p.bootstrap_nodes_file: are 257, at most 256 are allowed"
	if _, err := load("[p2p]\ndiscovery_v5 = true\nbootstrap_nodes_file = '"+file(t, many)+"'", file(t, "")); err == nil ||
		!strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestMethodsHaveTwoNames(t *testing.T) {
	for text, want := range map[string]string{
		"beacon_blocks_by_range": "beacon_blocks_by_range", "blocks-by-range": "beacon_blocks_by_range", "beacon-blocks-by-range": "beacon_blocks_by_range",
		"blocks_by_root": "beacon_blocks_by_root", "ping": "ping", "blob-sidecars-by-range": "blob_sidecars_by_range",
	} {
		if got, err := config.ParseMethod(text); err != nil || got != want {
			t.Errorf("%s is %q, error %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "pong", "beacon_ping", "sidecars"} {
		if _, err := config.ParseMethod(text); text != "beacon_ping" && (err == nil || !strings.Contains(err.Error(), "want one of beacon_blocks_by_head, ")) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// bootNode returns the record of a node.
func bootNode(t *testing.T) string {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return recordOf(t, key, enr.IPv4{127, 0, 0, 1}, enr.UDP(9001))
}

// recordOf returns the record of a node with some entries.
func recordOf(t *testing.T, key *ecdsa.PrivateKey, entries ...enr.Entry) string {
	t.Helper()
	var r enr.Record
	for _, e := range entries {
		r.Set(e)
	}
	if err := enode.SignV4(&r, key); err != nil {
		t.Fatal(err)
	}
	n, err := enode.New(enode.ValidSchemes, &r)
	if err != nil {
		t.Fatal(err)
	}
	return n.String()
}

func TestP2PBecomesOptions(t *testing.T) {
	const id = "16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"
	boot := bootNode(t)
	c := mustLoad(t, `
[P2P]
MaxPeers = 9
MinOutbound = 3
NoDial = true
StaticNodes = ["/ip4/127.0.0.1/tcp/1/p2p/`+id+`", "/ip4/127.0.0.1/udp/1/quic-v1/p2p/`+id+`"]
TrustedNodes = ["`+id+`"]
DiscoveryV5 = true
DiscAddr = "127.0.0.1:0"
BootstrapNodesV5 = ["`+boot+`"]
ExternalIP = ["203.0.113.7", "2001:db8::7"]
`)
	o := c.Service.Peers
	if o.Target != 9 || o.MinOutbound != 3 || !o.NoDial || len(o.Static) != 1 || len(o.Static[0].Addrs) != 2 ||
		o.Static[0].ID.String() != id || len(o.Trusted) != 1 || o.Trusted[0].String() != id {
		t.Errorf("peers %+v", o)
	}
	d := c.Service.Discovery
	if d == nil || d.Listen != "127.0.0.1:0" || !slices.Equal(d.BootNodes, []string{boot}) || fmt.Sprint(d.ExternalIP) != "[203.0.113.7 2001:db8::7]" {
		t.Errorf("discovery %+v", d)
	}
	if d := mustLoad(t, "").Service.Discovery; d != nil {
		t.Errorf("discovery %+v by default", d)
	}
}

// A node record is as good as a multiaddr or an id, and several names of one peer are one peer.
func TestPeersAreNamedByRecords(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	record := recordOf(t, key, enr.IPv4{192, 0, 2, 1}, enr.QUIC(2), enr.TCP(1))
	node, err := discovery.ParsePeer(record)
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, `
[P2P]
StaticNodes = ["`+record+`", "/ip4/192.0.2.7/tcp/3/p2p/`+node.ID.String()+`"]
TrustedNodes = ["`+record+`"]
`)
	o := c.Service.Peers
	if len(o.Static) != 1 || o.Static[0].ID != node.ID || !slices.Equal(o.Trusted, []peer.ID{node.ID}) {
		t.Fatalf("static %v, trusted %v", o.Static, o.Trusted)
	}
	const want = "[/ip4/192.0.2.1/udp/2/quic-v1 /ip4/192.0.2.1/tcp/1 /ip4/192.0.2.7/tcp/3]"
	if got := fmt.Sprint(o.Static[0].Addrs); got != want {
		t.Errorf("static peer at %s, want %s", got, want)
	}
}
