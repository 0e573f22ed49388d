package config_test

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/limits/score"
)

const mib = 1 << 20

func parse(t *testing.T, text string) config.Config {
	t.Helper()
	c, err := config.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func preset(t *testing.T, name string) config.Config {
	t.Helper()
	c, err := config.Preset(name)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.Effective(); err != nil {
		t.Fatal(err)
	}
	return c
}

func wantSame(t *testing.T, got, want config.Config) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("configuration is\n%+v\nwant\n%+v", got, want)
	}
}

func TestFileSaysWhatIsDifferent(t *testing.T) {
	t.Parallel()
	want := preset(t, config.Home)
	want.Limits.MaxQueue = 7
	want.Limits.Node.Bytes = limits.Rate{N: 2 * mib, Per: time.Second, Burst: 32 * mib}
	want.Limits.Prefix = limits.Prefix{Peers: 4, IPv4Bits: 24, IPv6Bits: 56}
	ranges := want.Limits.Methods["beacon_blocks_by_range"]
	ranges.Peer.Items = limits.Rate{N: 64, Per: 10 * time.Second, Burst: 128}
	ranges.Node.Bytes = limits.Rate{N: 512 << 10, Per: time.Second, Burst: 512 << 10}
	want.Limits.Methods["beacon_blocks_by_range"] = ranges
	want.Limits.Methods["my_own"] = limits.Method{Peer: limits.Quota{
		Requests: limits.Rate{N: 3, Per: time.Minute, Burst: 3},
		Items:    want.Limits.Default.Peer.Items,
		Bytes:    want.Limits.Default.Peer.Bytes,
	}}
	want.Score.HalfLife = 5 * time.Minute
	want.Score.Ban = -60
	wantSame(t, parse(t, `
preset = "home"
max_queue = 7

[node]
bytes = "2MiB/s+32MiB"

[prefix]
peers = 4
ipv6_bits = 56

[score]
half_life = "5m"
ban = -60.0

[methods.beacon_blocks_by_range]
peer = { items = "64/10s+128" }
node.bytes = "512KiB/1s"

[methods.my_own]
peer.requests = "3/m"
`), want)
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	t.Parallel()
	var zero config.Config
	want, err := zero.Effective()
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, parse(t, ""), want)
	wantSame(t, parse(t, `preset = "default"`), want)
}

func TestWhatIsPrintedReadsTheSame(t *testing.T) {
	t.Parallel()
	for _, name := range config.Presets() {
		c := preset(t, name)
		m := c.Limits.Methods["ping"]
		m.Node.Requests = limits.Rate{N: 5, Per: 1500 * time.Millisecond, Burst: 5}
		c.Limits.Methods["ping"] = m
		c, err := c.Effective()
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.Format()
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, parse(t, string(text)), c)
	}
}

func TestTrustedPeers(t *testing.T) {
	t.Parallel()
	const id = "16Uiu2HAkuq1QXX2S9NLhMGsiCjE5SVLyEwwhsBr6sSwpyxWPvnKZ"
	c := parse(t, `trusted = ["`+id+`"]`)
	if len(c.Trusted) != 1 || c.Trusted[0].String() != id {
		t.Errorf("trusted are %v", c.Trusted)
	}
	text, err := c.Format()
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, parse(t, string(text)), c)
}

// methods are those of the consensus specs, phase0 to heze, and of the feature
// eip8025.
var methods = []string{
	"status", "goodbye", "ping", "metadata",
	"beacon_blocks_by_range", "beacon_blocks_by_root", "beacon_blocks_by_head",
	"blob_sidecars_by_range", "blob_sidecars_by_root",
	"data_column_sidecars_by_range", "data_column_sidecars_by_root",
	"light_client_bootstrap", "light_client_updates_by_range",
	"light_client_finality_update", "light_client_optimistic_update",
	"execution_payload_envelopes_by_range", "execution_payload_envelopes_by_root",
	"inclusion_lists_by_indices",
	"execution_proofs_by_range", "execution_proofs_by_root", "execution_proof_status",
}

