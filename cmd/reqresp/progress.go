package main

import (
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
)

// progressEvery is the time between lines of progress.
const progressEvery = time.Second

// progress returns what prints lines of progress to standard error, nil if that is no terminal.
func (a *app) progress() func(rangesync.Progress) {
	if !isTerminal(a.stderr) {
		return nil
	}
	began := time.Now()
	last := began
	return func(p rangesync.Progress) {
		now := time.Now()
		if now.Sub(last) < progressEvery {
			return
		}
		last = now
		a.note("slot %d of %d: %d blocks, %s, %.0f blocks/s",
			p.Slot, p.Target, p.Blocks, size(p.Bytes), perSecond(p.Blocks, now.Sub(began)))
	}
}
