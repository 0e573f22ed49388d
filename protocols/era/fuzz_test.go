package era_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
)

// Whatever a file holds, opening, reading and checking it ends without a panic and with an error that has a place.
func FuzzFile(f *testing.F) {
	for _, path := range []string{genesisFile, lodestarGenesis} {
		f.Add(must(os.ReadFile(path)))
	}
	// Short seeds mutate best: the indices of the first file, behind what else a group needs.
	first := join(firstFile)
	for _, state := range []int{0, 40} {
		f.Add(append(make([]byte, state), first[len(first)-568:]...))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		opened, err := era.NewFile(context.Background(), memory(file), "")
		if err != nil {
			checkError(t, err, int64(len(file)))
			return
		}
		first, end := opened.Slots()
		if first > end {
			t.Fatalf("slots %d to %d", first, end)
		}
		for b, err := range opened.Blocks(context.Background(), first, end) {
			if err != nil {
				checkError(t, err, int64(len(file)))
			} else if len(b.Frames) > len(file) {
				t.Fatalf("%d bytes of frames in a file of %d", len(b.Frames), len(file))
			}
		}
		report, err := opened.Check(context.Background(), network())
		if err != nil {
			checkError(t, err, int64(len(file)))
		}
		for _, e := range report.Problems {
			checkError(t, e, int64(len(file)))
		}
	})
}

// checkError checks that an error has a place in a file of some size.
func checkError(t *testing.T, err error, size int64) {
	t.Helper()
	e, ok := errors.AsType[*era.Error](err)
	if !ok || e.Offset < 0 || e.Offset > size {
		t.Fatalf("error is %v, of type %T", err, err)
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("mainnet-00001-40cf2f3c.era")
	f.Add("dencun-devnet-12-00000-00000000.era")
	f.Fuzz(func(t *testing.T, name string) {
		if n, err := era.ParseName(name); err == nil && n.String() != name {
			t.Fatalf("%q is read as %q", name, n)
		}
	})
}

func FuzzParseState(f *testing.F) {
	f.Add(must(must(era.Open(context.Background(), genesisFile)).Groups()[0].State(context.Background(), network())).SSZ())
	f.Fuzz(func(t *testing.T, encoded []byte) {
		s, err := era.ParseState(network(), encoded)
		if err != nil {
			if !errors.Is(err, era.ErrState) {
				t.Fatal(err)
			}
			return
		}
		if _, err := s.Root(); err != nil {
			t.Fatal(err)
		}
		for era := range uint64(4) {
			s.EraRoot(era)
		}
	})
}
