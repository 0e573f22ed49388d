// Package installtest has what tests of installations share.
package installtest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Fake puts tools on the PATH that do as shell scripts say, and an empty cache folder in place, which it returns.
func Fake(t *testing.T, scripts map[string]string) (cache string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("shell scripts stand in for the tools")
	}
	bin, cache := t.TempDir(), t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	return cache
}

// Concurrently has several callers install the same, and returns the path that all of them got, which is below cache.
func Concurrently(t *testing.T, cache string, install func() (path string, err error)) string {
	t.Helper()
	var wg sync.WaitGroup
	paths := make([]string, 4)
	for i := range paths {
		wg.Go(func() {
			path, err := install()
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	wg.Wait()
	for _, path := range paths {
		if path != paths[0] || !strings.HasPrefix(path, cache) {
			t.Fatalf("installed as %q, want one for all, below %q", paths, cache)
		}
	}
	return paths[0]
}

// WantNothing checks that there is neither an installation nor a part of one.
func WantNothing(t *testing.T, cache string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(cache, "reqresp", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if !strings.HasSuffix(path, ".lock") {
			t.Errorf("left behind: %s", path)
		}
	}
}

// WantCalls compares what the tools wrote, line by line, into a file.
func WantCalls(t *testing.T, file string, want ...string) {
	t.Helper()
	out, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("calls %q, want %q", got, want)
	}
}
