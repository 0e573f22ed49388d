package ssz

import (
	"errors"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// Errors about what a user says.
var (
	// ErrHex is returned when a text is not the expected number of hexadecimal digits.
	ErrHex = errors.New("ssz: malformed hexadecimal")
	// ErrConfig is returned when a configuration is malformed or contradicts itself.
	ErrConfig = errors.New("ssz: bad configuration")
	// ErrFork is returned when a name is no fork, or when a type is asked for in a fork that does
	// not define it.
	ErrFork = errors.New("ssz: unknown fork")
	// ErrType is returned when a name is that of no type.
	ErrType = errors.New("ssz: unknown type")
)

// The reasons of a [CheckError], which are those of package shape.
var (
	// ErrSize is returned for truncated input, trailing bytes, or a list that is not a whole number
	// of elements.
	ErrSize = shape.ErrSize
	// ErrOffset is returned when an offset does not point to where its value has to begin.
	ErrOffset = shape.ErrOffset
	// ErrLimit is returned when a list has more elements than its type allows.
	ErrLimit = shape.ErrLimit
	// ErrBoolean is returned when a boolean is neither 0 nor 1.
	ErrBoolean = shape.ErrBoolean
	// ErrPadding is returned when a bit beyond the end of a bitvector is set.
	ErrPadding = shape.ErrPadding
	// ErrSentinel is returned when a bitlist lacks the bit that marks its end.
	ErrSentinel = shape.ErrSentinel
)

// A CheckError says what is wrong with an encoding, and where.
type CheckError = shape.CheckError
