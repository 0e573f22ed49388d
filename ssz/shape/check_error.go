package shape

import (
	"errors"
	"strings"
)

// A CheckError says what is wrong with an encoding, and where.
type CheckError struct {
	Type   string // the name of the type that was checked
	Path   string // the field, such as message.body.attestations[3]; empty for the value itself
	Reason error  // wraps one of ErrSize, ErrOffset, ErrLimit, ErrBoolean, ErrPadding, ErrSentinel
}

// Error returns the reason, the type and the path in one line.
func (e *CheckError) Error() string {
	where := e.Type
	if e.Path != "" && e.Path[0] != '[' {
		where += "."
	}
	return where + e.Path + ": " + strings.TrimPrefix(e.Reason.Error(), "shape: ")
}

// Unwrap returns the reason.
func (e *CheckError) Unwrap() error { return e.Reason }

// The reasons of a [CheckError]: what is wrong with the bytes that a peer sent.
var (
	// ErrSize is returned when a value has too few or too many bytes: truncated input, trailing
	// bytes, or a list that is not a whole number of elements.
	ErrSize = errors.New("shape: wrong size")
	// ErrOffset is returned when an offset does not point to where its value has to begin.
	ErrOffset = errors.New("shape: bad offset")
	// ErrLimit is returned when a list has more elements than its type allows.
	ErrLimit = errors.New("shape: list over its limit")
	// ErrBoolean is returned when a boolean is neither 0 nor 1.
	ErrBoolean = errors.New("shape: boolean is neither 0 nor 1")
	// ErrPadding is returned when a bit beyond the end of a bitvector is set.
	ErrPadding = errors.New("shape: bit set beyond the end of a bitvector")
	// ErrSentinel is returned when a bitlist lacks the bit that marks its end.
	ErrSentinel = errors.New("shape: bitlist without its end bit")
)
