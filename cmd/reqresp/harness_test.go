package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// asProgram makes the test binary behave as the program.
const asProgram = "REQRESP_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience bounds every wait for something that has to happen.
const patience = time.Minute

// An outcome is what a run of the command line has left.
type outcome struct {
	code           int
	stdout, stderr string
}

// runCLI runs the command line in this process.
func runCLI(t *testing.T, args ...string) outcome {
	t.Helper()
	return runWithInput(t, "", args...)
}

func runWithInput(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, append([]string{"reqresp"}, args...), strings.NewReader(stdin), &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// succeed runs the command line and returns its standard output.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	o := runCLI(t, args...)
	if o.code != exitOK {
		t.Fatalf("%v: exit code %d: %s", args, o.code, o.stderr)
	}
	return o.stdout
}

// fail runs the command line, which has to fail with a code and to say why.
func fail(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	o := runCLI(t, args...)
	if o.code != code || !strings.Contains(o.stderr, want) {
		t.Errorf("%v: exit code %d: %q, want %d: %q", args, o.code, o.stderr, code, want)
	}
	if o.stdout != "" {
		t.Errorf("%v: failed after printing %q", args, o.stdout)
	}
}

// decode decodes the last line of a standard output.
func decode[T any](t *testing.T, stdout string) (v T) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		t.Fatalf("%q: %v", stdout, err)
	}
	return v
}

// blocks returns the blocks of the development chain, which tests share and must not change.
func blocks(t *testing.T) []*beacon.Block {
	t.Helper()
	chain, err := devBlocks()
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

var devBlocks = sync.OnceValues(devchain.Blocks)

// devNetwork returns the flags for the network of the development chain.
func devNetwork(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	writeFile(t, path, []byte(devchain.Config()))
	return []string{
		"--network.config", path,
		"--genesis-time", fmt.Sprint(devchain.GenesisTime),
		"--genesis-validators-root", devchain.GenesisValidatorsRoot().String(),
	}
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lineOf returns a block as a line of JSON.
func lineOf(b *beacon.Block) string {
	return fmt.Sprintf(`{"type":"SignedBeaconBlock","slot":%d,"context_hex":"%x","ssz_hex":"%x","block_root_hex":"%x"}`+"\n",
		b.Slot, b.Digest[:], b.SSZ, b.Root[:])
}

func linesOf(chain []*beacon.Block) string {
	var lines strings.Builder
	for _, b := range chain {
		lines.WriteString(lineOf(b))
	}
	return lines.String()
}

// linesFile returns the path of a compressed file with blocks.
func linesFile(t *testing.T, chain []*beacon.Block) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, linesOf(chain))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "blocks.jsonl.gz")
	writeFile(t, path, b.Bytes())
	return path
}

// importChain fills a new store with blocks and returns its datadir.
func importChain(t *testing.T, chain []*beacon.Block, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	args := append([]string{"import", "--datadir", dir, linesFile(t, chain)}, devNetwork(t)...)
	succeed(t, append(args, flags...)...)
	return dir
}

func finalizedFlags() []string {
	return []string{
		"--finalized-root", devchain.FinalizedRoot().String(),
		"--finalized-epoch", fmt.Sprint(devchain.FinalizedEpoch),
	}
}

// A serving is a run of serve in this process.
type serving struct {
	lines  *bufio.Reader // its standard output
	cancel context.CancelFunc
	done   chan struct{}
	result outcome // after done
}

// startServe starts to serve a datadir.
func startServe(t *testing.T, datadir string, flags ...string) *serving {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return startServeIn(ctx, t, datadir, flags...)
}

// startServeIn is startServe for as long as ctx lasts.
func startServeIn(ctx context.Context, t *testing.T, datadir string, flags ...string) *serving {
	t.Helper()
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	s := &serving{lines: bufio.NewReader(r), cancel: cancel, done: make(chan struct{})}
	args := append([]string{"reqresp", "serve", "--datadir", datadir, "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"}, flags...)
	go func() {
		defer close(s.done)
		var stderr bytes.Buffer
		s.result.code = run(ctx, args, strings.NewReader(""), w, &stderr)
		s.result.stderr = stderr.String()
		w.Close() // What is waited for does not come any more.
	}()
	t.Cleanup(func() { s.stop() })
	return s
}

// line returns the next line of the standard output.
func (s *serving) line(t *testing.T) string {
	t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		<-s.done
		t.Fatalf("serve has ended with exit code %d: %s", s.result.code, s.result.stderr)
	}
	return strings.TrimSpace(line)
}

// stop ends the run as a signal would.
func (s *serving) stop() outcome {
	s.cancel()
	<-s.done
	return s.result
}
