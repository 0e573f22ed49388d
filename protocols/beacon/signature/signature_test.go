package signature_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/signature"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// stateOf returns the encoded state of one of the era files of the real chain: of Deneb, Electra or Fulu.
func stateOf(t testing.TB, file string) []byte {
	t.Helper()
	f, err := era.Open(context.Background(), "../../era/testdata/era/"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := f.Groups()[0].OpenState(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	genesisState = "vecdev-00000-05d79a31.era" // Deneb
	firstState   = "vecdev-00001-bd9082b1.era" // Electra
	secondState  = "vecdev-00002-31b7bc3c.era" // Fulu
)

func keysOf(t testing.TB) *signature.Keys {
	t.Helper()
	k, err := signature.ReadKeys(beacontest.FuluNetwork(), bytes.NewReader(stateOf(t, genesisState)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// blocksOf returns the real chain's blocks from the genesis block on.
func blocksOf(t testing.TB) (blocks []signature.Block) {
	t.Helper()
	for _, b := range beacontest.FuluBlocks() {
		block, err := signature.BlockOf(b.Root, b.SSZ)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, block)
	}
	return blocks
}

func count(results []signature.Result, of signature.Result) (n int) {
	for _, r := range results {
		if r == of {
			n++
		}
	}
	return n
}

// TestRealBlocksAreValid has blocks of three forks.
func TestRealBlocksAreValid(t *testing.T) {
	blocks := blocksOf(t)
	results := signature.Verify(beacontest.FuluNetwork(), keysOf(t), blocks)
	if got := count(results, signature.Valid); got != 205 || len(results) != 205 {
		t.Errorf("%d of %d signatures are valid, want 205 of 205", got, len(results))
	}
}

// TestInvalidSignaturesAreFound changes some of many signatures.
func TestInvalidSignaturesAreFound(t *testing.T) {
	n, k := beacontest.FuluNetwork(), keysOf(t)
	for name, change := range map[string]func(b, other *signature.Block){
		"zero":               func(b, _ *signature.Block) { b.Signature = [96]byte{} },
		"infinity":           func(b, _ *signature.Block) { b.Signature = [96]byte{0: 0xc0} },
		"another block's":    func(b, other *signature.Block) { b.Signature = other.Signature },
		"another root":       func(b, _ *signature.Block) { b.Root[7]++ },
		"another proposer":   func(b, _ *signature.Block) { b.ProposerIndex ^= 1 },
		"of another fork":    func(b, _ *signature.Block) { b.Slot += 100 },
		"not a point":        func(b, _ *signature.Block) { b.Signature[95] ^= 1 },
		"the negative point": func(b, _ *signature.Block) { b.Signature[0] ^= 0x20 },
	} {
		for _, wrong := range [][]int{{0}, {15}, {7}, {3, 4, 9}} {
			blocks := blocksOf(t)[10:26]
			for _, i := range wrong {
				change(&blocks[i], &blocksOf(t)[10+(i+1)%16])
			}
			results := signature.Verify(n, k, blocks)
			for i, r := range results {
				want := signature.Valid
				if slices.Contains(wrong, i) {
					want = signature.Invalid
				}
				if r != want {
					t.Errorf("%s, in blocks %v: block %d is %v", name, wrong, i, r)
				}
			}
		}
	}
}

// TestGenesisBlockHasNoSignature has signatures of a block in slot 0.
func TestGenesisBlockHasNoSignature(t *testing.T) {
	n, k := beacontest.FuluNetwork(), keysOf(t)
	genesis := blocksOf(t)[0]
	signed := genesis
	signed.Signature = blocksOf(t)[1].Signature
	got := signature.Verify(n, k, []signature.Block{genesis, signed})
	if want := []signature.Result{signature.Valid, signature.Invalid}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestUnknownProposersAreUnchecked knows the first few validators.
func TestUnknownProposersAreUnchecked(t *testing.T) {
	n, all := beacontest.FuluNetwork(), keysOf(t)
	some, err := signature.NewKeys(all.Bytes()[:5*48])
	if err != nil {
		t.Fatal(err)
	}
	blocks := blocksOf(t)
	for i := range blocks {
		if i%2 == 0 {
			blocks[i].Signature = [96]byte{1} // nobody looks at it if the key is not known
		}
	}
	blocks[1].ProposerIndex = 1<<64 - 1
	for i, r := range signature.Verify(n, some, blocks)[1:] {
		b := blocks[i+1]
		want := signature.Unchecked
		if b.ProposerIndex < 5 {
			want = signature.Valid
			if (i+1)%2 == 0 {
				want = signature.Invalid
			}
		}
		if r != want {
			t.Errorf("slot %d, proposer %d: %v, want %v", b.Slot, b.ProposerIndex, r, want)
		}
	}
	if got := count(signature.Verify(n, nil, blocks[1:]), signature.Unchecked); got != len(blocks)-1 {
		t.Errorf("%d blocks are unchecked without keys, want %d", got, len(blocks)-1)
	}
	if got := signature.Verify(n, some, nil); len(got) != 0 {
		t.Errorf("%v for no blocks", got)
	}
}

// TestInvalidKeysDoNotVerify has keys that are no points, or infinity.
func TestInvalidKeysDoNotVerify(t *testing.T) {
	b := blocksOf(t)[1]
	for _, first := range []byte{0, 0xc0} {
		keys := make([]byte, 16*48)
		for i := range 16 {
			keys[i*48] = first
		}
		k, err := signature.NewKeys(keys)
		if err != nil {
			t.Fatal(err)
		}
		infinity := b
		infinity.Signature = [96]byte{0: 0xc0}
		got := signature.Verify(beacontest.FuluNetwork(), k, []signature.Block{b, infinity})
		if count(got, signature.Invalid) != 2 {
			t.Errorf("key that begins with %#x: %v", first, got)
		}
	}
}

// TestKeysAreThoseOfTheState reads states of three forks, byte by byte too.
func TestKeysAreThoseOfTheState(t *testing.T) {
	n, want := beacontest.FuluNetwork(), keysOf(t)
	if want.Len() != 16 {
		t.Fatalf("%d keys, want 16", want.Len())
	}
	for _, file := range []string{genesisState, firstState, secondState} {
		state := stateOf(t, file)
		for name, r := range map[string]io.Reader{
			"whole":     bytes.NewReader(state),
			"byte-wise": iotest.OneByteReader(bytes.NewReader(state)),
		} {
			got, err := signature.ReadKeys(n, r)
			if err != nil {
				t.Fatalf("%s, %s: %v", file, name, err)
			}
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%s, %s: other keys", file, name)
			}
		}
	}
}

// TestKeysAreFoundBehindOtherLists reads a state that has much in front of its validators, as mainnet's have.
func TestKeysAreFoundBehindOtherLists(t *testing.T) {
	n, state := beacontest.FuluNetwork(), stateOf(t, firstState)
	shape, err := era.StateShape(n, ssz.Electra)
	if err != nil {
		t.Fatal(err)
	}
	at, size, err := shape.Find(bytes.NewReader(state), int64(len(state)), "validators")
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []int64{1, 121, 10_000, 1 << 20} {
		changed := slices.Concat(state[:at], bytes.Repeat([]byte{0xee}, int(more)), state[at:])
		for _, offset := range []int64{at, at + size} { // of the validators, and of the balances behind them
			i := bytes.Index(state, binary.LittleEndian.AppendUint32(nil, uint32(offset)))
			binary.LittleEndian.PutUint32(changed[i:], uint32(offset+more))
		}
		k, err := signature.ReadKeys(n, bytes.NewReader(changed))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(k.Bytes(), keysOf(t).Bytes()) {
			t.Errorf("other keys behind %d bytes more", more)
		}
	}
}

func TestBadStatesAreRefused(t *testing.T) {
	n, state := beacontest.FuluNetwork(), stateOf(t, firstState)
	shape, err := era.StateShape(n, ssz.Electra)
	if err != nil {
		t.Fatal(err)
	}
	at, size, err := shape.Find(bytes.NewReader(state), int64(len(state)), "validators")
	if err != nil {
		t.Fatal(err)
	}
	// Where the offset of the validators is.
	offset := bytes.Index(state, binary.LittleEndian.AppendUint32(nil, uint32(at)))
	with := func(at int, b ...byte) []byte { return slices.Concat(state[:at], b, state[at+len(b):]) }
	for name, b := range map[string][]byte{
		"empty":                     nil,
		"of another network":        with(8, 1, 2, 3),
		"ends in its head":          state[:1000],
		"ends before validators":    state[:at],
		"ends in the validators":    state[:at+size-1],
		"offset into the head":      with(offset, 1, 0, 0, 0),
		"offset beyond the balance": with(offset, 0xff, 0xff, 0xff, 0xff),
		"part of a validator":       with(offset, binary.LittleEndian.AppendUint32(nil, uint32(at+1))...),
		"of another fork":           with(40, 0xff, 0xff),
	} {
		if k, err := signature.ReadKeys(n, bytes.NewReader(b)); !errors.Is(err, signature.ErrState) {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
	broken := errors.New("broken")
	r := io.MultiReader(bytes.NewReader(state[:at+10]), iotest.ErrReader(broken))
	if _, err := signature.ReadKeys(n, r); !errors.Is(err, broken) {
		t.Errorf("broken reader: %v", err)
	}
	if _, err := signature.NewKeys(make([]byte, 49)); !errors.Is(err, signature.ErrKeys) {
		t.Errorf("49 bytes of keys: %v", err)
	}
}

func TestBlockOfTruncatedBytes(t *testing.T) {
	if _, err := signature.BlockOf(ssz.Root{}, make([]byte, 100)); !errors.Is(err, ssz.ErrSize) {
		t.Errorf("%v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	n, k, blocks := beacontest.FuluNetwork(), keysOf(b), blocksOf(b)[1:]
	for _, size := range []int{1, 8, 32, 64} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				if got := signature.Verify(n, k, blocks[:size]); count(got, signature.Valid) != size {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "µs/block")
		})
	}
	b.Run("64, one invalid", func(b *testing.B) {
		wrong := slices.Clone(blocks[:64])
		wrong[40].Root[0]++
		for b.Loop() {
			if got := signature.Verify(n, k, wrong); count(got, signature.Invalid) != 1 {
				b.Fatal(got)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*64), "µs/block")
	})
}
