package rangesync_test

import (
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
	deadline := time.After(timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if stray = ownGoroutines(); len(stray) == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return stray
		}
	}
}

// ownGoroutines returns the stacks of all goroutines that run code of this module,
// but for the caller's own.
func ownGoroutines() (own []string) {
	buf := make([]byte, 16<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	for _, stack := range stacks[1:] {
		if strings.Contains(stack, "/plugin/") || strings.Contains(stack, "/protocols/") {
			own = append(own, stack)
		}
	}
	return own
}
