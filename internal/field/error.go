// Package field tells which field of a configuration is wrong, so that it can be told by the key that a file
// has for it as well.
package field

import (
	"errors"
	"fmt"
	"strings"
)

// An Error tells of a field that has a value which is not allowed.
type Error struct {
	// Path leads to the field: names of Go, and keys of maps.
	Path []string
	// Err begins with the value, and tells what is allowed.
	Err error
}

func (e *Error) Error() string { return strings.Join(e.Path, ".") + " " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error of the field of that path, whose parts are separated by dots.
func Errorf(path, format string, args ...any) error {
	return &Error{strings.Split(path, "."), fmt.Errorf(format, args...)}
}

// In returns the error of a field in what a path leads to, or nil if err is.
func In(err error, path ...string) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{append(path, e.Path...), e.Err}
	}
	return err
}
