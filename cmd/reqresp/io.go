package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// output is standard output. It keeps its first error, which is that of the run: printing does
// not check errors one by one.
type output struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(p)
	if err != nil {
		o.err = fmt.Errorf("writing to standard output: %w", err)
	}
	return n, o.err
}

func (o *output) printf(format string, args ...any) { _, _ = fmt.Fprintf(o, format, args...) }

// printJSON prints a value on one line.
func (o *output) printJSON(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = o.Write(append(line, '\n'))
	return err
}

// note tells something beside the results, on standard error.
func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, "reqresp: "+format+"\n", args...)
}

// seconds is the length of a time in seconds, to the millisecond.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// perSecond is the rate of n in a time.
func perSecond(n uint64, d time.Duration) float64 {
	return float64(n) / max(d, time.Microsecond).Seconds()
}

// size is a number of bytes for people to read.
func size[T uint64 | float64](n T) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// version is what the go command recorded when it built the program.
func version() string {
	module := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		module = info.Main.Version
	}
	return fmt.Sprintf("%s (%s, %s/%s)", module, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

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
	// Nothing wakes a read of a terminal or a pipe, so the one that is in flight in the end is not
	// waited for: it goes with the process.
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
