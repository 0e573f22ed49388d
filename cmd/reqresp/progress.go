package main

import (
	"fmt"
	"io"
	"time"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/bar"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
)

// The times between two shows of progress: on a terminal, where one bar is drawn over the other,
// and elsewhere, where it is lines.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
)

// barCells is how wide a bar is.
const barCells = 30

// A meter shows how far something has come, on standard error.
type meter struct {
	w        io.Writer
	terminal bool
	began    time.Time
	last     time.Time
	drawn    bool // a bar is on the terminal's last line
}

func newMeter(w io.Writer, terminal bool) *meter {
	now := time.Now()
	return &meter{w: w, terminal: terminal, began: now, last: now}
}

func (a *app) meter() *meter { return newMeter(a.stderr, isTerminal(a.stderr)) }

// elapsed is the time since the beginning.
func (m *meter) elapsed() time.Duration { return time.Since(m.began) }

// show shows that so much of a total is done, unless it has just been shown. A total of zero is
// one that is not known.
func (m *meter) show(done, total uint64, format string, args ...any) {
	every := lineEvery
	if m.terminal {
		every = barEvery
	}
	now := time.Now()
	if now.Sub(m.last) < every {
		return
	}
	m.last = now
	text := fmt.Sprintf(format, args...)
	if !m.terminal {
		_, _ = fmt.Fprintf(m.w, "reqresp: %s\n", text)
		return
	}
	m.drawn = true
	if total > 0 {
		text = fmt.Sprintf("%s %3d %% %s", bar.Of(done, total, barCells), min(done, total)*100/total, text)
	}
	// Back to the begin of the line, and clear what was there. What does not fit is cut off: if it
	// went on in the next line it would stay there.
	_, _ = fmt.Fprintf(m.w, "\r\x1b[K\x1b[?7l%s\x1b[?7h", text)
}

// end takes the bar away, so that results do not follow it on its line.
func (m *meter) end() {
	if m.drawn {
		_, _ = fmt.Fprint(m.w, "\r\x1b[K")
	}
}

// synced shows the progress of a sync.
func (m *meter) synced(p rangesync.Progress) {
	m.show(uint64(p.Slot), uint64(p.Target), "slot %d of %d: %d blocks, %s, %d sidecars, %.0f blocks/s",
		p.Slot, p.Target, p.Blocks, size(p.Bytes), p.Sidecars, perSecond(p.Blocks, m.elapsed()))
}

// A metered reader counts what is read of files.
type metered struct {
	io.Reader
	done func(n int)
}

// Read implements io.Reader.
func (r metered) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.done(n)
	return n, err
}
