package main

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
)

const somebody = "/ip4/127.0.0.1/tcp/1/p2p/16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"

func TestMistakesInTheArguments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := strings.Repeat("00", 32)
	for _, test := range []struct {
		args string
		want string
		help string // whose
	}{
		{"snyc", `no command "snyc"`, "reqresp"},
		{"--what", "flag provided but not defined: -what", "reqresp"},
		{"sync --what", "flag provided but not defined: -what", "reqresp sync"},
		{"demo now", `"now"`, "reqresp demo"},
		{"demo --verbosity loud", "want debug, info, warn or error", "reqresp demo"},
		{"serve", "want --datadir DIR, REQRESP_DATADIR, or data_dir", "reqresp serve"},
		{"serve --datadir DIR --http.port 70000", `--http.port: "70000": want a whole number from 0 to 65535`, "reqresp serve"},
		{"serve --datadir DIR --http.port many", `--http.port: "many": want a whole number`, "reqresp serve"},
		{"serve --datadir DIR --http=maybe", `--http: "maybe": want true or false`, "reqresp serve"},
		{"serve --datadir DIR --http.api eth", `--http.api: "eth": want reqresp or reqrespadmin`, "reqresp serve"},
		{"serve --datadir DIR --verbosity info,sink=debug", "MODULE is one of service, peers, discovery, beacon, sync, node", "reqresp serve"},
		{"serve --datadir DIR --log.format xml", "want text or json", "reqresp serve"},
		{"config now", `"now"`, "reqresp config"},
		{"serve --datadir DIR now", `"now"`, "reqresp serve"},
		{"serve --datadir DIR --listen 127.0.0.1", "is no multiaddr", "reqresp serve"},
		{"serve --datadir DIR --listen /ip4/127.0.0.1/udp/0", "want TCP or QUIC, like", "reqresp serve"},
		{"serve --datadir DIR --custody 129", `--custody: "129": want 1 to 128 custody groups, or all`, "reqresp serve"},
		{
			"serve --datadir DIR --retention.columns long",
			`--retention.columns: retention "long": want all, spec, or a number of epochs`, "reqresp serve",
		},
		{"serve --datadir DIR --memory 63", `--memory: "63": want 64 to 1048576 MiB, or 0`, "reqresp serve"},
		{"serve --datadir DIR --maxpeers 0", `--maxpeers: "0": want a whole number from 1 to 10000`, "reqresp serve"},
		{"serve --datadir DIR --minoutbound 65", "p2p.min_outbound: is 65, want at most 64, the number of all peers", "reqresp serve"},
		{"serve --datadir DIR --staticnodes 127.0.0.1", `--staticnodes: "127.0.0.1": want a multiaddr with the peer's id`, "reqresp serve"},
		{"serve --datadir DIR --trustednodes me", `--trustednodes: "me": want a peer id`, "reqresp serve"},
		{"serve --datadir DIR --discovery.v5 --discovery.addr x", `--discovery.addr: is "x"`, "reqresp serve"},
		{"serve --datadir DIR --discovery.v5 --bootnodes x", `--bootnodes: has "x", which is no node record`, "reqresp serve"},
		{"serve --datadir DIR --network other", `--network: "other": want one of mainnet`, "reqresp serve"},
		{"serve --datadir DIR --network.config x", "go together", "reqresp serve"},
		{"serve --datadir DIR --genesis-time 1", "go together", "reqresp serve"},
		{"serve --datadir DIR --genesis-time now", `--genesis-time: "now": want a whole number from 0 to`, "reqresp serve"},
		{"serve --datadir DIR --genesis-validators-root 12", "64 hexadecimal digits", "reqresp serve"},
		{"serve --datadir DIR --network mainnet --network.config x", "exclude each other", "reqresp serve"},
		{"import --datadir DIR", "FILE|DIR is missing: want a file, or a directory of era files", "reqresp import"},
		{"era write", `no command "write": want one of list, check`, "reqresp era"},
		{"era list", "FILE|DIR is missing", "reqresp era list"},
		{"era check x --network other", `--network: "other": want one of mainnet`, "reqresp era check"},
		{"import --datadir DIR -", "is new: tell its network", "reqresp import"},
		{"import --datadir DIR - --finalized-epoch 1", "go together", "reqresp import"},
		{"sync --datadir DIR", "PEER is missing", "reqresp sync"},
		{"sync --datadir DIR 127.0.0.1:9000", "multiaddr", "reqresp sync"},
		{"sync --datadir DIR /ip4/127.0.0.1/tcp/1", "want a multiaddr with the peer's id", "reqresp sync"},
		{"sync --datadir DIR enr:x", `PEER node record "enr:x": `, "reqresp sync"},
		{"serve --datadir DIR --discovery.externalip 192.0.2.1 --discovery.externalip 192.0.2.2", "has 192.0.2.1 and 192.0.2.2, want at most one", "reqresp serve"},
		{"sync --datadir DIR PEER PEER", "one PEER", "reqresp sync"},
		{"sync --datadir DIR PEER", "is new: tell its network", "reqresp sync"},
		{"sync --datadir DIR PEER --network mainnet --batch 129", "1 to 128 slots", "reqresp sync"},
		{"sync --datadir DIR PEER --network mainnet --batch 0", "1 to 128 slots", "reqresp sync"},
		{"sync --datadir DIR PEER --network mainnet --rate 0", `--rate: "0": want a whole number from 1 to 1000000`, "reqresp sync"},
		{"sync --datadir DIR PEER --trusted-root 0x12", "64 hexadecimal digits", "reqresp sync"},
		{"ban --datadir DIR ID --for 99999999h", `--for: "99999999h": want a time from 1s to 8760h`, "reqresp ban"},
		{"sync --datadir DIR " + somebody + " --min-rate -1", `--min-rate: "-1": want a number from 0 to`, "reqresp sync"},
		{"sync --datadir DIR " + somebody + " --min-rate fast", `--min-rate: "fast": want a number from 0 to 1000000, but not 0`, "reqresp sync"},
		{"verify --datadir DIR more", `verify takes no arguments, not "more"`, "reqresp verify"},
		{"verify", "a datadir is missing", "reqresp verify"},
		{"call PEER ping --index -1", `--index: "-1": want a whole number from 0 to`, "reqresp call"},
		{"call", "PEER is missing", "reqresp call"},
		{"call PEER", "METHOD is missing: want one of beacon_blocks_by_head, ", "reqresp call"},
		{"call PEER what", `METHOD "what": want one of`, "reqresp call"},
		{"call PEER ping pong", `"pong"`, "reqresp call"},
		{"call PEER ping --count 2", "--count is of no effect with ping", "reqresp call"},
		{"call PEER status --out x", "--out is of no effect with status", "reqresp call"},
		{"call PEER blocks-by-range", "--start-slot", "reqresp call"},
		{"call PEER blocks-by-range --start-slot 1 --count 0", `--count: "0": want a whole number from 1 to `, "reqresp call"},
		{"call PEER blocks-by-range --start-slot 1 --count 129", "allows at most 128", "reqresp call"},
		{"call PEER blocks-by-range --start-slot 1 --root " + root, "of no effect", "reqresp call"},
		{"call PEER blocks-by-range --start-slot 1 --out x", "--out needs --ssz", "reqresp call"},
		{"call PEER blocks-by-range --start-slot 1 --count 2 --ssz", "needs --out", "reqresp call"},
		{"call PEER blocks-by-root", "at least one --root", "reqresp call"},
		{"call PEER blocks-by-head --root " + root + " --count 129", "allows at most 128", "reqresp call"},
		{"call PEER blob-sidecars-by-range --start-slot 9000000 --count 100000", "--count 100000: up to 600000 objects are asked for, of which the network allows at most 1152", "reqresp call"},
		{"call PEER blob-sidecars-by-range --start-slot 12000000 --count 129", "up to 1161 objects are asked for", "reqresp call"},
		{"call PEER data-column-sidecars-by-range --start-slot 1 --count 8193 --index 1 --index 2", "--count 8193 and 2 times --index: up to 16386 objects are asked for, of which the network allows at most 16384", "reqresp call"},
		{"call PEER data-column-sidecars-by-range --start-slot 1 --index 128", "--index 128: want 0 to 127", "reqresp call"},
		{"call PEER light-client-updates-by-range --start-period 1 --count 129", "allows at most 128", "reqresp call"},
		{"call PEER execution-payload-envelopes-by-range --start-slot 1 --count 129", "allows at most 128", "reqresp call"},
		{"call PEER blocks-by-root" + strings.Repeat(" --root "+root, 129), "129 times --root: up to 129 objects are asked for, of which the network allows at most 128", "reqresp call"},
		{"call PEER execution-payload-envelopes-by-root" + strings.Repeat(" --root "+root, 129), "129 times --root", "reqresp call"},
		{"call PEER blob-sidecars-by-root" + strings.Repeat(" --index 1", 9) + strings.Repeat(" --root "+root, 129), "129 times --root and 9 times --index: up to 1161 objects", "reqresp call"},
		{"call PEER data-column-sidecars-by-root" + strings.Repeat(" --index 1", 129) + strings.Repeat(" --root "+root, 128), "allows at most 16384", "reqresp call"},
		{"call PEER data-column-sidecars-by-root --index 1" + strings.Repeat(" --root "+root, 129), "129 times --root: the network allows at most 128", "reqresp call"},
		{"call PEER blocks-by-range --start-slot 18446744073709551615 --count 2", "--start-slot 18446744073709551615 and --count 2: there are no such slots", "reqresp call"},
		{"call PEER light-client-updates-by-range --start-period 18446744073709551615 --count 2", "--start-period 18446744073709551615 and --count 2", "reqresp call"},
		{"call PEER blocks-by-head --root " + root + " --root " + root, "takes one --root, not 2", "reqresp call"},
		{"call PEER light-client-bootstrap --root " + root + "," + root, "takes one --root, not 2", "reqresp call"},
		{"call PEER inclusion-lists-by-indices --start-slot 1 --index 1 --root " + root + " --root " + root, "takes one --root, not 2", "reqresp call"},
		{"call PEER blob-sidecars-by-root --root " + root, "at least one --index", "reqresp call"},
		{"call PEER blob-sidecars-by-range --start-slot 1 --ssz", "needs --out", "reqresp call"},
		{"call PEER light-client-updates-by-range", "needs --start-period", "reqresp call"},
		{"conform", "PEER is missing", "reqresp conform"},
		{"conform PEER PEER", "one PEER", "reqresp conform"},
		{"conform PEER --network goerli", "want one of mainnet, sepolia, hoodi, gnosis, chiado, holesky", "reqresp conform"},
		{"ssz hash", `no command "hash"`, "reqresp ssz"},
		{"ssz root x", `--fork is missing`, "reqresp ssz root"},
		{"ssz json --fork osaka --type Ping -", `"osaka": want one of phase0`, "reqresp ssz json"},
		{"ssz json --fork fulu --type Pong -", `"Pong": want one such as`, "reqresp ssz json"},
		{"ssz check --fork phase0 --type SyncAggregate -", "altair has introduced it", "reqresp ssz check"},
		{"ssz check --fork fulu --type Ping --preset x -", `preset "x"`, "reqresp ssz check"},
		{"ssz check --fork fulu --type Ping", "FILE is missing", "reqresp ssz check"},
		{"ssz check --fork fulu --type Ping a b", `"b"`, "reqresp ssz check"},
		{"ssz check --what", "-what", "reqresp ssz check"},
		{"call PEER blocks-by-root --root 12", "64 hexadecimal digits", "reqresp call"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			text := strings.NewReplacer("DIR", dir, "PEER", somebody).Replace(test.args)
			if strings.Contains(test.want, "is new") || strings.Contains(test.want, "slots") {
				text = strings.ReplaceAll(text, dir, t.TempDir()) // These get as far as opening it.
			}
			o := runCLI(t, strings.Fields(text)...)
			if o.code != exitUsage || !strings.Contains(o.stderr, test.want) || o.stdout != "" {
				t.Errorf("exit code %d: %q and %q, want %q", o.code, o.stderr, o.stdout, test.want)
			}
			if hint := "reqresp: see '" + test.help + " --help'\n"; !strings.HasSuffix(o.stderr, hint) {
				t.Errorf("%q, want %q at the end", o.stderr, hint)
			}
		})
	}
}

