package peers

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A newcomer is a peer in its trial, in which a share of the room is kept for it to show use.
const (
	trialTime = 30 * time.Second
	// trialShare is the part of the target that is kept for newcomers: one in so many, but at least one.
	trialShare = 4
	// trialAgain is when a peer that left its trial unused gets another, so that no identity holds room by
	// coming back.
	trialAgain = 10 * time.Minute
	// maxTrials bounds those that are remembered.
	maxTrials = 4096
	// usedFor is for how long a peer that was of use counts as such.
	usedFor = 10 * time.Minute
)

// trialLocked returns when the trial of a peer that connects began.
func (m *Manager) trialLocked(id peer.ID, now time.Time) time.Time {
	if began, ok := m.trials[id]; ok && now.Sub(began) < trialAgain {
		return began
	}
	return now
}

// endTrialLocked remembers the trial of a peer that goes, unless it was of use.
func (m *Manager) endTrialLocked(c *connected) {
	if !c.used.IsZero() {
		delete(m.trials, c.id)
		return
	}
	if len(m.trials) >= maxTrials {
		m.forgetTrialsLocked(time.Now())
	}
	m.trials[c.id] = c.trial
}

// forgetTrialsLocked makes room for one more trial: those that are over go, and one that is not if there is none.
func (m *Manager) forgetTrialsLocked(now time.Time) {
	for id, began := range m.trials {
		if now.Sub(began) >= trialAgain {
			delete(m.trials, id)
		}
	}
	for id := range m.trials {
		if len(m.trials) < maxTrials {
			return
		}
		delete(m.trials, id)
	}
}

func (c *connected) newcomer(now time.Time) bool { return now.Sub(c.trial) < trialTime }

func (c *connected) inUse(now time.Time) bool {
	return !c.used.IsZero() && now.Sub(c.used) < usedFor
}
