package shape

// Root returns the hash tree root of the value that b encodes, or the error of [Shape.Check]. It
// needs no object and keeps no reference to b. Its memory is bounded by the nesting of the type,
// whatever the size of b, and is used again.
func (s *Shape) Root(b []byte) (root [32]byte, err error) {
	if err := s.Check(b); err != nil {
		return root, err
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.stack = h.stack[:0]
	h.pushRoot(s, b)
	return [32]byte(h.stack), nil
}

// pushRoot pushes the root of a value.
func (h *hasher) pushRoot(s *Shape, b []byte) {
	switch s.kind {
	case kindUint, kindBoolean:
		h.push(b)
		h.pad()
	case kindByteVector, kindBitvector:
		l := packed(b)
		h.tree(l, 0, l.count, log2(l.count))
	case kindByteList:
		h.pushList(s, packed(b), chunks(s.limit, 1), uint64(len(b)))
	case kindBitlist:
		data, length, end := splitBitlist(b)
		l := packed(data)
		l.end = end
		h.pushList(s, l, s.limit/256+(s.limit%256+255)/256, length)
	case kindVector:
		l := s.leaves(b)
		h.tree(l, 0, l.count, log2(l.count))
	case kindList:
		limit := s.limit
		if s.elem.basic() {
			limit = chunks(limit, s.elem.min)
		}
		h.pushList(s, s.leaves(b), limit, s.count(b))
	case kindContainer:
		h.pushContainer(s, b)
	}
}

// pushList pushes the root of a list of at most limit chunks, with its length mixed in.
func (h *hasher) pushList(s *Shape, l leaves, limit, length uint64) {
	if s.progressive {
		h.progressive(l, 0, 0)
	} else {
		h.tree(l, 0, l.count, log2(limit))
	}
	h.pushUint64(length)
	h.pair()
}

func (h *hasher) pushContainer(s *Shape, b []byte) {
	base := len(h.stack)
	for i := range s.fields {
		h.pushRoot(s.fields[i].Shape, s.field(b, i))
	}
	if !s.progressive {
		h.merkleize(base, log2(uint64(len(s.fields))))
		return
	}
	h.progressive(packed(h.stack[base:]), 0, 0)
	h.pushActiveFields(len(s.fields))
	h.pair()
	h.stack = append(h.stack[:base], h.stack[len(h.stack)-chunkSize:]...)
}

// leaves returns what is at the bottom of the tree of a vector or a list. The root of 32 bytes is
// the bytes themselves, so these are packed like numbers.
func (s *Shape) leaves(b []byte) leaves {
	if s.elem.basic() || s.elem.kind == kindByteVector && s.elem.limit == chunkSize {
		return packed(b)
	}
	return leaves{of: s, bytes: b, count: s.count(b)}
}

// basic reports whether the type is one of the basic types of the SSZ specification.
func (s *Shape) basic() bool { return s.kind == kindUint || s.kind == kindBoolean }

// chunks returns how many chunks n elements of a size fill.
func chunks(n, size uint64) uint64 {
	return n/chunkSize*size + (n%chunkSize*size+chunkSize-1)/chunkSize
}