func TestPresetsHaveEveryMethod(t *testing.T) {
	t.Parallel()
	for _, name := range []string{config.Default, config.Home, config.Generous, config.Archive} {
		c := preset(t, name)
		for method := range c.Limits.Methods {
			if !slices.Contains(methods, method) {
				t.Errorf("%s has %s, which nobody speaks", name, method)
			}
		}
		for _, method := range methods {
			if _, ok := c.Limits.Methods[method]; !ok {
				t.Errorf("%s does not have %s", name, method)
			}
		}
	}
}

// strictest is what the strictest of the deployed servers grants, so that what
// every requester can be expected to keep to.
var strictest = map[string]limits.Rate{
	"beacon_blocks_by_range":               {N: 64, Per: 30 * time.Second, Burst: 128},
	"beacon_blocks_by_root":                {N: 64, Per: 30 * time.Second, Burst: 128},
	"blob_sidecars_by_range":               {N: 384, Per: 30 * time.Second, Burst: 896},
	"blob_sidecars_by_root":                {N: 384, Per: 30 * time.Second, Burst: 768},
	"data_column_sidecars_by_range":        {N: 4096, Per: 30 * time.Second, Burst: 16384},
	"data_column_sidecars_by_root":         {N: 4096, Per: 30 * time.Second, Burst: 16384},
	"execution_payload_envelopes_by_range": {N: 64, Per: 30 * time.Second, Burst: 128},
	"execution_payload_envelopes_by_root":  {N: 64, Per: 30 * time.Second, Burst: 128},
}

func TestPresetsGrantWhatTheStrictestServerDoes(t *testing.T) {
	t.Parallel()
	perSecond := func(r limits.Rate) float64 { return float64(r.N) / r.Per.Seconds() }
	for _, name := range config.Presets() {
		if name == config.None {
			continue
		}
		c := preset(t, name)
		for method, want := range strictest {
			got := c.Limits.Methods[method].Peer.Items
			if got.Burst < want.Burst || perSecond(got) < perSecond(want) {
				t.Errorf("%s grants %v of %s, which is less than %v", name, got, method, want)
			}
		}
		for method, m := range c.Limits.Methods {
			if m.Peer.Bytes.Burst < 12*mib {
				if m.Peer.Items.Burst > 0 && slices.Contains([]string{"inclusion_lists_by_indices", "light_client_updates_by_range"}, method) {
					continue // whose chunks are bounded by far less
				}
				t.Errorf("%s grants a burst of %d bytes of %s, which is less than the largest chunk", name, m.Peer.Bytes.Burst, method)
			}
			if m.Peer.Bytes.N > c.Limits.Node.Bytes.N {
				t.Errorf("%s grants a peer more of %s than the node has", name, method)
			}
		}
	}
}

