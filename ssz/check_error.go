package ssz

import "strings"

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
	return where + e.Path + ": " + strings.TrimPrefix(e.Reason.Error(), "ssz: ")
}

// Unwrap returns the reason.
func (e *CheckError) Unwrap() error { return e.Reason }
