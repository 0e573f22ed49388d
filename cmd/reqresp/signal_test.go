//go:build unix

package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/call"
	"github.com/seed-2dd5877b/reqresp/ssz"
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
	signals := []os.Signal{syscall.SIGTERM, os.Interrupt}
	// A process that nohup started ignores it, and so do those that it starts.
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	for _, sig := range signals {
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
		if got := decode[call.Status](t, status); got.HeadSlot != 3 {
			t.Errorf("status %+v", got)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v: %s", sig, err, stderr)
		}
		if want := "stopping"; !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in %s", want, stderr)
		}
	}
}

// What was started by nohup goes on when the terminal is gone.
func TestUnderNohupAHangUpIsIgnored(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t)[:3])
	cmd, stderr := program(t, "serve", "--datadir", dir, "--listen", "/ip4/127.0.0.1/tcp/0")
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	var err error
	if cmd.Path, err = exec.LookPath("sh"); err != nil {
		t.Skip("there is no shell")
	}
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
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		succeed(t, append([]string{"call", strings.TrimSpace(line), "status"}, devNetwork(t)...)...)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr)
	}
	if strings.Contains(stderr.String(), "hangup") {
		t.Errorf("it was ended by SIGHUP: %s", stderr)
	}
}

// What waits for input that does not come ends by the first signal, and what came before stays.
func TestASignalEndsTheWaitForInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	input := linesOf(blocks(t)[:3])
	for _, test := range []struct {
		name, path string
		args       []string
		want       string
	}{
		{"import standard input", "-", append([]string{"import", "--datadir", filepath.Join(dir, "1")}, devNetwork(t)...), "interrupted after 3 blocks"},
		{"import a pipe", fifo, append([]string{"import", "--datadir", filepath.Join(dir, "2")}, devNetwork(t)...), "interrupted after 3 blocks"},
		{"ssz", "-", []string{"ssz", "check", "--fork", "electra", "--type", "SignedBeaconBlock"}, "signal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd, stderr := program(t, append(test.args, test.path)...)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			to := stdin
			if test.path != "-" {
				if to, err = os.OpenFile(test.path, os.O_WRONLY, 0); err != nil {
					t.Fatal(err)
				}
				defer to.Close()
			}
			// With more than fits into the pipe behind them, the blocks were read once it is written.
			if _, err := io.WriteString(to, input+strings.Repeat("\n", 1<<20)); err != nil {
				t.Fatalf("%v: %s", err, stderr)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			err = cmd.Wait()
			if cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("%v: %s, want %q", err, stderr, test.want)
			}
		})
	}
}

// TestTheSecondSignalEndsAtOnce has a process write what nobody reads, which the first signal does not end.
func TestTheSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	object := filepath.Join(t.TempDir(), "roots.ssz")
	writeFile(t, object, make([]byte, 1024*len(ssz.Root{})))
	cmd, stderr := program(t, "ssz", "json", "--fork", "phase0", "--type", "BeaconBlocksByRootRequest", object)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Its JSON is more than fits into the pipe: once it begins to come, the process is writing.
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	ended := make(chan *os.ProcessState, 1)
	go func() {
		state, _ := cmd.Process.Wait() // which leaves the pipe open
		ended <- state
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	signals := 0
	for {
		select {
		case state := <-ended:
			status := state.Sys().(syscall.WaitStatus)
			if !status.Signaled() || status.Signal() != syscall.SIGTERM || signals < 2 {
				t.Errorf("after %d signals: %v", signals, state)
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
