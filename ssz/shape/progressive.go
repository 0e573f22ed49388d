package shape

import "math"

// ProgressiveList returns the shape of any number of elements, EIP-7916's ProgressiveList. It is
// encoded as a list is. What bounds it is the size of the message.
func ProgressiveList(elem *Shape) *Shape { return List(elem, math.MaxUint64).asProgressive() }

// ProgressiveByteList returns the shape of any number of bytes, a ProgressiveList of bytes.
func ProgressiveByteList() *Shape { return ByteList(math.MaxUint64).asProgressive() }

// ProgressiveBitlist returns the shape of any number of bits, EIP-7916's ProgressiveBitlist.
func ProgressiveBitlist() *Shape { return Bitlist(math.MaxUint64).asProgressive() }

// ProgressiveContainer returns the shape of EIP-7495's ProgressiveContainer whose active_fields are
// all set. It is encoded as a container is. It panics if there are no fields, or more than 256.
func ProgressiveContainer(name string, fields ...Field) *Shape {
	if len(fields) > 256 {
		panic("shape: a progressive container has at most 256 fields")
	}
	return Container(name, fields...).asProgressive()
}

func (s *Shape) asProgressive() *Shape {
	s.progressive = true
	return s
}

// progressive pushes the root of a tree that grows with its leaves, those from one on: a tree of
// 2^depth leaves, and the rest in trees each four times as large as the one before.
func (h *hasher) progressive(l leaves, from uint64, depth int) {
	if from >= l.count {
		h.push(zeroHashes[0][:])
		return
	}
	next := min(from+1<<depth, l.count)
	h.tree(l, from, next, depth)
	h.progressive(l, next, depth+2)
	h.pair()
}

// pushActiveFields pushes active_fields with its first n bits set.
func (h *hasher) pushActiveFields(n int) {
	var bits [chunkSize]byte
	for i := range n {
		bits[i/8] |= 1 << (i % 8)
	}
	h.push(bits[:])
}
