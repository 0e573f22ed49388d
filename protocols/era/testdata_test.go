package era_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The files of the test chain.
const (
	genesisFile   = "testdata/era/vecdev-00000-05d79a31.era"
	firstFile     = "testdata/era/vecdev-00001-bd9082b1.era"
	secondFile    = "testdata/era/vecdev-00002-31b7bc3c.era"
	noGenesisFile = "testdata/era-variants/vecdev-00001-bd9082b1.no-genesis-block.era"

	lodestarGenesis = "testdata/era-lodestar/vecdev-00000-05d79a31.era"
	lodestarFirst   = "testdata/era-lodestar/vecdev-00001-bd9082b1.era"
	lodestarSecond  = "testdata/era-lodestar/vecdev-00002-31b7bc3c.era"

	slotsPerEra = 64
)

// network is that of the test chain.
var network = sync.OnceValue(func() *ssz.Network {
	cfg := must(ssz.ParseConfig(must(os.ReadFile("testdata/config.yaml"))))
	return must(ssz.NewNetwork(*cfg, time.Unix(1796080587, 0),
		root("05d79a31a8e69ecd78114c50ce73116be33027d8431b82fff6c0b3cd9c2cbb1f")))
})

// A chainBlock is what the node that made the chain says of a block.
type chainBlock struct {
	slot ssz.Slot
	root ssz.Root
	sum  [32]byte // of the encoded block
}

// chain is the blocks of the test chain by slot.
var chain = sync.OnceValue(func() map[ssz.Slot]chainBlock {
	blocks := make(map[ssz.Slot]chainBlock)
	for line := range strings.Lines(string(must(os.ReadFile("testdata/blocks.txt")))) {
		fields := strings.Fields(line)
		slot := ssz.Slot(must(strconv.ParseUint(fields[0], 10, 64)))
		blocks[slot] = chainBlock{slot, root(fields[1]), root(fields[2])}
	}
	return blocks
})

// A vectorState is a state and what it holds.
type vectorState struct {
	Preset          string   `json:"preset"`
	Fork            string   `json:"fork"`
	SSZ             string   `json:"ssz_hex"`
	Root            string   `json:"root_hex"`
	GenesisRoot     string   `json:"genesis_validators_root_hex"`
	BlockRoot       string   `json:"block_root_hex"` // of the second slot of the era
	StateRoot       string   `json:"state_root_hex"` // of the third
	HistoricalRoots []string `json:"historical_roots_hex"`
	Summaries       []string `json:"summaries_hex"`
}

func vectorStates(t testing.TB) (states []vectorState) {
	file, err := os.Open("testdata/states.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := json.NewDecoder(bufio.NewReader(must(gzip.NewReader(file))))
	for lines.More() {
		var s vectorState
		if err := lines.Decode(&s); err != nil {
			t.Fatal(err)
		}
		states = append(states, s)
	}
	return states
}

// network returns a network in which the state's fork is that of all slots.
func (v vectorState) network(t testing.TB) *ssz.Network {
	cfg := ssz.DefaultConfig(must(ssz.ParsePreset(v.Preset)))
	for fork := range cfg.Forks {
		cfg.Forks[fork] = ssz.ScheduledFork{Version: ssz.Version{byte(fork)}, Epoch: ssz.FarFutureEpoch}
		if ssz.Fork(fork) <= must(ssz.ParseFork(v.Fork)) {
			cfg.Forks[fork].Epoch = 0
		}
	}
	cfg.Forks[must(ssz.ParseFork(v.Fork))].Version = ssz.Version{0x42, 0, 0, 1}
	n, err := ssz.NewNetwork(cfg, time.Unix(1606824023, 0), root(v.GenesisRoot))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// open opens a file until the end of the test.
func open(t testing.TB, path string) *era.File {
	t.Helper()
	f, err := era.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// openBytes opens a file that is in memory.
func openBytes(t testing.TB, b []byte, name string) *era.File {
	t.Helper()
	f, err := era.NewFile(t.Context(), memory(b), name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// memory is a source in memory.
type memory []byte

func (m memory) Size() int64 { return int64(len(m)) }

func (m memory) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return e2store.NewSource(bytes.NewReader(m), m.Size()).ReadAt(ctx, p, off)
}

// A countingSource counts the reads of a source.
type countingSource struct {
	e2store.Source

	reads, bytes int
}

func (s *countingSource) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	s.reads++
	n, err := s.Source.ReadAt(ctx, p, off)
	s.bytes += n
	return n, err
}

// join returns the files one behind the other, as one file of several groups.
func join(paths ...string) (b []byte) {
	for _, path := range paths {
		b = append(b, must(os.ReadFile(filepath.FromSlash(path)))...)
	}
	return b
}

func root(s string) ssz.Root { return ssz.Root(unhex(s)) }

func unhex(s string) []byte { return must(hex.DecodeString(s)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// asError returns the *era.Error in an error.
func asError(t testing.TB, err error) *era.Error {
	t.Helper()
	e, ok := errors.AsType[*era.Error](err)
	if !ok {
		t.Fatalf("error %v of type %T: want an *era.Error", err, err)
	}
	return e
}
