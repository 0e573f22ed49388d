package ssz

import "errors"

// Errors about what a user says.
var (
	// ErrHex is returned when a text is not the expected number of hexadecimal digits.
	ErrHex = errors.New("ssz: malformed hexadecimal")
	// ErrConfig is returned when a configuration is malformed or contradicts itself.
	ErrConfig = errors.New("ssz: bad configuration")
	// ErrFork is returned when a name is no fork, or when a type is asked for in a fork that does
	// not define it.
	ErrFork = errors.New("ssz: unknown fork")
)

// The reasons of a [CheckError]: what is wrong with the bytes that a peer sent.
var (
	// ErrSize is returned when a value has too few or too many bytes: truncated input, trailing
	// bytes, or a list that is not a whole number of elements.
	ErrSize = errors.New("ssz: wrong size")
	// ErrOffset is returned when an offset does not point to where its value has to begin.
	ErrOffset = errors.New("ssz: bad offset")
	// ErrLimit is returned when a list has more elements than its type allows.
	ErrLimit = errors.New("ssz: list over its limit")
	// ErrBoolean is returned when a boolean is neither 0 nor 1.
	ErrBoolean = errors.New("ssz: boolean is neither 0 nor 1")
	// ErrPadding is returned when a bit beyond the end of a bitvector is set.
	ErrPadding = errors.New("ssz: bit set beyond the end of a bitvector")
	// ErrSentinel is returned when a bitlist lacks the bit that marks its end.
	ErrSentinel = errors.New("ssz: bitlist without its end bit")
)
