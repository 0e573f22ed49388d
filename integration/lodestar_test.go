//go:build peers

package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/lodestar"
)

// minBlocks is how many blocks of Lodestar's chain are synced at least. The
// chain's first forks begin at slots 8, 16 and 24.
const minBlocks = 48

// TestLodestar syncs a chain from Lodestar, and has a fresh Lodestar sync it from us,
// by way of the command line.
func TestLodestar(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // the first installation takes minutes
	defer cancel()
	reqresp := build(ctx, t)
	source, err := lodestar.Start(ctx, t.TempDir(), lodestar.Options{SecondsPerSlot: 1})
	if errors.Is(err, lodestar.ErrNoNode) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer source.Stop()
	flags := networkFlags(ctx, t, source)
	waitForBlocks(ctx, t, source, minBlocks)
	genesis, err := source.Genesis(ctx)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("call", func(t *testing.T) { testCalls(ctx, t, reqresp, source, flags) })
	t.Run("conform", func(t *testing.T) { testConformance(ctx, t, reqresp, source, flags) })

	datadir := t.TempDir()
	var synced syncResult
	if !t.Run("sync", func(t *testing.T) { synced = testSync(ctx, t, reqresp, source, datadir, flags) }) {
		return
	}
	blocks, err := source.Blocks(ctx, 1, synced.Last)
	if err != nil {
		t.Fatal(err)
	}
	source.Stop() // from here on the chain is ours alone

	server := serve(ctx, t, reqresp, datadir)
	defer server.stop(t)
	t.Run("blocks are identical", func(t *testing.T) { testIdentical(ctx, t, reqresp, server, blocks, flags) })
	t.Run("a fresh Lodestar syncs from us", func(t *testing.T) {
		follower, err := lodestar.Start(ctx, t.TempDir(), lodestar.Options{
			GenesisTime: genesis.Time, SecondsPerSlot: 1, Follow: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer follower.Stop()
		testFollower(ctx, t, follower, server, synced)
	})
}

// build compiles the command line.
func build(ctx context.Context, t *testing.T) string {
	path := filepath.Join(t.TempDir(), "reqresp")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "../cmd/reqresp").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// networkFlags tells the command line of Lodestar's private network.
func networkFlags(ctx context.Context, t *testing.T, n *lodestar.Node) []string {
	spec, err := n.Spec(ctx)
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := n.Genesis(ctx)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, spec.ConfigYAML(), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{
		"--network.config", config,
		"--genesis-time", strconv.FormatInt(genesis.Time.Unix(), 10),
		"--genesis-validators-root", genesis.ValidatorsRoot.String(),
	}
}

// waitForBlocks waits for a chain of n blocks. On a busy machine slots stay
// empty, so that there may be fewer blocks than slots.
func waitForBlocks(ctx context.Context, t *testing.T, source *lodestar.Node, n int) {
	for slot := uint64(n); ; slot += 4 {
		if err := source.WaitForSlot(ctx, slot); err != nil {
			t.Fatal(err)
		}
		blocks, err := source.Blocks(ctx, 1, slot)
		if err != nil {
			t.Fatal(err)
		}
		if len(blocks) >= n {
			return
		}
	}
}

// run runs the command line to its end and returns what it printed.
func run(ctx context.Context, t *testing.T, reqresp string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(ctx, reqresp, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("reqresp %s: %v\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

type syncResult struct {
	Blocks uint64 `json:"blocks"`
	Last   uint64 `json:"head_slot"`
	Head   string `json:"head_root"`
	Trust  string `json:"trust"`
}

func testSync(
	ctx context.Context, t *testing.T, reqresp string, source *lodestar.Node, datadir string, flags []string,
) (result syncResult) {
	args := append([]string{"sync", "--json", "--datadir", datadir}, flags...)
	out := run(ctx, t, reqresp, append(args, source.Multiaddr())...)
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &result); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if result.Blocks < 40 {
		t.Errorf("%d blocks synced, want at least 40", result.Blocks)
	}
	root, ok, err := source.BlockRoot(ctx, result.Last)
	if err != nil || !ok || root.String() != result.Head {
		t.Errorf("head %s at slot %d, Lodestar has %v (%v, %v)", result.Head, result.Last, root, ok, err)
	}
	t.Logf("synced %d blocks up to slot %d, trusting the %s", result.Blocks, result.Last, result.Trust)
	return result
}

// testIdentical holds what we serve against what Lodestar's own API gave.
func testIdentical(
	ctx context.Context, t *testing.T, reqresp string, server *served, blocks []lodestar.Block, flags []string,
) {
	dir := t.TempDir()
	last := blocks[len(blocks)-1].Slot
	for start := uint64(1); start <= last; start += 128 {
		args := append([]string{"call", "--ssz", "--out", dir}, flags...)
		run(ctx, t, reqresp, append(args, server.addr, "blocks-by-range",
			"--start-slot", strconv.FormatUint(start, 10), "--count", "128")...)
	}
	forks := make(map[string]int)
	for _, b := range blocks {
		got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.ssz", b.Slot)))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, b.SSZ) {
			t.Errorf("slot %d (%s): %d bytes differ from Lodestar's %d", b.Slot, b.Version, len(got), len(b.SSZ))
		}
		forks[b.Version]++
	}
	if len(forks) < 2 {
		t.Errorf("blocks are of forks %v, want some on both sides of a boundary", forks)
	}
	t.Logf("identical blocks by fork: %v", forks)
}

func testFollower(ctx context.Context, t *testing.T, follower *lodestar.Node, server *served, synced syncResult) {
	if err := follower.ConnectPeer(ctx, server.addr); err != nil {
		t.Fatal(err)
	}
	if err := follower.WaitForSlot(ctx, synced.Last); err != nil {
		t.Fatal(err)
	}
	slot, root, err := follower.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if slot != synced.Last || root.String() != synced.Head {
		t.Errorf("its head is %v at slot %d, ours %s at slot %d", root, slot, synced.Head, synced.Last)
	}
}

// testCalls makes one request of each method. Lodestar bans for what it deems too many, so there
// is one only.
func testCalls(ctx context.Context, t *testing.T, reqresp string, source *lodestar.Node, flags []string) {
	root, ok, err := source.BlockRoot(ctx, 8)
	for slot := uint64(9); err == nil && !ok; slot++ {
		root, ok, err = source.BlockRoot(ctx, slot)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method []string
		want   string
	}{
		{[]string{"status"}, `"head_slot"`},
		{[]string{"ping"}, `"seq_number"`},
		{[]string{"metadata"}, `"attnets"`},
		{[]string{"blocks-by-range", "--start-slot", "1", "--count", "32"}, `"parent_root"`},
		{[]string{"blocks-by-root", "--root", root.String()}, root.String()},
		{[]string{"goodbye"}, ``},
	} {
		t.Run(test.method[0], func(t *testing.T) {
			args := append([]string{"call"}, flags...)
			args = append(append(args, source.Multiaddr()), test.method...)
			out := run(ctx, t, reqresp, args...)
			if !bytes.Contains(out, []byte(test.want)) {
				t.Errorf("no %s in %s", test.want, out)
			}
		})
	}
}

// served is a running reqresp serve.
type served struct {
	cmd    *exec.Cmd
	addr   string
	stderr bytes.Buffer
}

func serve(ctx context.Context, t *testing.T, reqresp, datadir string) *served {
	s := &served{cmd: exec.CommandContext(ctx, reqresp, "serve", "--datadir", datadir, "--listen", "/ip4/127.0.0.1/tcp/0")}
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		t.Fatalf("%v\n%s", err, s.stderr.Bytes())
	}
	s.addr = strings.TrimSpace(line)
	return s
}

// stop expects a clean end.
func (s *served) stop(t *testing.T) {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("serve: %v\n%s", err, s.stderr.Bytes())
	}
}
