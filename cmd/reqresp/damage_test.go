//go:build unix

package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/call"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// TestNoDamageEndsAServer has a process serve a store of which a byte is damaged, call for every block of it, and stop
// in good order. Whatever ends a process shows in one of its own only.
func TestNoDamageEndsAServer(t *testing.T) {
	t.Parallel()
	chain := blocks(t)
	for _, pattern := range []string{"*.sst", "MANIFEST-*", "OPTIONS-*", "marker.*", "*.log", "OUTLINE"} {
		for _, which := range []string{"first", "middle", "last"} {
			t.Run(pattern+" "+which, func(t *testing.T) {
				dir := importChain(t, chain)
				if strings.HasPrefix(pattern, "marker") {
					flipMarker(t, dir)
				} else {
					flip(t, dir, pattern, which)
				}
				served := serveAll(t, dir, chain)
				if len(chain)-served > 4 {
					t.Errorf("%d blocks are served", served)
				}
			})
		}
	}
}

// flipMarker damages what is in the markers, which may be nothing.
func flipMarker(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(database(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "marker.") {
			writeFile(t, database(dir)+"/"+entry.Name(), []byte{0xff})
		}
	}
}

// serveAll serves a store, and returns how many blocks came. All of these have to be right.
func serveAll(t *testing.T, dir string, chain []*beacon.Block) (served int) {
	t.Helper()
	cmd, stderr := program(t, "serve", "--datadir", dir, "--listen", "/ip4/127.0.0.1/tcp/0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %v: %s", err, cmd.Wait(), stderr)
	}
	peer, network := strings.TrimSpace(line), devNetwork(t)
	for slot := chain[0].Slot; slot <= chain[len(chain)-1].Slot; slot++ { // Each range ends before what is damaged.
		count := chain[len(chain)-1].Slot - slot + 1
		args := []string{"call", peer, "blocks-by-range", "--start-slot", fmt.Sprint(slot), "--count", fmt.Sprint(min(count, 128))}
		o := runCLI(t, append(args, network...)...)
		for line := range strings.Lines(o.stdout) {
			got := decode[call.Block](t, line)
			if want := chain[got.Slot-chain[0].Slot]; got.SSZ != fmt.Sprintf("%#x", want.SSZ) || got.Signature != "unchecked" {
				t.Errorf("slot %d is not what it was", got.Slot)
			}
			slot = got.Slot
			served++
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	return served
}
