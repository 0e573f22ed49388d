package shape

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Find returns where a part of an encoding is: a field of a container, or of one of its fields, and so on
// along a path of names such as message, body. It reads nothing but the offsets on the path from r,
// which holds an encoding of size bytes. A part that is found lies within the encoding; whether that is
// well formed is for [Shape.Check] to say.
//
// The error is a [*CheckError] if an offset leads out of the container that it is in, or the container is
// too short, or that of r. Find panics if there is no such path.
func (s *Shape) Find(r io.ReaderAt, size int64, path ...string) (at, n int64, err error) {
	inner, n := s, size
	for i, name := range path {
		start, end, field, err := inner.findField(r, at, n, name)
		if bad, ok := errors.AsType[*CheckError](err); ok {
			bad.Type, bad.Path = s.Name(), strings.Join(path[:i+1], ".")
		}
		if err != nil {
			return 0, 0, err
		}
		inner, at, n = field, at+start, end-start
	}
	return at, n, nil
}

// findField returns where a field is in the encoding of a container that begins at base, and its shape.
func (s *Shape) findField(r io.ReaderAt, base, size int64, name string) (start, end int64, field *Shape, err error) {
	i := slices.IndexFunc(s.fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("shape: %s has no field %s", s.Name(), name))
	}
	if uint64(size) < s.head {
		return 0, 0, nil, breach("%w: %d bytes, want at least %d", ErrSize, size, s.head)
	}
	field = s.fields[i].Shape
	if field.fixed {
		start = int64(s.at[i])
		return start, start + int64(field.inline), field, nil
	}
	if start, err = readOffsetAt(r, base+int64(s.at[i])); err != nil {
		return 0, 0, nil, err
	}
	end = size
	for j := i + 1; j < len(s.fields); j++ {
		if !s.fields[j].Shape.fixed {
			if end, err = readOffsetAt(r, base+int64(s.at[j])); err != nil {
				return 0, 0, nil, err
			}
			break
		}
	}
	if start < int64(s.head) || start > end || end > size {
		return 0, 0, nil, breach("%w: %d and then %d, want %d to %d", ErrOffset, start, end, s.head, size)
	}
	return start, end, field, nil
}

func readOffsetAt(r io.ReaderAt, at int64) (int64, error) {
	var b [offsetSize]byte
	if _, err := r.ReadAt(b[:], at); err != nil {
		return 0, err
	}
	return int64(readOffset(b[:])), nil
}
