package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

const somebodysID = "16Uiu2HAkvyhTnmT2f5TQYkoqyyKh9NqtT7pPTajSQSH5vccF4gUq"

// serveOpen serves the development chain, open to operators in every way.
func serveOpen(t *testing.T, flags ...string) serveResult {
	t.Helper()
	dir := importChain(t, blocks(t), finalizedFlags()...)
	s := startServe(t, dir, append([]string{
		"--json", "--http", "--http.port", "0", "--metrics", "--metrics.port", "0", "--pprof",
		"--pprof.port", "0",
	}, flags...)...)
	return decode[serveResult](t, s.line(t))
}

// columns returns a table's cells, without its header.
func columns(t *testing.T, stdout string) (rows [][]string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	for _, line := range lines[1:] {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

func TestLookingIntoANode(t *testing.T) {
	t.Parallel()
	server, other := serveOpen(t), serveOpen(t)
	at := []string{"--attach", server.IPC}
	status := decode[beacon.Status](t, succeed(t, append([]string{"connect", other.Addrs[0], "--json"}, at...)...))
	if status.HeadRoot != devchain.HeadRoot() {
		t.Errorf("the peer told %+v", status)
	}
	id := other.PeerID.String()
	for name, endpoint := range map[string]string{"IPC": server.IPC, "HTTP": server.HTTP} {
		t.Run(name, func(t *testing.T) {
			at := []string{"--attach", endpoint}
			rows := columns(t, succeed(t, append([]string{"peers"}, at...)...))
			if len(rows) != 1 || rows[0][0] != id || rows[0][1] != "reqresp" || rows[0][2] != "outbound" || rows[0][4] != "142" {
				t.Errorf("peers %q", rows)
			}
			peers := decode[[]api.Peer](t, succeed(t, append([]string{"peers", "--json"}, at...)...))
			if len(peers) != 1 || peers[0].PeerID != other.PeerID {
				t.Errorf("peers %+v", peers)
			}
			text := succeed(t, append([]string{"peer", id}, at...)...)
			for _, want := range []string{id, "/eth2/beacon_chain/req/ping/1/ssz_snappy", devchain.HeadRoot().String(), "outbound"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for command, want := range map[string]string{
				"methods": "metadata", "limits": "512/10s+1024", "syncing": "no sync is under way", "budgets": "METHOD",
				"bans": "REASON", "scores": "SCORE", "trusted": "PEER",
			} {
				if text := succeed(t, append([]string{command}, at...)...); !strings.Contains(text, want) {
					t.Errorf("%s: no %q in\n%s", command, want, text)
				}
				succeed(t, append([]string{command, "--json"}, at...)...)
			}
			fail(t, exitFailed, "peer is not connected", append([]string{"peer", somebodysID}, at...)...)
		})
	}
}

func TestChangingANode(t *testing.T) {
	t.Parallel()
	server, other := serveOpen(t), serveOpen(t)
	at := func(args ...string) []string { return append(args, "--attach", server.IPC) }
	rows := columns(t, succeed(t, at("limit", "ping", "--items", "7/10s", "--requests", "9/s")...))
	if len(rows) != 1 || strings.Join(rows[0][:3], " ") != "ping 9/s 7/10s" {
		t.Errorf("limit %q", rows)
	}
	for rate, warned := range map[string]bool{"9/s": false, "1/4s": false, "1/60s+1": true} {
		o := runCLI(t, at("limit", "ping", "--requests", rate)...)
		const want = "reqresp: warning: methods.ping.peer.requests: 1/m refills a request in 1m0s: "
		if o.code != exitOK || strings.HasPrefix(o.stderr, want) != warned || !warned && o.stderr != "" {
			t.Errorf("limit %s: exit code %d, %q", rate, o.code, o.stderr)
		}
	}
	for _, row := range columns(t, succeed(t, at("limits")...)) {
		if changed := strings.HasSuffix(strings.Join(row, " "), " until the node ends"); changed != (row[0] == "ping") {
			t.Errorf("limit %q", row)
		}
	}
	if text := get(t, server.Metrics+"/metrics"); !strings.Contains(text, `reqresp_quota_rate{currency="items",method="ping"} 0.7`) {
		t.Error("the change is not in the metrics")
	}
	if text := get(t, server.Metrics+"/healthz"); text != "ok\n" {
		t.Errorf("health %q", text)
	}
	if text := get(t, server.Pprof+"/debug/pprof/goroutine?debug=1"); !strings.Contains(text, "goroutine profile") {
		t.Errorf("profile %q", text)
	}
	succeed(t, at("connect", other.Addrs[0])...)
	if got := succeed(t, at("disconnect", other.PeerID.String())...); got != other.PeerID.String()+": left\n" {
		t.Errorf("disconnect printed %q", got)
	}
	for _, test := range []struct{ args, want string }{
		{"limit ping --items 1/2h", "not between 1ms and 1h0m0s"},
		{"disconnect " + somebodysID, "is not connected"},
		{"connect " + somebody, "no connection"},
	} {
		fail(t, exitFailed, test.want, at(strings.Fields(test.args)...)...)
	}
	// Whom an operator trusts cannot be banned.
	succeed(t, at("trust", somebodysID)...)
	fail(t, exitFailed, "peer is trusted", at("ban", somebodysID)...)
	if got := succeed(t, at("trusted")...); !strings.Contains(got, somebodysID+"  until the node ends") {
		t.Errorf("trusted printed %q", got)
	}
	succeed(t, at("untrust", somebodysID)...)
	if got := succeed(t, at("ban", somebodysID, "--for", "48h", "--reason", "spam")...); got != somebodysID+": banned for 48h0m0s\n" {
		t.Errorf("ban printed %q", got)
	}
	if rows := columns(t, succeed(t, at("bans")...)); len(rows) != 1 || rows[0][0] != somebodysID || rows[0][2] != "spam" {
		t.Errorf("bans %q", rows)
	}
	succeed(t, at("unban", somebodysID)...)
	if rows := columns(t, succeed(t, at("bans")...)); len(rows) != 0 {
		t.Errorf("bans %q", rows)
	}
	// Over HTTP only what was asked for is exposed.
	fail(t, exitFailed, "--http.api names, such as reqrespadmin", "limit", "ping", "--items", "1/s", "--attach", server.HTTP)
	open := serveOpen(t, "--http.api", "reqresp", "--http.api", "reqrespadmin")
	succeed(t, "limit", "ping", "--items", "1/s", "--attach", open.HTTP)
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, error %v", url, resp.StatusCode, err)
	}
	return string(b)
}

func TestTheNodeIsFoundByItsDatadir(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t)[:2])
	s := startServe(t, dir)
	s.line(t)
	if rows := columns(t, succeed(t, "limits", "--datadir", dir)); len(rows) != 18 {
		t.Errorf("limits %q", rows)
	}
	s.stop()
	fail(t, exitFailed, "no node answers at "+dir+"/reqresp.ipc, is it running?", "limits", "--datadir", dir)
	fail(t, exitFailed, "no node answers at http://127.0.0.1:1, is it running?", "limits", "--attach", "http://127.0.0.1:1")
	// Without a socket there is nothing to find.
	s = startServe(t, dir, "--ipcpath=")
	s.line(t)
	fail(t, exitFailed, "no node answers", "limits", "--datadir", dir)
}

