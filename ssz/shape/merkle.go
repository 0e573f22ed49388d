package shape

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

const chunkSize = 32 // BYTES_PER_CHUNK of the SSZ specification

// zeroHashes are the roots of trees of zero chunks, by depth.
var zeroHashes = func() (hashes [65][chunkSize]byte) {
	var pair [2 * chunkSize]byte
	for i := range len(hashes) - 1 {
		copy(pair[:chunkSize], hashes[i][:])
		copy(pair[chunkSize:], hashes[i][:])
		hashPairs(pair[:])
		copy(hashes[i+1][:], pair[:])
	}
	return hashes
}()

// batchDepth is the depth of the trees that are hashed layer by layer, which is fast; deeper ones
// are split, so that a hasher keeps no more than 2^batchDepth chunks for each level of nesting,
// whatever the size of its input.
const batchDepth = 8

// A hasher is a stack of chunks. Its methods replace what they hash by its root.
type hasher struct{ stack []byte }

var hashers = sync.Pool{New: func() any { return new(hasher) }}

func (h *hasher) push(chunk []byte) { h.stack = append(h.stack, chunk...) }

// pad fills the last chunk with zeros.
func (h *hasher) pad() {
	if rest := len(h.stack) % chunkSize; rest != 0 {
		h.stack = append(h.stack, zeroHashes[0][rest:]...)
	}
}

func (h *hasher) pushUint64(n uint64) {
	h.stack = binary.LittleEndian.AppendUint64(h.stack, n)
	h.pad()
}

// pair hashes the two topmost chunks.
func (h *hasher) pair() {
	at := len(h.stack) - 2*chunkSize
	hashPairs(h.stack[at:])
	h.stack = h.stack[:at+chunkSize]
}

// merkleize hashes the chunks from base on, as the first leaves of a tree.
func (h *hasher) merkleize(base, depth int) {
	if len(h.stack) == base {
		h.push(zeroHashes[depth][:])
		return
	}
	for level := range depth {
		if n := (len(h.stack) - base) / chunkSize; n%2 == 1 {
			h.push(zeroHashes[level][:])
		}
		hashPairs(h.stack[base:])
		h.stack = h.stack[:base+(len(h.stack)-base)/2]
	}
}

// leaves are chunks at the bottom of a tree: bytes, or the roots of elements.
type leaves struct {
	of    *Shape // of the elements, or nil
	bytes []byte
	count uint64 // how many chunks
	end   byte   // bits of the last byte that are no part of the value
}

// packed returns bytes as leaves.
func packed(b []byte) leaves {
	return leaves{bytes: b, count: (uint64(len(b)) + chunkSize - 1) / chunkSize}
}

// pushLeaves pushes leaves from one to another.
func (h *hasher) pushLeaves(l leaves, from, to uint64) {
	if l.of == nil {
		h.push(l.bytes[from*chunkSize : min(to*chunkSize, uint64(len(l.bytes)))])
		if to == l.count && l.end != 0 {
			h.stack[len(h.stack)-1] &^= l.end
		}
		h.pad()
		return
	}
	for i := from; i < to; i++ {
		h.pushRoot(l.of.elem, l.of.element(l.bytes, i, l.count))
	}
}

// tree pushes the root of a tree whose first leaves are those given and whose others are zero.
func (h *hasher) tree(l leaves, from, to uint64, depth int) {
	full := min(depth, log2(to-from)) // the part of the tree that holds all leaves
	if full <= batchDepth {
		base := len(h.stack)
		h.pushLeaves(l, from, to)
		h.merkleize(base, full)
	} else {
		middle := from + 1<<(full-1)
		h.tree(l, from, middle, full-1)
		h.tree(l, middle, to, full-1)
		h.pair()
	}
	for level := full; level < depth; level++ {
		h.push(zeroHashes[level][:])
		h.pair()
	}
}

// log2 returns the depth of the smallest tree that has n leaves.
func log2(n uint64) int {
	if n <= 1 {
		return 0
	}
	return bits.Len64(n - 1)
}
