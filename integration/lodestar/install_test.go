package lodestar_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/lodestar"
)

// fakeNode puts a node and an npm on the PATH that do as a shell script says, and an empty cache folder in place.
func fakeNode(t *testing.T, npm string) (cache string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("shell scripts stand in for node and npm")
	}
	bin, cache := t.TempDir(), t.TempDir()
	for name, script := range map[string]string{"node": "echo any-abi", "npm": npm} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	return cache
}

const fakeInstall = `
if [ "$1" = install ]; then
  mkdir -p node_modules/@chainsafe/lodestar/lib && : > node_modules/@chainsafe/lodestar/lib/index.js
fi
echo $1 >> "$CALLS"`

func TestInstallHappensOnce(t *testing.T) {
	cache := fakeNode(t, fakeInstall)
	calls := filepath.Join(cache, "calls")
	t.Setenv("CALLS", calls)

	var wg sync.WaitGroup
	dirs := make([]string, 4)
	for i := range dirs {
		wg.Go(func() {
			dir, err := lodestar.Install(t.Context())
			if err != nil {
				t.Error(err)
			}
			dirs[i] = dir
		})
	}
	wg.Wait()
	for _, dir := range dirs {
		if dir != dirs[0] || !strings.HasPrefix(dir, cache) {
			t.Errorf("installed in %q, want one folder for all, below %q", dirs, cache)
		}
	}
	out, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if want := "install\nrebuild\n"; string(out) != want {
		t.Errorf("npm was called with %q, want %q", out, want)
	}
	if _, err := os.Stat(filepath.Join(dirs[0], "package.json")); err != nil {
		t.Error(err)
	}
}

func TestInstallFailureLeavesNothing(t *testing.T) {
	cache := fakeNode(t, "echo the registry is down; exit 3")
	_, err := lodestar.Install(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the registry is down") {
		t.Fatalf("error %v, want the output of npm in it", err)
	}
	left, err := filepath.Glob(filepath.Join(cache, "*", "lodestar-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if !strings.HasSuffix(path, ".lock") {
			t.Errorf("left behind: %s", path)
		}
	}
}

func TestInstallEndsWithContext(t *testing.T) {
	started := filepath.Join(fakeNode(t, `: > "$STARTED"; sleep 600`), "started")
	t.Setenv("STARTED", started)
	cause := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)

	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := os.Stat(started); err == nil || ctx.Err() != nil {
				cancel(cause)
				return
			}
		}
	})
	_, err := lodestar.Install(ctx)
	cancel(nil)
	wg.Wait()
	if !errors.Is(err, cause) {
		t.Fatalf("error %v, want %v", err, cause)
	}
}

func TestInstallWithoutNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := lodestar.Install(t.Context()); !errors.Is(err, lodestar.ErrNoNode) {
		t.Fatalf("error %v, want %v", err, lodestar.ErrNoNode)
	}
}

func TestStartRefusesBadOptions(t *testing.T) {
	for name, opts := range map[string]lodestar.Options{
		"unknown fork":                {ForkEpochs: map[string]uint64{"deneb": 4}},
		"two forks in one epoch":      {ForkEpochs: map[string]uint64{"altair": 1, "bellatrix": 1}},
		"a fork left out":             {ForkEpochs: map[string]uint64{"altair": 1, "capella": 2}},
		"following from unknown time": {Follow: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir()) // had the options passed, Node would be missing
			node, err := lodestar.Start(t.Context(), t.TempDir(), opts)
			if err == nil {
				node.Stop()
			}
			if err == nil || errors.Is(err, lodestar.ErrNoNode) {
				t.Fatalf("error %v, want one about the options", err)
			}
		})
	}
}