func TestPresetsCanBeApplied(t *testing.T) {
	t.Parallel()
	limiter, err := limits.New(&limits.Options{Addr: func(peer.ID) netip.Addr { return netip.Addr{} }})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range config.Presets() {
		c := preset(t, name)
		if err := limiter.Apply(c.Limits); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := limiter.Config(); !reflect.DeepEqual(got, c.Limits) {
			t.Errorf("%s: in effect is %+v", name, got)
		}
		if _, err := score.New(&score.Options{Config: c.Score, Trusted: c.Trusted}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPresetsMakeNobodyWaitAtTheFloor(t *testing.T) {
	t.Parallel()
	for _, name := range config.Presets() {
		for _, warning := range preset(t, name).Warnings() {
			t.Errorf("%s: %v", name, warning)
		}
	}
}

func TestWarningsNameThePlace(t *testing.T) {
	t.Parallel()
	c := parse(t, "[node]\nbytes = \"1KiB/s\"\n[methods.\"my own\"]\npeer = { requests = \"1/60s+1\" }")
	var got []string
	for _, warning := range c.Warnings() {
		key, _, _ := strings.Cut(warning.Error(), " refills ")
		got = append(got, key)
	}
	want := []string{"node.bytes: 1024/s", `methods."my own".peer.requests: 1/m`}
	if !slices.Equal(got, want) {
		t.Errorf("warnings are of %q, want %q", got, want)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\nmax_quue = 3\n":                            "config: line 2: unknown key max_quue: the top level has default, max_concurrent, ",
		"[methods.ping]\npeer = { byte = \"1/s\" }":   "config: line 2: unknown key methods.ping.peer.byte: [methods.ping.peer] has bytes, items, requests",
		"preset = \"huge\"":                           `config: line 1: preset: "huge": want one of default, home, generous, archive, none`,
		"max_queue = \"a\"":                           "config: line 1: max_queue: a: want a whole number from 1 to 65536",
		"[node]\n\nbytes = \"8Mbit/s\"":               `config: line 3: node.bytes: "8Mbit/s" is not a rate like "2MiB/s+24MiB": "8Mbit" is not a whole number`,
		"[node]\nitems = \"8KiB/s\"":                  `"8KiB/s" is not a rate like "128/10s+256": "8KiB" is not a whole number`,
		"[node]\nitems = \"8\"":                       `there is no /`,
		"[node]\nitems = \"8/x\"":                     `unknown unit`,
		"[node]\nitems = \"8/-3s\"":                   `in duration "1-3s"`,
		"[node]\nitems = \"8/0s\"":                    `period 0s must be positive`,
		"[node]\nitems = \"0/s\"":                     `rate and burst must be positive`,
		"[node]\nitems = \"1/s+0\"":                   `rate and burst must be positive`,
		"[node]\nitems = 8":                           `line 2: node.items: 8: want a text in quotes`,
		"[node]\nitems = \"\"":                        `line 2: node.items: "" is not a rate`,
		"[node]\nbytes = \"99999999999999999GiB/s\"":  `"99999999999999999GiB" is too large`,
		"[node]\nitems = \"1/s+99999999\"":            "config: node.items: Burst 99999999 is not between 1 and 86400",
		"max_concurrent = 0":                          "config: line 1: max_concurrent: \"0\": want a whole number from 1 to 1024",
		"[prefix]\nipv4_bits = 0":                     "config: line 2: prefix.ipv4_bits: \"0\": want",
		"[score]\nlow_cap = 0.0":                      "config: line 2: score.low_cap: \"0\": want a number from 0 to 100, but not 0",
		"[score]\nhalf_life = \"0s\"":                 "config: line 2: score.half_life: \"0s\": want a time of at least 1s",
		"[methods.ping]\nnode = { bytes = \"1/2h\" }": "config: methods.ping.node.bytes: Per 2h0m0s is not between 1ms and 1h0m0s",
		"[methods.GetBlocks]\npeer.items = \"1/2h\"":  "config: methods.GetBlocks.peer.items: Per 2h0m0s is not",
		"[methods.\"/a.B\"]\npeer.items = \"1/2h\"":   `config: methods."/a.B".peer.items: Per 2h0m0s is not`,
		"[methods.\"/a.B\"]\npeer.items = \"x\"":      `config: line 2: methods."/a.B".peer.items: "x" is not`,
		"[methods.Methods]\npeer.items = \"1/2h\"":    "config: methods.Methods.peer.items: Per 2h0m0s is not",
		"[methods]\nping = 3":                         "config: line 2: methods.ping: want a table with node, peer, refuse",
		"[methods.ping]\nrefuse = true":               "config: line 2: methods.ping.refuse: is no longer a setting: delete it",
		"[[methods]]":                                 "config: line 1: methods: want a table with beacon_blocks_by_head",
		"node = 3":                                    "config: line 1: node: want a table with bytes, items, requests",
		"[node.items]":                                "config: line 1: node.items is a table: want a text in quotes",
		"[node]\nitems = '1/s'\nItems = '2/s'":        "config: line 3: node.items is set twice",
		"[prefix]\nipv4_bits = 40":                    "config: line 2: prefix.ipv4_bits: \"40\": want a whole number from 1 to 32",
		"[prefix]\npeers = 2000":                      "config: line 2: prefix.peers: \"2000\": want a whole number from -1 to 1024",
		"[prefix]\npeers = 0":                         "config: line 2: prefix.peers: 0 is not allowed, leave it out for the default",
		"[score]\nban = -10.0":                        "config: score.ban: -10 is not between -100 and -20",
		"trusted = [\"alice\"]":                       `config: line 1: trusted: "alice" is not a peer ID: `,
		"node = ":                                     "config: line 1: ",
	} {
		if _, err := config.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: Parse returned\n%v, want\n%s", text, err, want)
		}
	}
}

// What a file may set is what the packages accept.
func TestRangesAreThoseOfThePackages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key, least, most string
		over             func(*config.Config)
	}{
		{"max_concurrent", "1", "1024", func(c *config.Config) { c.Limits.MaxConcurrent++ }},
		{"max_queue", "1", "65536", func(c *config.Config) { c.Limits.MaxQueue++ }},
		{"max_peers", "1", "1048576", func(c *config.Config) { c.Limits.MaxPeers++ }},
		{"prefix.peers", "-1", "1024", func(c *config.Config) { c.Limits.Prefix.Peers++ }},
		{"prefix.ipv4_bits", "1", "32", func(c *config.Config) { c.Limits.Prefix.IPv4Bits++ }},
		{"prefix.ipv6_bits", "1", "128", func(c *config.Config) { c.Limits.Prefix.IPv6Bits++ }},
		{"score.low_cap", "0.5", "100", func(c *config.Config) { c.Score.LowCap++ }},
		{"score.mid_cap", "0.5", "100", func(c *config.Config) { c.Score.MidCap++ }},
		{"score.high_cap", "0.5", "100", func(c *config.Config) { c.Score.HighCap++ }},
		{"score.reward_cap", "0.5", "100", func(c *config.Config) { c.Score.RewardCap++ }},
		{"score.max_peers", "1", "1048576", func(c *config.Config) { c.Score.MaxPeers++ }},
		{"score.half_life", "'24h'", "'1s'", func(c *config.Config) { c.Score.HalfLife-- }},
		{"score.window", "'24h'", "'1s'", func(c *config.Config) { c.Score.Window-- }},
		{"score.ban_for", "'24h'", "'1s'", func(c *config.Config) { c.Score.BanFor-- }},
		{"score.ban", "-20.5", "-100", func(c *config.Config) { c.Score.Ban-- }},
		{"score.disconnect", "-49.5", "-0.5", func(c *config.Config) { c.Score.Disconnect++ }},
	} {
		parse(t, test.key+" = "+test.least)
		c := parse(t, test.key+" = "+test.most)
		test.over(&c)
		if _, err := c.Effective(); err == nil {
			t.Errorf("%s may be more than %s", test.key, test.most)
		}
	}
}

