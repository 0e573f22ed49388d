package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/call"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestImportServeCallSync(t *testing.T) {
	t.Parallel()
	chain, network := blocks(t), devNetwork(t)
	peer := startServe(t, importChain(t, chain, finalizedFlags()...)).line(t)
	ask := func(args ...string) string {
		t.Helper()
		return succeed(t, append(append([]string{"call", peer}, args...), network...)...)
	}

	t.Run("messages", func(t *testing.T) {
		want := fmt.Sprintf(`{"fork_digest":"%v","finalized_root":"%v","finalized_epoch":"2","head_root":"%v","head_slot":"142",`+
			`"earliest_available_slot":"0"}`+"\n",
			decode[call.Status](t, ask("status")).ForkDigest, devchain.FinalizedRoot(), devchain.HeadRoot())
		if got := ask("status"); got != want {
			t.Errorf("status %s, want %s", got, want)
		}
		if got, want := ask("ping"), `{"seq_number":"0"}`+"\n"; got != want {
			t.Errorf("ping %s, want %s", got, want)
		}
		if got, want := ask("metadata"), `{"seq_number":"0","attnets":"0x0000000000000000","syncnets":"0x00","custody_group_count":"4"}`+"\n"; got != want {
			t.Errorf("metadata %s, want %s", got, want)
		}
		if got, want := ask("goodbye"), `{"reason":"1"}`+"\n"; got != want {
			t.Errorf("goodbye %s, want %s", got, want)
		}
		for method, size := range map[string]int{"status": 92, "ping": 8, "metadata": 25, "goodbye": 8} {
			if got := ask(method, "--ssz"); len(got) != size {
				t.Errorf("%s: %d bytes of SSZ, want %d", method, len(got), size)
			}
		}
	})

	t.Run("blocks", func(t *testing.T) {
		for _, answer := range []string{
			ask("blocks-by-range", "--start-slot", "63", "--count", "2"),
			ask("beacon_blocks_by_range", "--start-slot", "63", "--count", "2"),
			ask("blocks-by-root", "--root", chain[62].Root.String(), "--root", hex.EncodeToString(chain[63].Root[:])),
		} {
			lines := strings.Split(strings.TrimSpace(answer), "\n")
			if len(lines) != 2 {
				t.Fatalf("%d lines, want 2", len(lines))
			}
			for i, line := range lines {
				if got, want := decode[call.Block](t, line), call.BlockOf(chain[62+i]); got != want {
					t.Errorf("block %+v, want %+v", got, want)
				}
			}
		}
		for _, answer := range []string{
			ask("blocks-by-range", "--start-slot", "64", "--ssz"),
			ask("blocks-by-root", "--root", chain[63].Root.String(), "--ssz"),
		} {
			if answer != string(chain[63].SSZ) {
				t.Errorf("%d bytes of SSZ, want the %d of slot 64", len(answer), len(chain[63].SSZ))
			}
		}
	})

	t.Run("blocks into files and back", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "new", "dir")
		ask("blocks-by-range", "--start-slot", "8", "--count", "5", "--ssz", "--out", dir)
		files, err := filepath.Glob(filepath.Join(dir, "*.ssz"))
		if err != nil || len(files) != 5 {
			t.Fatalf("files %v, error %v", files, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "12.ssz")); err != nil || !bytes.Equal(got, chain[11].SSZ) {
			t.Errorf("12.ssz is not the block of slot 12: %v", err)
		}
		// By name, 10.ssz comes before 8.ssz.
		args := append([]string{"import", "--json", "--datadir", t.TempDir()}, files...)
		got := decode[importResult](t, succeed(t, append(args, network...)...))
		if got.Blocks != 5 || got.EarliestSlot != 8 || got.HeadSlot != 12 || got.HeadRoot != chain[11].Root || got.Verified {
			t.Errorf("imported %+v", got)
		}
	})

	t.Run("sync", func(t *testing.T) {
		dir := t.TempDir()
		stdout := succeed(t, append([]string{"sync", peer, "--datadir", dir}, network...)...)
		for _, want := range []string{"synced   142 blocks", "peer's finalized root", "NOT verified", devchain.FinalizedRoot().String()} {
			if !strings.Contains(stdout, want) {
				t.Errorf("no %q in\n%s", want, stdout)
			}
		}
		// Blocks are passed over only if the store holds them by slot and root.
		got := decode[importResult](t, succeed(t, "import", "--json", "--datadir", dir, linesFile(t, chain)))
		if got.Known != 142 || got.Blocks != 0 || got.HeadRoot != devchain.HeadRoot() || got.EarliestSlot != 0 {
			t.Errorf("the store holds %+v", got)
		}
	})
}

