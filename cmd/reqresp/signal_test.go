//go:build unix

package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program returns a run of this program as a process of its own, which ends with the test.
func program(t *testing.T, args ...string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	stderr := new(strings.Builder)
	cmd.Stderr = stderr
	return cmd, stderr
}

func TestServeStopsInGoodOrderOnASignal(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t)[:3])
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
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
			t.Fatalf("%v: %s", err, stderr)
		}
		status := succeed(t, append([]string{"call", strings.TrimSpace(line), "status"}, devNetwork(t)...)...)
		if got := decode[statusJSON](t, status); got.HeadSlot != 3 {
			t.Errorf("status %+v", got)
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v: %s", signal, err, stderr)
		}
		if want := "stopping"; !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in %s", want, stderr)
		}
	}
}

// TestTheSecondSignalEndsAtOnce has a process wait for input that does not come, which the first
// signal does not end.
func TestTheSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	cmd, stderr := program(t, append([]string{"import", "--datadir", t.TempDir(), "-"}, devNetwork(t)...)...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// More than fits into the pipe: once it is written, the process is reading.
	if _, err := io.WriteString(stdin, strings.Repeat("\n", 1<<20)); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	signals := 0
	for {
		select {
		case err := <-ended:
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() || status.Signal() != syscall.SIGTERM || signals < 2 {
				t.Errorf("after %d signals: %v: %s", signals, err, stderr)
			}
			return
		case <-tick.C:
			signals++
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

func TestAPipeThatNobodyReadsIsAFailure(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	cmd, stderr := program(t, "demo", "--json")
	cmd.Stdout = w
	err = cmd.Run()
	if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(stderr.String(), "broken pipe") {
		t.Errorf("%v: %s", err, stderr)
	}
}