// A printed file goes on to have the defaults of whoever reads it.
func TestPrintedFileSetsWhatDiffers(t *testing.T) {
	t.Parallel()
	text, err := parse(t, "preset = \"home\"\nmax_queue = 7\n[methods.status]\npeer.items = \"3/s\"\n[score]\nban = -50.0").Format()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line != "\n" && line[0] != '#' && line[0] != '[' {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if want := []string{"preset = 'home'", "max_queue = 7", "items = '3/s'"}; !slices.Equal(lines, want) {
		t.Errorf("it sets %q, want %q", lines, want)
	}
	for _, want := range []string{
		"# max_concurrent = 2\n", "[methods.ping.peer]\n# requests = '3/10s+5'\n", "# ban = -50\n",
		"# requests that may wait for that; more are refused and lower the peer's score: a whole number from 1 to 65536\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// What a file says of the default goes for the methods which leave out a rate, in every preset.
func TestMethodsTakeTheDefaultOfTheFile(t *testing.T) {
	t.Parallel()
	for _, name := range config.Presets() {
		c := parse(t, "preset = \""+name+"\"\n[methods.ping.node]\nitems = \"1/s\"\n[default.peer]\nitems = \"77/s\"")
		if got := c.Limits.Methods["ping"].Peer.Items.N; got != 77 {
			t.Errorf("%s: %d items", name, got)
		}
	}
}

// Whoever names a method changes no other one.
func TestOneMethodChangesNoOther(t *testing.T) {
	t.Parallel()
	for _, name := range config.Presets() {
		want := preset(t, name).Limits
		status := limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: time.Second, Burst: 1}}}
		composed, err := config.Config{
			Preset: name, Limits: limits.Config{MaxQueue: 7, Methods: map[string]limits.Method{"status": status}},
		}.Effective()
		if err != nil {
			t.Fatal(err)
		}
		if got := composed.Limits; got.Node != want.Node || got.Default != want.Default || got.MaxQueue != 7 || got.Prefix != want.Prefix {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		for _, got := range []limits.Config{composed.Limits, parse(t, "preset = \""+name+"\"\n[methods.status.peer]\nrequests = \"1/s\"").Limits} {
			for method, quota := range want.Methods {
				if method != "status" && got.Methods[method] != quota {
					t.Errorf("%s: %s has %+v, want %+v", name, method, got.Methods[method], quota)
				}
			}
			if got.Methods["status"].Peer.Requests != status.Peer.Requests {
				t.Errorf("%s: status has %+v", name, got.Methods["status"])
			}
		}
	}
}

func TestKeysMayBeWrittenWithCapitals(t *testing.T) {
	t.Parallel()
	c := parse(t, "MaxQueue = 7\n[Prefix]\nIPv4Bits = 20\n[Methods.ping]\nPeer = { Items = \"7/s\" }")
	if c.Limits.MaxQueue != 7 || c.Limits.Prefix.IPv4Bits != 20 || c.Limits.Methods["ping"].Peer.Items.N != 7 {
		t.Errorf("%+v", c.Limits)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "limits.toml")
	if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Load of no file returned %v", err)
	}
	if err := os.WriteFile(path, []byte("max_queue = 0x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), path+": config: line 1") {
		t.Errorf("Load of a malformed file returned %v", err)
	}
	if err := os.WriteFile(path, []byte("max_queue = 5"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load(path); err != nil || c.Limits.MaxQueue != 5 {
		t.Errorf("Load returned %d and %v", c.Limits.MaxQueue, err)
	}
}

// Names of methods are no keys of ours: those that differ in an underscore alone are others.
func TestMethodsAreNamedExactly(t *testing.T) {
	c := parse(t, "[methods.foo_bar]\npeer.items = '7/10s'\n[methods.foobar]\npeer.items = '8/10s'\n"+
		"[methods.beaconblocksbyrange]\npeer.items = '9/10s'\n")
	for name, want := range map[string]uint64{"foo_bar": 7, "foobar": 8, "beaconblocksbyrange": 9} {
		if got := c.Limits.Method(name).Peer.Items.N; got != want {
			t.Errorf("%s has %d items, want %d", name, got, want)
		}
	}
	preset, err := config.Preset(config.Default)
	if err != nil {
		t.Fatal(err)
	}
	if name := "beacon_blocks_by_range"; c.Limits.Method(name) != preset.Limits.Method(name) {
		t.Errorf("%s is %+v", name, c.Limits.Method(name))
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range config.Presets() {
		c, err := config.Preset(name)
		if err != nil {
			f.Fatal(err)
		}
		text, err := c.Format()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("preset = \"home\"\n[methods.x]\npeer.bytes = \"1MiB/1h+3\"\n"))
	f.Add([]byte("[methods.x]\npeer.requests = \"40/1s+80\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse(data)
		if err != nil {
			return
		}
		text, err := c.Format()
		if err != nil {
			t.Fatalf("what was read cannot be printed: %v", err)
		}
		again, err := config.Parse(text)
		if err != nil {
			t.Fatalf("what was printed cannot be read: %v\n%s", err, text)
		}
		if first, second := distinct(c), distinct(again); !reflect.DeepEqual(first, second) {
			t.Errorf("read\n%+v, printed and read again\n%+v", first, second)
		}
	})
}

// distinct returns c without the methods whose limits are those of any other: they need not be printed.
func distinct(c config.Config) config.Config {
	unnamed := c.Limits.Method("")
	c.Limits.Methods = maps.Clone(c.Limits.Methods)
	maps.DeleteFunc(c.Limits.Methods, func(_ string, m limits.Method) bool { return m == unnamed })
	return c
}
