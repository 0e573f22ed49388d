package simtest

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience is how long is waited for what should come soon.
const patience = time.Minute

// WaitFor fails the test if the condition does not become true within a minute. It polls: it is for what has no event
// to wait on.
func WaitFor(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !poll(condition) {
		t.Fatalf("waited for %s in vain\n%s", what, strings.Join(stacks(), "\n\n"))
	}
}

// Main runs the tests of a package, and fails if goroutines outlive them that run code of packages whose path has one
// of these parts.
func Main(m *testing.M, parts ...string) {
	code := m.Run()
	if code == 0 {
		var stray []string
		if !poll(func() bool { stray = Goroutines(parts...); return len(stray) == 0 }) {
			fmt.Fprintf(os.Stderr, "%d goroutines outlived the tests, the first:\n%s\n", len(stray), stray[0])
			code = 1
		}
	}
	os.Exit(code)
}

// Goroutines returns the stacks of goroutines, but for the caller's and those of tests that wait for others, that run
// code of packages whose path has one of these parts.
func Goroutines(parts ...string) []string {
	return slices.DeleteFunc(stacks()[1:], func(stack string) bool {
		return strings.Contains(stack, "testing.(*T).Run") ||
			!slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(stack, part) })
	})
}

// stacks returns those of all goroutines, the caller's first.
func stacks() []string {
	buf := make([]byte, 16<<20)
	return strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
}

// poll returns whether the condition became true in time.
func poll(condition func() bool) bool {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return false
		}
	}
	return true
}
