package e2store

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrTruncated is returned when a record goes beyond the end of what is read. It wraps
	// [io.ErrUnexpectedEOF].
	ErrTruncated = fmt.Errorf("e2store: record goes beyond the end: %w", io.ErrUnexpectedEOF)
	// ErrReserved is returned when the reserved bytes of a header are not zero: what is there is no header,
	// or one of a later format.
	ErrReserved = errors.New("e2store: reserved bytes of a record header are not zero")
	// ErrTooLarge is returned when a record has more data than its reader or the format allows.
	ErrTooLarge = errors.New("e2store: record too large")
)

// An Error is what is wrong with a record, and where.
type Error struct {
	Offset int64 // Offset is that of the record's header in its source.
	Err    error // Err wraps one of this package's errors, or is that of the source.
}

// Error returns the offset and the reason in one line.
func (e *Error) Error() string { return fmt.Sprintf("record at offset %d: %v", e.Offset, e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }
