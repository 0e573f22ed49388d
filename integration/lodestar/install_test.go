package lodestar_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/internal/installtest"
	"github.com/seed-2dd5877b/reqresp/integration/lodestar"
)

// fakeNode puts a node and an npm on the PATH that do as a shell script says, and an empty cache folder in place.
func fakeNode(t *testing.T, npm string) (cache string) {
	t.Helper()
	return installtest.Fake(t, map[string]string{"node": "echo any-abi", "npm": npm})
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

	dir := installtest.Concurrently(t, cache, func() (string, error) { return lodestar.Install(t.Context()) })
	installtest.WantCalls(t, calls, "install", "rebuild")
	if _, err := os.Stat(filepath.Join(dir, "package.json")); err != nil {
		t.Error(err)
	}
}

func TestInstallFailureLeavesNothing(t *testing.T) {
	cache := fakeNode(t, "echo the registry is down; exit 3")
	_, err := lodestar.Install(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the registry is down") {
		t.Fatalf("error %v, want the output of npm in it", err)
	}
	installtest.WantNothing(t, cache)
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
