package main

import (
	"context"
	"io"
	"os"
)

// readsOnce reports whether a path is standard input, or a pipe or device: what was read of it is
// gone, and a read may wait for long.
func readsOnce(path string) bool {
	if path == "-" {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// openInput opens a file, or standard input if the path is "-". What may wait for long fails when
// ctx ends.
func openInput(ctx context.Context, path string, stdin io.Reader) (io.ReadCloser, error) {
	switch {
	case path == "-":
		return interruptible(ctx, func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }), nil
	case readsOnce(path):
		// To open a pipe waits as well, for somebody who writes.
		return interruptible(ctx, func() (io.ReadCloser, error) { return os.Open(path) }), nil
	}
	return os.Open(path)
}

// interruptible returns a reader of what open opens. Its reads fail with the cause when ctx ends.
func interruptible(ctx context.Context, open func() (io.ReadCloser, error)) io.ReadCloser {
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = w.CloseWithError(context.Cause(ctx)) })
	// Nothing wakes a read of a terminal or a pipe, so nobody waits for the one that is under way in
	// the end: it goes with the process.
	go func() {
		defer stop()
		file, err := open()
		if err == nil {
			_, err = io.Copy(w, file)
			_ = file.Close()
		}
		_ = w.CloseWithError(err)
	}()
	return r
}
