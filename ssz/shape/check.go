package shape

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
)

// Check reports whether b is the encoding of a value of this shape: nil, or a [*CheckError] for
// the first breach. Every value has exactly one encoding, so what passes is canonical. The walk is
// linear in the length of b and allocates nothing unless it fails.
func (s *Shape) Check(b []byte) error {
	if err := s.check(b); err != nil {
		err.Type = s.Name()
		return err
	}
	return nil
}

// check returns an error whose path is relative to s.
func (s *Shape) check(b []byte) *CheckError {
	if s.fixed && uint64(len(b)) != s.min {
		return breach("%w: %d bytes, want %d", ErrSize, len(b), s.min)
	}
	if s.capped && uint64(len(b)) > s.max {
		return breach("%w: %d bytes, want at most %d", ErrSize, len(b), s.max)
	}
	if s.opaque {
		return nil
	}
	switch s.kind {
	case kindUint, kindByteVector: // opaque
	case kindBoolean:
		if b[0] > 1 {
			return breach("%w: %d", ErrBoolean, b[0])
		}
	case kindByteList:
		if uint64(len(b)) > s.limit {
			return breach("%w: %d bytes, want at most %d", ErrLimit, len(b), s.limit)
		}
	case kindBitvector:
		if last := b[len(b)-1]; last>>(s.limit%8) != 0 {
			return breach("%w: last byte %#02x of %d bits", ErrPadding, last, s.limit)
		}
	case kindBitlist:
		return s.checkBitlist(b)
	case kindVector, kindList:
		return s.checkElements(b)
	case kindContainer:
		return s.checkContainer(b)
	}
	return nil
}

func (s *Shape) checkBitlist(b []byte) *CheckError {
	if len(b) == 0 {
		return breach("%w: no bytes", ErrSentinel)
	}
	last := b[len(b)-1]
	if last == 0 {
		return breach("%w: last byte is zero", ErrSentinel)
	}
	if n := uint64(len(b)-1)*8 + uint64(bits.Len8(last)-1); n > s.limit {
		return breach("%w: %d bits, want at most %d", ErrLimit, n, s.limit)
	}
	return nil
}

// checkElements checks a vector or a list.
func (s *Shape) checkElements(b []byte) *CheckError {
	if !s.elem.fixed {
		return s.checkVariableElements(b)
	}
	size := s.elem.min
	n := uint64(len(b)) / size
	if uint64(len(b))%size != 0 {
		return breach("%w: %d bytes, want elements of %d", ErrSize, len(b), size)
	}
	if n > s.limit {
		return breach("%w: %d elements, want at most %d", ErrLimit, n, s.limit)
	}
	if s.elem.opaque {
		return nil
	}
	for i := range n {
		if err := s.elem.check(b[i*size : (i+1)*size]); err != nil {
			return err.in("[" + strconv.FormatUint(i, 10) + "]")
		}
	}
	return nil
}

// checkVariableElements checks a vector or a list whose elements are behind offsets. The first
// offset tells how many there are.
func (s *Shape) checkVariableElements(b []byte) *CheckError {
	if len(b) == 0 && s.kind == kindList {
		return nil
	}
	if len(b) < offsetSize {
		return breach("%w: %d bytes, want an offset of %d", ErrSize, len(b), offsetSize)
	}
	first := readOffset(b)
	n := first / offsetSize
	switch {
	case first%offsetSize != 0 || first == 0 || first > uint64(len(b)):
		return breach("%w: first offset %d of %d bytes", ErrOffset, first, len(b))
	case s.kind == kindVector && n != s.limit:
		return breach("%w: first offset %d, want %d", ErrOffset, first, s.limit*offsetSize)
	case n > s.limit:
		return breach("%w: %d elements, want at most %d", ErrLimit, n, s.limit)
	}
	start := first
	for i := range n {
		end := uint64(len(b))
		if i+1 < n {
			end = readOffset(b[(i+1)*offsetSize:])
		}
		if end < start || end > uint64(len(b)) {
			return breach("%w: %d, want %d to %d", ErrOffset, end, start, len(b)).
				in("[" + strconv.FormatUint(i+1, 10) + "]")
		}
		if err := s.elem.check(b[start:end]); err != nil {
			return err.in("[" + strconv.FormatUint(i, 10) + "]")
		}
		start = end
	}
	return nil
}

func (s *Shape) checkContainer(b []byte) *CheckError {
	if uint64(len(b)) < s.head {
		return breach("%w: %d bytes, want at least %d", ErrSize, len(b), s.head)
	}
	at := uint64(0)    // of the next field in the fixed part
	start := s.head    // of the value of pending
	var pending *Field // the last variable field: its end is the next offset
	for i := range s.fields {
		f := &s.fields[i]
		part := b[at : at+f.Shape.inline]
		at += f.Shape.inline
		if f.Shape.fixed {
			if err := f.Shape.check(part); err != nil {
				return err.in(f.Name)
			}
			continue
		}
		offset := readOffset(part)
		switch {
		case pending == nil && offset != s.head:
			return breach("%w: %d, want %d", ErrOffset, offset, s.head).in(f.Name)
		case offset < start || offset > uint64(len(b)):
			return breach("%w: %d, want %d to %d", ErrOffset, offset, start, len(b)).in(f.Name)
		}
		if pending != nil {
			if err := pending.Shape.check(b[start:offset]); err != nil {
				return err.in(pending.Name)
			}
		}
		pending, start = f, offset
	}
	if pending != nil {
		if err := pending.Shape.check(b[start:]); err != nil {
			return err.in(pending.Name)
		}
	}
	return nil
}

func readOffset(b []byte) uint64 { return uint64(binary.LittleEndian.Uint32(b)) }

func breach(format string, args ...any) *CheckError {
	return &CheckError{Reason: fmt.Errorf(format, args...)}
}

// in puts the name or the index of a part before the path.
func (e *CheckError) in(part string) *CheckError {
	if e.Path != "" && e.Path[0] != '[' {
		part += "."
	}
	e.Path = part + e.Path
	return e
}
