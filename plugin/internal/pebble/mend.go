package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/record"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
)

// damagedSuffix is what is appended to the name of a file that was damaged, and of which the database does without.
const damagedSuffix = ".damaged"

// mend sets aside what keeps a database from being opened and what it can do without: its list of options, and what
// comes after the damage in a write-ahead log. It reports whether there was such.
func mend(dir string) (mended bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case strings.HasPrefix(entry.Name(), "OPTIONS-") && filepath.Ext(path) != damagedSuffix:
			err = os.Rename(path, path+damagedSuffix)
			mended = true
		case filepath.Ext(path) == ".log":
			var cut bool
			cut, err = cutLog(path)
			mended = mended || cut
		}
		if err != nil {
			return mended, err
		}
	}
	return mended, nil
}

// cutLog cuts a write-ahead log where it is damaged, after keeping a copy. It reports whether it is.
func cutLog(path string) (cut bool, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	var number uint64
	if _, err := fmt.Sscanf(filepath.Base(path), "%d.log", &number); err != nil {
		return false, nil // It is none of Pebble's.
	}
	r := readLog(record.NewReader, bytes.NewReader(content), number)
	for good := int64(0); ; good = r.Offset() {
		next, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, next)
		}
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			if err := atomicfile.Write(path+damagedSuffix, content); err != nil {
				return false, err
			}
			return true, os.Truncate(path, good)
		}
	}
}

// readLog is record.NewReader. The type of its number has no name outside of Pebble.
func readLog[N ~uint64](newReader func(io.Reader, N) *record.Reader, r io.Reader, number uint64) *record.Reader {
	return newReader(r, N(number))
}
