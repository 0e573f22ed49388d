package config_test

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
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
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
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
	methods := quota.Served()
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
MaxPeers = 200
MinOutbound = 100
NoDial = true
StaticNodes = ["/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"]
TrustedNodes = ["16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"]
DiscoveryV5 = true
DiscAddr = "127.0.0.1:0"
BootstrapNodesV5 = ["`+bootNode(t)+`"]
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
		"[HTTP]\n", "Enabled = true\n", "Memory = 512\n", "bytes = '1000/m+5KiB'", "max_queue = 3\n", "GenesisTime = 0\n", "[Pprof]\n",
		"[Limits.methods.status]\npeer = {requests = '5/15s+10', ", // a default, in full
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !reflect.DeepEqual(again.HTTP, c.HTTP) || !reflect.DeepEqual(again.Network, c.Network) || !reflect.DeepEqual(again.P2P, c.P2P) {
		t.Errorf("%+v\nwant %+v", again, c)
	}
}

func TestErrorsNameTheKeyAndWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"[HTTP]\nPrt = 1":                       ":2: unknown key HTTP.Prt: [HTTP] has API, Addr, CORSDomain, Enabled, Port, VirtualHosts",
		"[Htpt]\nPort = 1":                      ":1: unknown key Htpt: the top level has HTTP, Limits, Log, Metrics, Network, Node, P2P, Pprof",
		"Port = 1":                              "unknown key Port: the top level has",
		"[Limits.methods.ping.peer]\nblock = 1": "unknown key Limits.methods.ping.peer.block: [Limits.methods.ping.peer] has bytes, items, requests",
		"[Limits.methods.pong]\npeer = {items = \"1/s\"}":   "unknown key Limits.methods.pong: want a method, one of beacon_blocks_by_head, ",
		"[Limits]\nmax_quue = 1":                            "unknown key Limits.max_quue: [Limits] has default, max_concurrent, max_peers, max_queue, methods, node, prefix, preset, score, trusted",
		"[Limits.node]\nitems = 'many'":                     `"many" is no rate, such as "128/10s+256"`,
		"[Limits.node]\nitems = '0/s'":                      "nothing could ever be used",
		"[Limits]\nmax_queue = -1":                          "Limits.max_queue: -1 is not between 1 and 65536",
		"[Limits]\npreset = 'huge'":                         `Limits.preset: there is no preset "huge", only default, home`,
		"[HTTP]\nPort = 70000":                              "HTTP.Port is 70000: want 0 to 65535",
		"[HTTP]\nPort = 'x'":                                ":2: HTTP.Port: cannot decode TOML string: want a whole number",
		"[Node]\nDataDir = 5":                               ":2: Node.DataDir: cannot decode TOML integer: want a text in quotes",
		"[P2P]\nListen = [1]":                               ":2: P2P.Listen",
		"[P2P]\nListen = 'x'":                               ":2: P2P.Listen: cannot decode TOML string: want a list of texts, each in quotes",
		"[Limits]\nnode = 3":                                ":2: Limits.node: cannot decode TOML integer: want a table",
		"[Limits]\nmax_queue = 0":                           "Limits.max_queue: 0 is not allowed, leave it out for the default",
		"[Limits.score]\nban_for = '0s'":                    "Limits.score.ban_for: 0 is not",
		"[Limits.methods.ping]\npeer = { item = '1/s' }":    "unknown key Limits.methods.ping.peer.item: [Limits.methods.ping.peer] has bytes, items, requests",
		"P2P = { MaxPers = 1 }":                             "unknown key P2P.MaxPers: [P2P] has",
		"P2P = { Listen = ['{', '}'], MaxPers = 1 }":        "unknown key P2P.MaxPers: [P2P] has",
		"# {\n\nP2P = { Listen = [\n'x',\n], MaxPers = 1 }": ":5: unknown key P2P.MaxPers: [P2P] has",
		"[Limits]\nmethods = { ping = { peer = { items = '1/s', item = 1 } } }": ":2: unknown key Limits.methods.ping.peer.item: [Limits.methods.ping.peer] has",
		"Limits = { methods . \"ping\".peer = { item = 1 } }":                   "unknown key Limits.methods.ping.peer.item: [Limits.methods.ping.peer] has",
		"Limits = { methods.ping.refse = true }":                                "unknown key Limits.methods.ping.refse: [Limits.methods.ping] has",
		"[Limits.methods]\nping = 3":                                            ":2: Limits.methods.ping: cannot decode TOML integer: want a table",
		"[HTTP]\nAPI = ['eth']":                                                 `HTTP.API is "eth": want reqresp or reqrespadmin`,
		"[Metrics]\nAddr = ''":                                                  "Metrics.Addr is empty: want an address",
		"[Log]\nVerbosity = 'loud'":                                             `Log.Verbosity is "loud": level "loud": want debug, info, warn or error`,
		"[Log]\nFormat = 'xml'":                                                 `Log.Format is "xml": want text or json`,
		"[Network]\nName = 'other'":                                             `Network.Name is "other": want one of mainnet, sepolia, hoodi, gnosis, chiado, holesky, or Network.ConfigFile`,
		"[Network]\nGenesisValidatorsRoot = '12'":                               "Network.GenesisValidatorsRoot: ",
		"[P2P]\nListen = ['127.0.0.1']":                                         `P2P.Listen: "127.0.0.1" is no multiaddr`,
		"[P2P]\nMemory = 63":                                                    "P2P.Memory is 63: want 64 to 1048576 MiB, or 0 for an eighth of the machine's memory",
		"[P2P]\nMemory = -1":                                                    "P2P.Memory is -1: want 64 to",
		"[P2P]\nListen = ['/ip4/127.0.0.1/tcp/0/ws']":                           `P2P.Listen: "/ip4/127.0.0.1/tcp/0/ws" is of no transport that there is: want TCP or QUIC`,
		"[P2P]\nListen = []":                                                    "P2P.Listen is empty",
		"[P2P]\nMaxPers = 1":                                                    "unknown key P2P.MaxPers: [P2P] has BootstrapNodesFile, BootstrapNodesV5, DiscAddr, DiscoveryV5, ExternalIP, Listen, MaxPeers, Memory, MinOutbound, NoDial, NoGossipsub, StaticNodes, TrustedNodes",
		"[P2P]\nMaxPeers = 0":                                                   "P2P.MaxPeers is 0: want 1 to 10000",
		"[P2P]\nMaxPeers = 10001":                                               "P2P.MaxPeers is 10001: want 1 to 10000",
		"[P2P]\nMinOutbound = -1":                                               "P2P.MinOutbound is -1: want 0, which is a quarter of P2P.MaxPeers, to P2P.MaxPeers",
		"[P2P]\nStaticNodes = ['/ip4/1.2.3.4/tcp/1']":                           `P2P.StaticNodes: "/ip4/1.2.3.4/tcp/1": want a multiaddr with the peer's id`,
		"[P2P]\nStaticNodes = ['/p2p/16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq']": "P2P.StaticNodes: ",
		"[P2P]\nTrustedNodes = ['me']":                   `P2P.TrustedNodes: "me": want a peer id like 16Uiu2HA`,
		"[P2P]\nDiscoveryV5 = 1":                         ":2: P2P.DiscoveryV5: cannot decode TOML integer: want true or false",
		"[P2P]\nDiscAddr = '9001'":                       `P2P.DiscAddr: discovery: Listen is "9001", want an IP address and a port like 0.0.0.0:9001`,
		"[P2P]\nBootstrapNodesV5 = ['enr:x']":            `P2P.BootstrapNodesV5: discovery: BootNodes: "enr:x" is no node record`,
		"[P2P]\nExternalIP = ['home']":                   `P2P.ExternalIP has "home": want IP addresses`,
		"[P2P]\nExternalIP = ['0.0.0.0']":                "P2P.ExternalIP: discovery: ExternalIP is 0.0.0.0, want the address of one node",
		"[P2P]\nExternalIP = '192.0.2.1'":                "P2P.ExternalIP: cannot decode TOML string: want a list of texts",
		"[P2P]\nExternalIP = ['192.0.2.1', '192.0.2.2']": "P2P.ExternalIP: discovery: ExternalIP has 192.0.2.1 and 192.0.2.2, want at most one",
		"[P2P]\nNoGossipsub = 1":                         ":2: P2P.NoGossipsub: cannot decode TOML integer: want true or false",
		"[P2P]\nStaticNodes = ['enr:x']":                 `P2P.StaticNodes: node record "enr:x": `,
		"[P2P]\nTrustedNodes = ['enr:x']":                `P2P.TrustedNodes: node record "enr:x": `,
		"[Limits]\ntrusted = []":                         "Limits.trusted is not for this file: want P2P.TrustedNodes in its place",
		"[HTTP\n":                                        ":1: expected ']'",
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

// Keys that exclude each other may come from different places, so that no file is to blame.
func TestKeysAreHeldAgainstEachOtherAtLast(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"[P2P]\nMinOutbound = 65", "P2P.MinOutbound is 65: want at most P2P.MaxPeers, which is 64"},
		{"[P2P]\nBootstrapNodesV5 = ['" + bootNode(t) + "']", "but discovery is off: want P2P.DiscoveryV5 on"},
		{"[P2P]\nDiscoveryV5 = true\nDiscAddr = '0.0.0.0:9000'", "P2P.DiscAddr 0.0.0.0:9000 and /ip4/0.0.0.0/udp/9000/quic-v1 of P2P.Listen have the same UDP port"},
		{"[P2P]\nDiscAddr = '0.0.0.0:9000'", ""}, // which is not listened on
		{"[P2P]\nDiscoveryV5 = true\nDiscAddr = '0.0.0.0:0'\nListen = ['/ip4/0.0.0.0/udp/0/quic-v1']", ""},
	} {
		c := load(t, test.file)
		err := c.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %q", test.file, err, test.want)
		}
	}
}

func TestP2PBecomesOptions(t *testing.T) {
	const id = "16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"
	boot := bootNode(t)
	c := load(t, `
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
	o, err := c.P2P.Peers()
	if err != nil || o.Target != 9 || o.MinOutbound != 3 || !o.NoDial || len(o.Static) != 1 || len(o.Static[0].Addrs) != 2 ||
		o.Static[0].ID.String() != id || len(o.Trusted) != 1 || o.Trusted[0].String() != id {
		t.Errorf("peers %+v, error %v", o, err)
	}
	d, err := c.P2P.Discovery()
	if err != nil || d == nil || d.Listen != "127.0.0.1:0" || !slices.Equal(d.BootNodes, []string{boot}) || fmt.Sprint(d.ExternalIP) != "[203.0.113.7 2001:db8::7]" {
		t.Errorf("discovery %+v, error %v", d, err)
	}
	c = config.Default()
	if d, err := c.P2P.Discovery(); d != nil || err != nil {
		t.Errorf("discovery %+v by default, error %v", d, err)
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
	c := load(t, `
[P2P]
StaticNodes = ["`+record+`", "/ip4/192.0.2.7/tcp/3/p2p/`+node.ID.String()+`"]
TrustedNodes = ["`+record+`"]
`)
	o, err := c.P2P.Peers()
	if err != nil || len(o.Static) != 1 || o.Static[0].ID != node.ID || !slices.Equal(o.Trusted, []peer.ID{node.ID}) {
		t.Fatalf("static %v, trusted %v, error %v", o.Static, o.Trusted, err)
	}
	const want = "[/ip4/192.0.2.1/udp/2/quic-v1 /ip4/192.0.2.1/tcp/1 /ip4/192.0.2.7/tcp/3]"
	if got := fmt.Sprint(o.Static[0].Addrs); got != want {
		t.Errorf("static peer at %s, want %s", got, want)
	}
}
