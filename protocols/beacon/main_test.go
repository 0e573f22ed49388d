package beacon_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if stray := strayGoroutines(time.Minute); len(stray) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines outlived the tests, the first:\n%s\n", len(stray), stray[0])
			code = 1
		}
	}
	os.Exit(code)
}

// strayGoroutines returns the stacks of goroutines of this module that have not
// ended in time.
func strayGoroutines(timeout time.Duration) (stray []string) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	poll(ctx, func() bool {
		stray = ownGoroutines()
		return len(stray) == 0
	})
	return stray
}

// ownGoroutines returns the stacks of all goroutines that run code of this module,
// but for the caller's own.
func ownGoroutines() (own []string) {
	buf := make([]byte, 16<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	for _, stack := range stacks[1:] {
		if strings.Contains(stack, "/protocols/") && !strings.Contains(stack, "testing.(*T).Run") {
			own = append(own, stack)
		}
	}
	return own
}

// poll returns whether the condition became true before ctx ended.
func poll(ctx context.Context, condition func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// waitFor fails the test if the condition does not become true soon.
func waitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !poll(ctx, condition) {
		t.Fatalf("still waiting for %s", what)
	}
}
