package throttled_test

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
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(timeout); ; <-tick.C {
		if stray = ownGoroutines(); len(stray) == 0 || time.Now().After(deadline) {
			return stray
		}
	}
}

func ownGoroutines() (own []string) {
	buf := make([]byte, 16<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		ours := strings.Contains(stack, "/reqresp.") || strings.Contains(stack, "/throttled.") || strings.Contains(stack, "/throttled_test.")
		if ours && !strings.Contains(stack, "throttled_test.TestMain") {
			own = append(own, stack)
		}
	}
	return own
}
