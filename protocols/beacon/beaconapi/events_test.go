package beaconapi_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beaconapi"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// headEvent is one as production clients send it.
func headEvent(slot ssz.Slot) string {
	root := blockAt(slot).Root
	return fmt.Sprintf("event: head\ndata: {\"slot\":\"%d\",\"block\":\"%v\",\"state\":\"%v\",\"epoch_transition\":false,"+
		"\"previous_duty_dependent_root\":\"%v\",\"current_duty_dependent_root\":\"%v\",\"execution_optimistic\":false}\n\n",
		slot, root, root, root, root)
}

func TestHeadsAreYieldedAsTheyChange(t *testing.T) {
	malformed := beaconapi.ErrMalformed
	for name, test := range map[string]struct {
		sent string
		want []ssz.Slot
		err  error
	}{
		"nothing":         {"", nil, io.ErrUnexpectedEOF},
		"two":             {headEvent(3) + headEvent(4), []ssz.Slot{3, 4}, io.ErrUnexpectedEOF},
		"keep-alives":     {":\n\n" + headEvent(3) + ": hi\n\n:\n" + headEvent(4), []ssz.Slot{3, 4}, io.ErrUnexpectedEOF},
		"other events":    {"event: block\ndata: {}\n\n" + headEvent(3), []ssz.Slot{3}, io.ErrUnexpectedEOF},
		"carriage return": {strings.ReplaceAll(headEvent(3), "\n", "\r\n"), []ssz.Slot{3}, io.ErrUnexpectedEOF},
		"other fields":    {"id: 7\nretry: 10\n" + headEvent(3), []ssz.Slot{3}, io.ErrUnexpectedEOF},
		"several lines":   {strings.Replace(headEvent(3), `,"state"`, ",\ndata:\"state\"", 1), []ssz.Slot{3}, io.ErrUnexpectedEOF},
		"without space":   {strings.ReplaceAll(headEvent(3), ": ", ":"), []ssz.Slot{3}, io.ErrUnexpectedEOF},
		"cut off":         {headEvent(3) + headEvent(4)[:60], []ssz.Slot{3}, io.ErrUnexpectedEOF},
		"not JSON":        {"event: head\ndata: hello\n\n", nil, malformed},
		"no block":        {"event: head\ndata: {\"slot\":\"3\"}\n\n", nil, malformed},
		"a long line":     {headEvent(3) + "data: " + strings.Repeat("x", 70_000), []ssz.Slot{3}, beaconapi.ErrTooLarge},
		"many lines":      {strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 80), nil, beaconapi.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.handlers["/eth/v1/events"] = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery != "topics=head" {
					t.Errorf("query %q", r.URL.RawQuery)
				}
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, test.sent)
			}
			var got []ssz.Slot
			var last error
			for head, err := range n.client(t).Heads(t.Context()) {
				if last = err; err != nil {
					continue
				}
				if got = append(got, head.Slot); head.Root != blockAt(head.Slot).Root {
					t.Errorf("root of slot %d: %v", head.Slot, head.Root)
				}
			}
			if !slices.Equal(got, test.want) || !errors.Is(last, test.err) {
				t.Errorf("%v, %v, want %v, %v", got, last, test.want, test.err)
			}
		})
	}
}

// TestHeadsEndWithTheLoop leaves the loop while the node has more to say.
func TestHeadsEndWithTheLoop(t *testing.T) {
	n := newNode(t)
	ended := make(chan struct{})
	n.handlers["/eth/v1/events"] = func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, headEvent(3))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for range n.client(t).Heads(t.Context()) {
		break
	}
	<-ended
}
