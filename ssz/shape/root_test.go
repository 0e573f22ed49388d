package shape_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/seed-2dd5877b/reqresp/internal/race"
	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// merkleize is merkleize of the SSZ specification, step by step.
func merkleize(chunks [][32]byte, limit int) [32]byte {
	size := 1
	for size < limit {
		size *= 2
	}
	chunks = append(chunks, make([][32]byte, size-len(chunks))...)
	for len(chunks) > 1 {
		for i := range len(chunks) / 2 {
			chunks[i] = hash(chunks[2*i], chunks[2*i+1])
		}
		chunks = chunks[:len(chunks)/2]
	}
	return chunks[0]
}

func hash(a, b [32]byte) [32]byte { return sha256.Sum256(append(a[:], b[:]...)) }

func pack(b []byte) (chunks [][32]byte) {
	for ; len(b) > 32; b = b[32:] {
		chunks = append(chunks, [32]byte(b))
	}
	if len(b) > 0 {
		var last [32]byte
		copy(last[:], b)
		chunks = append(chunks, last)
	}
	return chunks
}

func mixIn(root [32]byte, n int) [32]byte {
	var length [32]byte
	binary.LittleEndian.PutUint64(length[:], uint64(n))
	return hash(root, length)
}

// pattern returns n bytes, all chunks of which differ.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i/32*13 + i/8192)
	}
	return b
}

func offsets(parts ...[]byte) (b []byte) {
	at := 4 * len(parts)
	for _, part := range parts {
		b = binary.LittleEndian.AppendUint32(b, uint32(at))
		at += len(part)
	}
	return append(b, bytes.Join(parts, nil)...)
}

// sizes are around what fills a chunk, a tree that is hashed layer by layer, and several of them.
var sizes = []int{0, 1, 31, 32, 33, 64, 96, 255 * 32, 256 * 32, 256*32 + 1, 257 * 32, 512 * 32, 513*32 + 5, 70_000}

func TestRootOfBytes(t *testing.T) {
	t.Parallel()
	for _, n := range sizes {
		b := pattern(n)
		for _, limit := range []int{n, n + 1, 2*n + 40} {
			requireRoot(t, shape.ByteList(uint64(limit)), b, mixIn(merkleize(pack(b), (limit+31)/32), n))
		}
		if n > 0 {
			requireRoot(t, shape.ByteVector(uint64(n)), b, merkleize(pack(b), (n+31)/32))
		}
		if n%8 == 0 {
			requireRoot(t, shape.List(shape.Uint(8), 3000*32), b, mixIn(merkleize(pack(b), 3000*8), n/8))
		}
		if n%32 == 0 {
			requireRoot(t, shape.List(shape.ByteVector(32), 3000), b, mixIn(merkleize(pack(b), 3000), n/32))
		}
	}
}

func TestRootOfBits(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 7, 8, 9, 255, 256, 257, 2047, 2048, 65536, 65537} {
		b := pattern((n + 7) / 8)
		if n%8 != 0 {
			b[n/8] &= 1<<(n%8) - 1
		}
		if n > 0 {
			requireRoot(t, shape.Bitvector(uint64(n)), b, merkleize(pack(b), (n+255)/256))
		}
		list := append(bytes.Clone(b), 0)[:n/8+1]
		list[n/8] |= 1 << (n % 8)
		for _, limit := range []int{n, n + 1, 3*n + 300} {
			requireRoot(t, shape.Bitlist(uint64(limit)), list, mixIn(merkleize(pack(b), (limit+255)/256), n))
		}
	}
}

func TestRootOfElements(t *testing.T) {
	t.Parallel()
	pair := shape.Container("Pair",
		shape.Field{Name: "number", Shape: shape.Uint(4)},
		shape.Field{Name: "flag", Shape: shape.Boolean()},
		shape.Field{Name: "bytes", Shape: shape.ByteList(40)},
	)
	pairs := func(n int) (values [][]byte, roots [][32]byte) {
		for i := range n {
			number := binary.LittleEndian.AppendUint32(nil, uint32(i))
			text := pattern(i % 40)
			value := append(append(append([]byte{}, number...), byte(i%2)), 9, 0, 0, 0)
			values = append(values, append(value, text...))
			roots = append(roots, merkleize([][32]byte{
				pack(number)[0], {byte(i % 2)}, mixIn(merkleize(pack(text), 2), len(text)),
			}, 4))
		}
		return values, roots
	}
	for _, n := range []int{0, 1, 2, 3, 255, 256, 257, 600} {
		values, roots := pairs(n)
		requireRoot(t, shape.List(pair, 2000), offsets(values...), mixIn(merkleize(roots, 2000), n))
		if n > 0 {
			values, roots = pairs(n)
			requireRoot(t, shape.Vector(pair, uint64(n)), offsets(values...), merkleize(roots, n))
		}
	}
}

// The deepest trees have the depth of the largest number.
func TestRootOfUnlimitedList(t *testing.T) {
	t.Parallel()
	want := [32]byte{1}
	zero := [32]byte{}
	for range 64 {
		want, zero = hash(want, zero), hash(zero, zero)
	}
	requireRoot(t, shape.List(shape.Container("Byte", shape.Field{Name: "b", Shape: shape.Uint(1)}), 1<<64-1),
		[]byte{1}, mixIn(want, 1))
}

func TestRootOfMalformedValue(t *testing.T) {
	t.Parallel()
	if _, err := shape.Boolean().Root([]byte{2}); !isCheckError(err, "", shape.ErrBoolean) {
		t.Errorf("error %v, want ErrBoolean", err)
	}
}

func TestRootAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("pools keep nothing under the race detector")
	}
	list := shape.List(shape.List(shape.Uint(8), 1<<20), 1<<20)
	b := offsets(pattern(1<<20), pattern(8))
	allocs := testing.AllocsPerRun(10, func() {
		if _, err := list.Root(b); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

func requireRoot(t *testing.T, of *shape.Shape, b []byte, want [32]byte) {
	t.Helper()
	before := bytes.Clone(b)
	got, err := of.Root(b)
	if err != nil || got != want {
		t.Errorf("%s of %d bytes: root %x, error %v, want %x", of.Name(), len(b), got, err, want)
	}
	if !bytes.Equal(b, before) {
		t.Errorf("%s of %d bytes: hashing changed them", of.Name(), len(b))
	}
}

func ExampleShape_Root() {
	checkpoint := shape.Container("Checkpoint",
		shape.Field{Name: "epoch", Shape: shape.Uint(8)},
		shape.Field{Name: "root", Shape: shape.ByteVector(32)},
	)
	root, err := checkpoint.Root(make([]byte, 40))
	fmt.Printf("%x %v", root, err)
	// Output:
	// f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b <nil>
}
