package store_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

var kills = flag.Int("kills", 20, "how often a process that appends blocks is killed")

// killedDir tells a process of this test binary that it is the one to be killed, and in which
// directory its database is.
const killedDir = "STORE_TEST_KILLED_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		if err := appendUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// appendUntilKilled appends the rest of a chain with its sidecars in small batches, and prints the slot of each
// block when that has returned. Now and then it discards blocks that it has not reported, and has blocks move to
// segment files. At the end it waits to be killed.
func appendUntilKilled(dir string) error {
	db, err := openDatabase(dir)
	if err != nil {
		return err
	}
	s, err := store.Open(db, filepath.Join(dir, "segments"))
	if err != nil {
		return err
	}
	if err := s.SetNetwork(context.Background(), fuluNetwork()); err != nil {
		return err
	}
	status, err := s.Status(context.Background())
	if err != nil {
		return err
	}
	rest := slices.DeleteFunc(fuluSidecars(), func(s beacon.Sidecars) bool { return s.Block.Slot <= status.HeadSlot })
	for len(rest) > 0 {
		// Up to here all blocks are in a segment file: none, some, or the next ones as well.
		anchor := store.Anchor{Slot: max(rest[0].Block.Slot, 10) - 10 + ssz.Slot(rand.IntN(20)), Origin: store.Given}
		if err := s.SetAnchor(context.Background(), anchor); err != nil {
			return err
		}
		batch := rest[:min(len(rest), 1+rand.IntN(3))]
		if rand.IntN(3) == 0 {
			if err := s.AppendSidecars(context.Background(), rest[:min(len(rest), 5)]...); err != nil {
				return err
			}
			if err := s.Truncate(context.Background(), rest[0].Block.Slot); err != nil {
				return err
			}
		}
		if err := s.AppendSidecars(context.Background(), batch...); err != nil {
			return err
		}
		for _, s := range batch {
			fmt.Println(s.Block.Slot)
		}
		rest = rest[len(batch):]
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// TestReportedBlocksSurviveAKill kills a process that appends blocks, again and again, and
// verifies that each block whose Append had returned is there, with its sidecars.
func TestReportedBlocksSurviveAKill(t *testing.T) {
	t.Parallel()
	rounds := *kills
	if testing.Short() {
		rounds = 5
	}
	base, chains := t.TempDir(), 0
	head := ssz.Slot(0)
	for round := range rounds {
		if head > beacontest.FuluHead-20 { // Nearly complete: begin another.
			chains++
			head = 0
		}
		dir := filepath.Join(base, strconv.Itoa(chains))
		reported := killAfter(t, dir, 1+rand.IntN(9))
		head = checkAfterKill(t, dir, max(reported, head))
		t.Logf("round %d: killed after slot %d was reported, the head is %d", round, reported, head)
	}
}

// killAfter runs a process that appends blocks, kills it when it has reported so many of them, and
// returns the last slot that it reported.
func killAfter(t *testing.T, dir string, reports int) (last ssz.Slot) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	for n := 1; lines.Scan(); n++ {
		slot, err := strconv.ParseUint(lines.Text(), 10, 64)
		must(t, err)
		last = ssz.Slot(slot)
		if n == reports {
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.Exited() || ctx.Err() != nil {
		t.Fatalf("the process was not killed: %v", err)
	}
	return last
}

// checkAfterKill verifies that a store holds everything up to a slot, and is intact. It returns
// the head.
func checkAfterKill(t *testing.T, dir string, reported ssz.Slot) ssz.Slot {
	t.Helper()
	db := openPebble(t, dir)
	defer db.Close()
	s, err := store.Open(db, filepath.Join(dir, "segments"))
	must(t, err)
	defer s.Close()
	status, err := s.Status(t.Context())
	must(t, err)
	if status.HeadSlot < reported {
		t.Fatalf("the head is %d, but slot %d was reported as stored", status.HeadSlot, reported)
	}
	if status.HeadSlot > 0 {
		blocks := slices.DeleteFunc(slices.Clone(beacontest.FuluBlocks()), func(b *beacon.Block) bool {
			return b.Slot == 0 || b.Slot > status.HeadSlot
		})
		checkServed(t, s, blocks)
		checkVerified(t, s, blocks)
		checkFuluSidecars(t, s, status.HeadSlot)
	}
	return status.HeadSlot
}
