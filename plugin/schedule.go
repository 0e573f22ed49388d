package plugin

import (
	"strings"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// scheduleMonths is how many months a built-in schedule is good for: the time between two forks has been longer.
const scheduleMonths = 6

// checkSchedule logs what may keep peers away from a network that is built in: that it is retired, that its schedule
// is old, or that the one in use lacks what is built in.
func (s *Service) checkSchedule(n *ssz.Network) {
	b, ok := ssz.BuiltInOf(n)
	if !ok {
		return
	}
	logger := s.log().With("network", b.Name)
	if b.Retired {
		logger.Warn("the network has been shut down: it may have no peers")
		return
	}
	if !store.HasSchedule(n, b.Network(), ssz.FarFutureEpoch) {
		logger.Warn("the network's schedule lacks what the one that is built in has: peers that follow that refuse this node",
			"built_in", strings.Join(store.Differences(b.Network(), n), "; "))
		return
	}
	given := s.cfg.Genesis != nil && s.cfg.Genesis.Config != b.Config // a file that says the same, perhaps of today
	if !given && len(store.Differences(n, b.Network())) == 0 && s.cfg.Now().After(b.Date.AddDate(0, scheduleMonths, 0)) {
		logger.Warn("the built-in schedule is old: forks that were scheduled since are not known, unless a configuration has them",
			"as_of", b.Date.Format(time.DateOnly))
	}
}
