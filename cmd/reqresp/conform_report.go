package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
)

// A junitReport is a file that is there as a whole, or as it was before.
type junitReport struct {
	path string
	file *os.File // beside path; nil if there is to be none
}

// newReport finds out at once whether a report can be written.
func newReport(path string) (*junitReport, error) {
	if path == "" {
		return new(junitReport), nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--junit %s is not a regular file", path)
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("--junit: %w", err)
	}
	return &junitReport{path, file}, nil
}

func (r *junitReport) write(name string, results []conformance.Result) error {
	if r.file == nil {
		return nil
	}
	err := conformance.WriteJUnit(r.file, name, results)
	err = errors.Join(err, r.file.Chmod(0o644), r.file.Sync(), r.file.Close())
	if err == nil {
		err = os.Rename(r.file.Name(), r.path)
	}
	if err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	r.file = nil
	return nil
}

// discard removes what was not written to its end.
func (r *junitReport) discard() {
	if r.file != nil {
		_ = r.file.Close()
		_ = os.Remove(r.file.Name())
	}
}