func TestTooLongASocketPath(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t)[:2])
	fail(t, exitFailed, "choose another by --ipcpath", "serve", "--datadir", dir, "--ipcpath", "/tmp/"+strings.Repeat("x", 100))
}

func TestMistakesInTheArgumentsOfOperators(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"peers":                               "which node? Want its --datadir DIR",
		"peers now":                           `peers takes no arguments, not "now"`,
		"peer":                                "ID is missing: want a peer id",
		"peer me":                             `ID "me": want a peer id like 16Uiu2HA`,
		"budgets a b":                         `budgets takes one ID, not "b" beside it`,
		"limit ping":                          "nothing is to change: want --requests, --items or --bytes",
		"limit pong --items 1/s":              `METHOD "pong": want one of beacon_blocks_by_head, beacon_blocks_by_range, `,
		"limit ping --items many":             `--items: "many" is not a rate like "128/10s+256"`,
		"limit":                               "METHOD is missing: want the name of a method, like blocks-by-range",
		"connect 127.0.0.1:9000":              "multiaddr",
		"ban me":                              `ID "me": want a peer id`,
		"ban " + somebodysID + " --for 0s":    `--for: "0s": want a time from 1s to 8760h`,
		"ban " + somebodysID + " --for 9000h": `--for: "9000h": want a time from 1s to 8760h`,
		"ban " + somebodysID + " --for x":     "-for",
	} {
		fields := strings.Fields(args)
		if args != "peers" {
			fields = append(fields, "--attach", "http://127.0.0.1:1") // Nothing is asked before it is understood.
		}
		fail(t, exitUsage, want, fields...)
	}
}

func TestTopNeedsATerminal(t *testing.T) {
	t.Parallel()
	server := serveOpen(t)
	fail(t, exitFailed, "have to be a terminal: see 'reqresp methods --json'", "top", "--attach", server.IPC)
	fail(t, exitUsage, `--every: "1ms": want a time from 100ms to 1h`, "top", "--attach", server.IPC, "--every", "1ms")
}