func TestSyncResumes(t *testing.T) {
	t.Parallel()
	chain := blocks(t)
	peer := startServe(t, importChain(t, chain, finalizedFlags()...)).line(t)
	dir := importChain(t, chain[:60])
	want := syncResult{
		Blocks: 82, HeadSlot: 142, HeadRoot: devchain.HeadRoot(),
		TrustedRoot: devchain.FinalizedRoot(), TrustedSlot: 64, Trust: rangesync.TrustFinalized,
		Signatures: "unchecked",
	}
	for _, b := range chain[60:] {
		want.Bytes += uint64(len(b.SSZ))
	}
	for range 2 {
		got := decode[syncResult](t, succeed(t, "sync", "--json", "--datadir", dir, "--batch", "20", "--rate", "1000", peer))
		got.Seconds = 0
		if got != want {
			t.Errorf("synced %+v, want %+v", got, want)
		}
		want.Blocks, want.Bytes = 0, 0 // The second time there is nothing left to do.
	}
}

func TestSyncVerifiesUpToTheTrustedRoot(t *testing.T) {
	t.Parallel()
	chain := blocks(t)
	peer := startServe(t, importChain(t, chain, finalizedFlags()...)).line(t)
	dir, network := t.TempDir(), devNetwork(t)
	args := append([]string{"sync", "--json", "--datadir", dir, peer, "--trusted-root", chain[99].Root.String()}, network...)
	got := decode[syncResult](t, succeed(t, args...))
	if got.Blocks != 142 || got.TrustedRoot != chain[99].Root || got.TrustedSlot != 100 || got.Trust != rangesync.TrustGiven {
		t.Errorf("synced %+v", got)
	}
	// It is remembered.
	stdout := succeed(t, "sync", "--datadir", dir, peer)
	if want := "Blocks up to slot 100 are verified, by their hashes. Signatures are unchecked.\n"; !strings.HasSuffix(stdout, want) {
		t.Errorf("%s, want %q at the end", stdout, want)
	}

	dir = t.TempDir()
	args = append([]string{"sync", "--json", "--datadir", dir, peer, "--trusted-root", (ssz.Root{1}).String()}, network...)
	fail(t, exitFailed, "trusted root is not in the chain", args...)
	held := decode[importResult](t, succeed(t, "import", "--json", "--datadir", dir, linesFile(t, chain)))
	if held.Known != 142 || held.Verified || held.TrustedRoot != nil {
		t.Errorf("after a wrong root the store holds %+v", held)
	}
}

func TestSyncBeginsWhereItIsTold(t *testing.T) {
	t.Parallel()
	peer := startServe(t, importChain(t, blocks(t))).line(t)
	args := append([]string{"sync", "--json", "--datadir", t.TempDir(), "--from", "100", peer}, devNetwork(t)...)
	got := decode[syncResult](t, succeed(t, args...))
	// This peer has finalized nothing.
	if got.Blocks != 43 || got.EarliestSlot != 100 || got.Trust != rangesync.TrustHead || got.TrustedRoot != devchain.HeadRoot() {
		t.Errorf("synced %+v", got)
	}
}

func TestPeersOfAnotherNetworkAreLeft(t *testing.T) {
	t.Parallel()
	peer := startServe(t, importChain(t, blocks(t)[:3])).line(t)
	fail(t, exitFailed, "peer is irrelevant", "sync", "--datadir", t.TempDir(), "--network", "mainnet", peer)
	fail(t, exitFailed, "peer is irrelevant", "call", peer, "ping")
	o := runCLI(t, "call", peer, "status")
	if status := decode[call.Status](t, o.stdout); o.code != exitOK || status.HeadSlot != 3 || !strings.Contains(o.stderr, "warning: ") || !strings.Contains(o.stderr, "--network.config") {
		t.Errorf("exit code %d, status %+v: %s", o.code, status, o.stderr)
	}
}

func TestCallFailsIfBlocksAreLacking(t *testing.T) {
	t.Parallel()
	chain, network := blocks(t), devNetwork(t)
	peer := startServe(t, importChain(t, chain[9:20])).line(t)
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"blocks-by-root", "--root", chain[0].Root.String()}, exitFailed, "has 0 of the 1 blocks"},
		{[]string{"blocks-by-range", "--start-slot", "5"}, exitFailed, "resource unavailable"},
		{[]string{"blocks-by-range", "--start-slot", "30", "--count", "9"}, exitOK, "the peer has none of what was asked for"},
		{[]string{"blocks-by-range", "--start-slot", "30", "--ssz"}, exitFailed, "the peer has none of what was asked for"},
	} {
		fail(t, test.code, test.want, append(append([]string{"call", peer}, test.args...), network...)...)
	}
}
