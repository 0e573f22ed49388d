package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
)

// walkConfig serves one block a second, after a burst of sixteen: nobody gets the 142 blocks of
// the development chain before a test loses patience.
const walkConfig = `
[Node]
DataDir = %q
[P2P]
Listen = ["/ip4/127.0.0.1/udp/0/quic-v1"]
Memory = 64
[Limits.methods.beacon_blocks_by_range]
peer = { items = "1/s+16" }
[HTTP]
Enabled = true
Port = 0
[Metrics]
Enabled = true
Port = 0
[Log]
Verbosity = "warn,service=info"
`

// serveFile serves what a configuration file says.
func serveFile(t *testing.T, path string) (*serving, serveResult) {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	s := &serving{lines: bufio.NewReader(r), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		var stderr bytes.Buffer
		s.result.code = run(ctx, []string{"reqresp", "serve", "--config", path, "--json"}, strings.NewReader(""), w, &stderr)
		s.result.stderr = stderr.String()
		w.Close()
	}()
	t.Cleanup(func() { s.stop() })
	return s, decode[serveResult](t, s.line(t))
}

// startSync begins to sync a new store from a node, and returns what it came to.
func startSync(t *testing.T, addr string) func() outcome {
	t.Helper()
	args := append([]string{"sync", "--json", "--batch", "16", "--datadir", t.TempDir(), addr}, devNetwork(t)...)
	done := make(chan outcome, 1)
	go func() { done <- runCLI(t, args...) }()
	return func() outcome { return <-done }
}

