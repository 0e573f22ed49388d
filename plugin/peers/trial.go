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
	// trialAgain is when a peer that has had its trial gets another, so that no identity holds room by
	// coming back.
	trialAgain = 10 * time.Minute
	// maxTrials bounds those that are remembered.
	maxTrials = 4096
	// usedFor is for how long a peer that was of use counts as such.
	usedFor = 10 * time.Minute
)

// A trial is when that of a peer began, and when the peer was last of use; zero if it never was.
type trial struct{ began, used time.Time }

// trialLocked returns the trial of a peer that connects.
func (m *Manager) trialLocked(id peer.ID, now time.Time) trial {
	if t, ok := m.trials[id]; ok && now.Sub(t.began) < trialAgain {
		return t
	}
	return trial{began: now}
}

// endTrialLocked remembers the trial of a peer that goes.
func (m *Manager) endTrialLocked(c *connected) {
	if len(m.trials) >= maxTrials {
		m.forgetTrialsLocked(time.Now())
	}
	m.trials[c.id] = c.trial
}

// forgetTrialsLocked makes room for one more trial: those that are over go, and one that is not if there is none.
func (m *Manager) forgetTrialsLocked(now time.Time) {
	for id, t := range m.trials {
		if now.Sub(t.began) >= trialAgain {
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

func (c *connected) newcomer(now time.Time) bool { return now.Sub(c.began) < trialTime }

func (c *connected) inUse(now time.Time) bool {
	return !c.used.IsZero() && now.Sub(c.used) < usedFor
}
