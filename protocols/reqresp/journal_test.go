package reqresp_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

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

// clientTrace notes all that a client's hooks are told.
func (j *journal) clientTrace() *reqresp.ClientTrace {
	told := func(hook string) func(reqresp.OutboundInfo) {
		return func(i reqresp.OutboundInfo) { j.note("%v %s", i.ID, hook) }
	}
	bytes := func(hook string) func(reqresp.OutboundInfo, int) {
		return func(i reqresp.OutboundInfo, n int) { j.note("%v %s %d", i.ID, hook, n) }
	}
	return &reqresp.ClientTrace{
		Start: told("start"), Turn: told("turn"), Connected: told("connected"), Negotiated: told("negotiated"),
		WroteRequest: bytes("wrote"), GotFirstByte: told("first byte"), GotChunk: bytes("chunk"),
		Done: func(i reqresp.OutboundInfo, r reqresp.Result) { j.note("%v %s", i.ID, ending(r)) },
	}
}

// serverTrace notes all that a server's hooks are told.
func (j *journal) serverTrace() *reqresp.ServerTrace {
	told := func(hook string) func(reqresp.InboundInfo) {
		return func(i reqresp.InboundInfo) { j.note("%v %s", i.ID, hook) }
	}
	bytes := func(hook string) func(reqresp.InboundInfo, int) {
		return func(i reqresp.InboundInfo, n int) { j.note("%v %s %d", i.ID, hook, n) }
	}
	return &reqresp.ServerTrace{
		Start: told("start"), GotRequest: bytes("got"), Admitted: told("admitted"), WroteChunk: bytes("chunk"),
		Done: func(i reqresp.InboundInfo, r reqresp.Result) { j.note("%v %s", i.ID, ending(r)) },
	}
}

func ending(r reqresp.Result) string {
	return fmt.Sprintf("done: %v, %d/%d/%d", reqresp.ReasonOf(r.Err), r.Chunks, r.RequestBytes, r.ResponseBytes)
}
