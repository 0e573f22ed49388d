package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
)

func TestProgressOnATerminalIsABar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		m := newMeter(&b, true)
		m.synced(rangesync.Progress{Slot: 1, Target: 100}) // too soon
		time.Sleep(time.Second)                            // virtual
		m.synced(rangesync.Progress{Slot: 50, Target: 100, Blocks: 40, Bytes: 3 << 20})
		m.synced(rangesync.Progress{Slot: 51, Target: 100}) // too soon
		m.end()
		want := "\r\x1b[K\x1b[?7l" + strings.Repeat("█", 15) + strings.Repeat("░", 15) +
			"  50 % slot 50 of 100: 40 blocks, 3.0 MiB, 0 sidecars, 40 blocks/s\x1b[?7h\r\x1b[K"
		if got := b.String(); got != want {
			t.Errorf("%q\nwant\n%q", got, want)
		}
	})
}

func TestProgressElsewhereIsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		m := newMeter(&b, false)
		for range 250 {
			time.Sleep(100 * time.Millisecond) // virtual
			m.show(1, 2, "half")
		}
		m.end()
		if got := b.String(); got != "reqresp: half\nreqresp: half\n" {
			t.Errorf("%q", got)
		}
	})
}

func TestProgressOfAnUnknownTotalHasNoBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		m := newMeter(&b, true)
		time.Sleep(time.Second) // virtual
		m.show(7, 0, "seven")
		if got := b.String(); got != "\r\x1b[K\x1b[?7lseven\x1b[?7h" {
			t.Errorf("%q", got)
		}
	})
}

func TestWhatPeersSayDoesNotSpeakToTheTerminal(t *testing.T) {
	var b bytes.Buffer
	table := newTable(&b, "AGENT")
	table.row("evil\x1b[2J\r\n\x07\u202eé")
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	got, ok := strings.CutPrefix(b.String(), "AGENT\n")
	if !ok || strings.ContainsAny(strings.TrimSuffix(got, "\n"), "\x1b\r\n\a\u202e") || !strings.HasSuffix(got, "é\n") {
		t.Errorf("%q", got)
	}
}
