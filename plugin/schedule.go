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
// is old, or that the one in use is older still.
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
	if missing := laterThan(n, b.Network()); len(missing) > 0 {
		logger.Warn("the network's schedule is older than the one that is built in: peers that follow today's refuse this node",
			"built_in", strings.Join(missing, "; "))
		return
	}
	given := s.cfg.Genesis != nil && s.cfg.Genesis.Config != b.Config // a file that says the same, perhaps of today
	if !given && len(store.Differences(n, b.Network())) == 0 && s.cfg.Now().After(b.Date.AddDate(0, scheduleMonths, 0)) {
		logger.Warn("the built-in schedule is old: forks that were scheduled since are not known, unless a configuration tells them",
			"as_of", b.Date.Format(time.DateOnly))
	}
}

// laterThan names the forks and changes of the blob parameters that today has and n has not.
func laterThan(n, today *ssz.Network) (missing []string) {
	for _, p := range today.Periods() {
		if q := n.PeriodAt(p.First); q.First != p.First || q.Digest != p.Digest {
			return store.Differences(today, n)
		}
	}
	return nil
}