// waitUntil asks a node until it tells what is waited for.
func waitUntil(t *testing.T, what string, told func(ctx context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := told(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		if ok {
			return
		}
		<-tick.C
	}
}

// served returns what a node has served of blocks by range.
func served(ctx context.Context, c *client.Client) (api.Method, error) {
	methods, err := c.Methods(ctx)
	for _, m := range methods {
		if m.Method == "beacon_blocks_by_range" && m.Direction == "inbound" {
			return m, err
		}
	}
	return api.Method{}, err
}

// An operator starts a node from a file, sees its peers wait, lets them go on, parts from one, and
// starts it again.
func TestAnOperatorsWalk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "reqresp.toml")
	dir := importChain(t, blocks(t), finalizedFlags()...)
	writeFile(t, path, fmt.Appendf(nil, walkConfig, dir))
	node, at := serveFile(t, path)
	c, err := client.Dial(t.Context(), at.IPC)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	// Two peers sync, and are made to wait.
	syncs := []func() outcome{startSync(t, at.Addrs[0]), startSync(t, at.Addrs[0])}
	waitUntil(t, "two peers that wait", func(ctx context.Context) (bool, error) {
		m, err := served(ctx, c)
		return m.Waiting == 2, err
	})
	const quota = `reqresp_quota_rate{currency="items",method="beacon_blocks_by_range"} `
	text := get(t, at.Metrics+"/metrics")
	for _, want := range []string{
		quota + "1\n",
		`reqresp_waiting_requests{method="beacon_blocks_by_range",stage="chunk"} 2`,
		`reqresp_peers{client="reqresp",direction="inbound"} 2`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
	peers := columns(t, succeed(t, "peers", "--attach", at.HTTP))
	if len(peers) != 2 {
		t.Fatalf("peers %q", peers)
	}

	// A limit is changed while they do, and they go on at once.
	succeed(t, "limit", "blocks-by-range", "--items", "1000/s", "--datadir", dir)
	for _, end := range syncs {
		o := end()
		if o.code != exitOK {
			t.Fatalf("sync: exit code %d: %s", o.code, o.stderr)
		}
		if got := decode[syncResult](t, o.stdout); got.Blocks != 142 || got.HeadRoot != devchain.HeadRoot() {
			t.Errorf("synced %+v", got)
		}
	}
	text = get(t, at.Metrics+"/metrics")
	for _, want := range []string{quota + "1000\n", `reqresp_chunks_total{direction="inbound",method="beacon_blocks_by_range"} 284`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}

	// The node dials another one, and bans it.
	other := serveOpen(t)
	succeed(t, "connect", other.Addrs[0], "--datadir", dir)
	succeed(t, "ban", other.PeerID.String(), "--for", "48h", "--reason", "test", "--datadir", dir)
	waitUntil(t, "no peers", func(ctx context.Context) (bool, error) {
		peers, err := c.Peers(ctx)
		return len(peers) == 0, err
	})

	if got := succeed(t, "limits", "--attach", at.HTTP); strings.Count(got, "until the node ends") != 1 {
		t.Errorf("the change is not marked in\n%s", got)
	}

	// It stops cleanly, and is the same when it is started again, with the limits of its file and the
	// ban there was.
	o := node.stop()
	if o.code != exitOK || !strings.Contains(o.stderr, "limit was changed") || strings.Contains(o.stderr, "level=WARN") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	node, again := serveFile(t, path)
	if again.PeerID != at.PeerID {
		t.Errorf("peer id %v after a restart, %v before", again.PeerID, at.PeerID)
	}
	text = get(t, again.Metrics+"/metrics")
	for _, want := range []string{quota + "1\n", "reqresp_bans 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the metrics after a restart", want)
		}
	}
	bans := columns(t, succeed(t, "bans", "--attach", again.HTTP))
	if len(bans) != 1 || bans[0][0] != other.PeerID.String() || bans[0][2] != "test" {
		t.Errorf("bans %q after a restart", bans)
	}
	fail(t, exitFailed, "peer is banned", "connect", other.Addrs[0], "--datadir", dir)
	if o := node.stop(); o.code != exitOK {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

// An operator imports an archive, keeps less of it when the disk gets small, and has a peer sync the rest.
func TestAnOperatorKeepsLess(t *testing.T) {
	t.Parallel()
	network := eraNetwork(t)
	dir := t.TempDir()
	archive := eraDir(t, eraGenesis, eraFirst, eraSecond)
	final := eraBlocks(120, 120)[0] // the first slot of epoch 15
	succeed(t, slices.Concat([]string{
		"import", "--datadir", dir, "--finalized-root", final.Root.String(), "--finalized-epoch", "15",
	}, network, []string{archive})...)
	all := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", dir))
	succeed(t, "convert", "--datadir", dir)
	first := filepath.Join(segments(dir), "blocks-00000000.e2s")
	if _, err := os.Stat(first); err != nil {
		t.Fatal(err)
	}

	// The file of the first 64 slots is discarded. Peers are told a later earliest slot, as the archive has no columns.
	node := startServe(t, dir, "--json", "--retention.blocks", "2")
	at := decode[serveResult](t, node.line(t))
	waitUntil(t, "the first segment is discarded", func(context.Context) (bool, error) {
		_, err := os.Stat(first)
		return errors.Is(err, os.ErrNotExist), nil
	})
	sync := func(from, datadir string) []string {
		return slices.Concat([]string{"sync", "--json", "--from", from, "--datadir", datadir}, network, at.Addrs[:1])
	}
	fail(t, exitFailed, "resource unavailable", sync("32", t.TempDir())...)
	got := decode[syncResult](t, succeed(t, sync("64", t.TempDir())...))
	if got.EarliestSlot != 64 || got.HeadSlot != all.HeadSlot {
		t.Errorf("a peer synced slots %d to %d, want 64 to %d", got.EarliestSlot, got.HeadSlot, all.HeadSlot)
	}
	if o := node.stop(); o.code != exitOK {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	left := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", dir))
	if left.EarliestSlot != 64 || left.Blocks >= all.Blocks || left.Blocks < 50 {
		t.Errorf("%d blocks from slot %d are left of %d, want those from slot 64", left.Blocks, left.EarliestSlot, all.Blocks)
	}

	// What was discarded comes back from the archive into an empty store.
	again := t.TempDir()
	succeed(t, slices.Concat([]string{"import", "--datadir", again}, network, []string{archive})...)
	if got := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", again)); got.Blocks != all.Blocks {
		t.Errorf("%d blocks, want %d", got.Blocks, all.Blocks)
	}
}
