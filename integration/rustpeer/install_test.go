package rustpeer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/integration/internal/installtest"
	"github.com/seed-2dd5877b/reqresp/integration/rustpeer"
)

// fakeCargo puts a cargo on the PATH that does as a shell script says, and an empty cache folder in place.
func fakeCargo(t *testing.T, script string) (cache string) {
	t.Helper()
	return installtest.Fake(t, map[string]string{"cargo": script})
}

// fakeBuild makes what cargo build --release --target-dir FOLDER would, for whatever program it is run.
const fakeBuild = `
[ "$1 $2 $3" = "build --release --target-dir" ] && [ -f Cargo.toml ] && [ -f ../line/Cargo.toml ] || exit 1
mkdir -p "$4/release"
echo "$PWD" > "$4/release/rustpeer-$(basename "$PWD")"
basename "$PWD" >> "$CALLS"`

func TestInstallHappensOnce(t *testing.T) {
	cache := fakeCargo(t, fakeBuild)
	calls := filepath.Join(cache, "calls")
	t.Setenv("CALLS", calls)

	for _, program := range []rustpeer.Program{rustpeer.Current, rustpeer.Throttled, rustpeer.Gossip} {
		path := installtest.Concurrently(t, cache, func() (string, error) { return rustpeer.Install(t.Context(), program) })
		built, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if dir := filepath.Base(strings.TrimSpace(string(built))); dir != string(program) {
			t.Errorf("%s was built in %s", program, dir)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "target")); !os.IsNotExist(err) {
			t.Errorf("folder target: %v, want it removed", err)
		}
	}
	installtest.WantCalls(t, calls, "current", "throttled", "gossip")
}

func TestInstallFailureLeavesNothing(t *testing.T) {
	cache := fakeCargo(t, "echo the registry is down; exit 101")
	_, err := rustpeer.Install(t.Context(), rustpeer.Current)
	if err == nil || !strings.Contains(err.Error(), "the registry is down") {
		t.Fatalf("error %v, want the output of cargo in it", err)
	}
	installtest.WantNothing(t, cache)
}

func TestInstallWithoutCargo(t *testing.T) {
	fakeCargo(t, fakeBuild)
	t.Setenv("PATH", t.TempDir())
	if _, err := rustpeer.Install(t.Context(), rustpeer.Current); !errors.Is(err, rustpeer.ErrNoCargo) {
		t.Fatalf("error %v, want %v", err, rustpeer.ErrNoCargo)
	}
}

func TestInstallEndsWithContext(t *testing.T) {
	fakeCargo(t, fakeBuild)
	cause := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := rustpeer.Install(ctx, rustpeer.Throttled); !errors.Is(err, cause) {
		t.Fatalf("error %v, want %v", err, cause)
	}
}

func TestInstallKnowsItsPrograms(t *testing.T) {
	fakeCargo(t, fakeBuild)
	_, err := rustpeer.Install(t.Context(), "future")
	if err == nil || !strings.Contains(err.Error(), `"future"`) {
		t.Fatalf("error %v, want one that names the program", err)
	}
}

// A program that does not say that it has started is an error with what it printed.
func TestStartTellsWhyNot(t *testing.T) {
	fakeCargo(t, `
mkdir -p "$4/release"
printf '#!/bin/sh\necho no such option: "$1" >&2\nexit 7\n' > "$4/release/rustpeer-current"
chmod +x "$4/release/rustpeer-current"`)
	peer, err := rustpeer.Start(t.Context(), rustpeer.Current, rustpeer.Options{Seed: 3})
	if err == nil {
		peer.Stop()
	}
	if err == nil || !strings.Contains(err.Error(), `no such option: {"seed":3}`) {
		t.Fatalf("error %v, want what the program printed", err)
	}
}
