package main

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// volume mounts a file system of its own, of so many MiB.
func volume(t *testing.T, mib string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+mib+"m"); err != nil {
		t.Skipf("no file system can be mounted here, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// occupy fills a volume until leave bytes are free.
func occupy(t *testing.T, dir string, leave uint64) (release func()) {
	t.Helper()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if free := stat.Bavail * uint64(stat.Bsize); free > leave {
		// What is taken meanwhile by others may leave no room for all of it.
		_ = syscall.Fallocate(int(f.Fd()), 0, 0, int64(free-leave))
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// waitFor reads lines until one contains a text.
func waitFor(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	var seen strings.Builder
	for lines.Scan() {
		if strings.Contains(lines.Text(), want) {
			return
		}
		seen.WriteString(lines.Text() + "\n")
	}
	t.Fatalf("no %q in\n%s", want, &seen)
}

// TestSyncWaitsForRoomOnTheDisk has a process sync onto a volume that is almost full. It says so, waits, and goes on when
// there is room.
func TestSyncWaitsForRoomOnTheDisk(t *testing.T) {
	t.Parallel()
	peer := startServe(t, importChain(t, blocks(t))).line(t)
	dir := volume(t, "160")
	release := occupy(t, dir, 60<<20) // A database can be opened, and nothing be stored.
	cmd, _ := program(t, append([]string{"sync", "--datadir", filepath.Join(dir, "data"), peer}, devNetwork(t)...)...)
	cmd.Stderr = nil
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, bufio.NewScanner(stderr), "paused until there is room")
	release()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", filepath.Join(dir, "data"))); got.Blocks != 142 {
		t.Errorf("%+v", got)
	}
}

// waitForFile waits for a file, but not for long: the process that makes it may have ended before.
func waitForFile(t *testing.T, pattern string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 300 {
		if found, err := filepath.Glob(pattern); err != nil || len(found) > 0 {
			return
		}
		<-tick.C
	}
}

// TestAFullDiskLosesNothing has a volume run full at different moments of an import, by what somebody else writes. Whatever
// becomes of it, it is no panic and no mistake in the arguments, and what was stored is there.
func TestAFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	file, network := linesFile(t, blocks(t)), devNetwork(t)
	dir := volume(t, "128")
	for after, pattern := range map[string]string{
		"the start": "*", "opening": "LOCK", "a log is begun": "00000[4-9].log", "a table is written": "00000[5-9].sst", "the end": "OUTLINE",
		"flat files are begun": "../beaconchain-segments/*",
	} {
		datadir := filepath.Join(dir, "data")
		succeed(t, append([]string{"import", "--datadir", datadir, linesFile(t, blocks(t)[:40])}, network...)...)
		cmd, stderr := program(t, slices.Concat([]string{"import", "--datadir", datadir, file}, network, finalizedFlags())...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitForFile(t, filepath.Join(database(datadir), pattern))
		release := occupy(t, dir, 0)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != exitOK && code != exitFailed || strings.Contains(stderr.String(), "goroutine ") {
			t.Errorf("full after %s: exit code %d: %s", after, code, stderr)
		}
		release()
		got := decode[verifyResult](t, succeed(t, "verify", "--json", "--datadir", datadir))
		if got.Blocks < 40 {
			t.Errorf("full after %s: %d blocks are left", after, got.Blocks)
		}
		succeed(t, append([]string{"import", "--datadir", datadir, file}, network...)...)
		if err := os.RemoveAll(datadir); err != nil {
			t.Fatal(err)
		}
	}
}
