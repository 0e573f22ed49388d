package config_test

import (
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
	want := []string{"node.bytes: 1024/1s+1024", `methods."my own".peer.requests: 1/1m0s+1`}
	if !slices.Equal(got, want) {
		t.Errorf("warnings are of %q, want %q", got, want)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\nmax_quue = 3\n":                            "config: line 2: there is no setting max_quue here",
		"[methods.ping]\npeer = { byte = \"1/s\" }":   "config: line 2: there is no setting byte here",
		"preset = \"huge\"":                           `config: preset: there is no preset "huge", only default, home, generous, archive, none`,
		"max_queue = \"a\"":                           "config: line 1, column 13: ",
		"[node]\n\nbytes = \"8Mbit/s\"":               `config: line 3, column 9: `,
		"[node]\nbytes = \"8Mbit/s\" ":                `"8Mbit/s" is no rate, such as "2MiB/s+24MiB": "8Mbit" is no whole number`,
		"[node]\nitems = \"8KiB/s\"":                  `"8KiB/s" is no rate, such as "128/10s+256": "8KiB" is no whole number`,
		"[node]\nitems = \"8\"":                       `there is no /`,
		"[node]\nitems = \"8/x\"":                     `unknown unit`,
		"[node]\nitems = \"8/-3s\"":                   `in duration "1-3s"`,
		"[node]\nitems = \"8/0s\"":                    `0s is no time`,
		"[node]\nitems = \"0/s\"":                     `nothing could ever be used`,
		"[node]\nitems = \"1/s+0\"":                   `nothing could ever be used`,
		"[node]\nbytes = \"99999999999999999GiB/s\"":  `"99999999999999999GiB" is too large`,
		"[node]\nitems = \"1/s+99999999\"":            "config: node.items: Burst 99999999 is not between 1 and 86400",
		"max_concurrent = 0":                          "config: max_concurrent: 0 is not allowed, leave it out for the default",
		"[prefix]\nipv4_bits = 0":                     "config: prefix.ipv4_bits: 0 is not",
		"[score]\nlow_cap = 0.0":                      "config: score.low_cap: 0 is not",
		"[score]\nhalf_life = \"0s\"":                 "config: score.half_life: 0 is not",
		"[methods.ping]\nnode = { bytes = \"1/2h\" }": "config: methods.ping.node.bytes: Per 2h0m0s is not between 1ms and 1h0m0s",
		"[methods.GetBlocks]\npeer.items = \"1/2h\"":  "config: methods.GetBlocks.peer.items: Per 2h0m0s is not",
		"[methods.\"/a.B\"]\npeer.items = \"1/2h\"":   `config: methods."/a.B".peer.items: Per 2h0m0s is not`,
		"[methods.Methods]\npeer.items = \"1/2h\"":    "config: methods.Methods.peer.items: Per 2h0m0s is not",
		"[prefix]\nipv4_bits = 40":                    "config: prefix.ipv4_bits: 40 is not between 1 and 32",
		"[prefix]\npeers = 2000":                      "config: prefix.peers: 2000 is not between 0 and 1024",
		"[prefix]\npeers = 0":                         "config: prefix.peers: 0 is not allowed, leave it out for the default",
		"[score]\nban = -10.0":                        "config: score.ban: -10 is not between -100 and -20",
		"trusted = [\"alice\"]":                       `config: trusted: "alice" is no peer ID: `,
		"node = ":                                     "config: line 1, column ",
	} {
		if _, err := config.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: Parse returned\n%v, want\n%s", text, err, want)
		}
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
		if !reflect.DeepEqual(c, again) {
			t.Errorf("read\n%+v, printed and read again\n%+v", c, again)
		}
	})
}
