package reqresp_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A journal keeps what is noted, of any goroutine.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, fmt.Sprintf(format, args...))
}

// want checks what was noted since it was last called.
func (j *journal) want(t testing.TB, entries ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.entries, entries) {
		t.Errorf("noted\n%q\nwant\n%q", j.entries, entries)
	}
	j.entries = nil
}

// trace notes all hooks that are called.
func (j *journal) trace() *reqresp.Trace {
	return &reqresp.Trace{
		Start: func(x *reqresp.Exchange) { j.note("%d start", x.ID) },
		Phase: func(x *reqresp.Exchange, _ reqresp.Phase, _ time.Duration) { j.note("%d %v", x.ID, x.Phase) },
		Chunk: func(x *reqresp.Exchange, bytes, _ int) { j.note("%d chunk %d", x.ID, bytes) },
		Done: func(x *reqresp.Exchange) {
			j.note("%d done: %v, %d/%d/%d", x.ID, reqresp.ReasonOf(x.Err), x.Chunks, x.RequestBytes, x.ResponseBytes)
		},
	}
}