// What is zero stands for a default that the help tells in words, if there is one.
func TestHelpShowsNoZeroForADefault(t *testing.T) {
	t.Parallel()
	text, number, wait, every := "", 0, time.Duration(0), time.Minute
	for _, test := range []struct {
		value settings.Value
		want  string
	}{
		{settings.Text(&text, nil), "--flag X\tX"},
		{settings.Number(&number, 0, 1), "--flag X\tX"},
		{settings.Duration(&wait, 0, time.Hour), "--flag X\tX"},
		{settings.Duration(&every, 0, time.Hour), "--flag X\tX (default: \"1m\")"},
	} {
		if got := (&flag{of: settings.New("", "flag", test.value, "`X`")}).String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want string }{
		{"call " + somebody + " status", "no connection to the peer"},
		{"conform " + somebody, "no connection to the peer"},
		{"call " + somebody + " status --network.config /none --genesis-time 1 --genesis-validators-root " + strings.Repeat("00", 32), "/none"},
		{"sync --network mainnet --datadir " + t.TempDir() + " " + somebody, "no connection to the peer"},
		{"serve --datadir /none", "there is no store in /none: fill one"},
	} {
		fail(t, exitFailed, test.want, strings.Fields(test.args)...)
	}
}

func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	for command, wants := range map[string][]string{
		"":           {"reqresp demo", "exit code", "PEER"},
		"demo":       {`{"blocks":204,"bytes":469505,"sidecars":1426,"mismatches":0,"seconds":0.4}`},
		"import":     {"ssz_hex", "context_hex", "--finalized-root", "era file"},
		"serve":      {"SIGTERM", "--era", "--listen", "--genesis-time", "--metrics.port", "--pprof", "--http.api", "--bootnodes", "built in\n   for mainnet, sepolia", "--staticnodes"},
		"era":        {"list", "check", "index", "export", "serve --era"},
		"era check":  {"What a pass proves", "Signatures are not checked", "--network.config"},
		"era list":   {"--json", "empty_slots"},
		"era export": {"as the beacon API serves it", "/eth/v2/debug/beacon/states/SLOT", "--out", "verified"},
		"era index":  {"-roots.e2s", "16 bytes for each block", "written anew", "--network.config"},
		"config":     {"REQRESP_HTTP_PORT", "--ipcpath"},
		"sync":       {"--trusted-root", "--batch", "--rate", "(Prysm about 2 blocks/s", "taken at its word", "--from"},
		"ssz":        {"root", "json", "check", "StatusV2", "unverified"},
		"conform":    {"MUST", "--json", "paces itself", "--junit", "peer id of its own"},
		"call":       {"blocks-by-range", "metadata", "--ssz", "SLOT.ssz"},
	} {
		stdout := succeed(t, append(strings.Fields(command), "--help")...)
		for _, want := range wants {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: no %q in\n%s", command, want, stdout)
			}
		}
		for line := range strings.Lines(stdout) {
			if len(line) > 160 {
				t.Errorf("%s: long line %q", command, line)
			}
		}
	}
	if got, want := succeed(t), succeed(t, "--help"); got != want {
		t.Errorf("without arguments:\n%s", got)
	}
	if got := succeed(t, "--version"); !strings.HasPrefix(got, "reqresp version ") || !strings.Contains(got, "go1.") {
		t.Errorf("version %q", got)
	}
	if o := runCLI(t, "help", "what"); o.code != exitUsage {
		t.Errorf("help of no command: exit code %d: %s", o.code, o.stderr)
	}
}
