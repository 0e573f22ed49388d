package score

import (
	"cmp"
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/field"
)

// Max is the best score, and -Max the worst.
const Max = 100.0

// A Config is how a [Book] scores. The zero value means the defaults everywhere.
type Config struct {
	// HalfLife is how long a score takes to halve, at least a second. Zero means 10 minutes.
	HalfLife time.Duration
	// Window is how long a cap holds, at least a second. Zero means a minute.
	Window time.Duration
	// LowCap, MidCap and HighCap are the most that penalties of the class cost a peer within a window; those of Fatal
	// and Malformed are not capped. RewardCap is the most that rewards add. Zero means 20, 10, 5 and 5, none is
	// more than 100. By default no burst of a class that is capped bans, and only one of LowTolerance disconnects.
	LowCap, MidCap, HighCap, RewardCap float64
	// Disconnect is the score from which on a peer is to be disconnected, less than zero. A score within a quarter of a
	// point of it counts as at it, so that penalties which follow each other add up to it though the first decays
	// meanwhile. The same holds for Ban. Zero means -20.
	Disconnect float64
	// Ban is the score from which on a peer is banned, less than Disconnect and not less than -100. Zero means
	// -50.
	Ban float64
	// BanFor is how long a ban lasts, at least a second. The score stands still meanwhile. Zero means an hour.
	BanFor time.Duration
	// MaxPeers bounds the scores remembered, up to 1048576. Zero means 16384.
	MaxPeers int
}

// Effective returns the configuration with every default filled in, or an error that names what is outside its range.
func (c Config) Effective() (Config, error) {
	c.HalfLife = cmp.Or(c.HalfLife, 10*time.Minute)
	c.Window = cmp.Or(c.Window, time.Minute)
	c.LowCap = cmp.Or(c.LowCap, 20)
	c.MidCap = cmp.Or(c.MidCap, 10)
	c.HighCap = cmp.Or(c.HighCap, 5)
	c.RewardCap = cmp.Or(c.RewardCap, 5)
	c.Disconnect = cmp.Or(c.Disconnect, -20)
	c.Ban = cmp.Or(c.Ban, -50)
	c.BanFor = cmp.Or(c.BanFor, time.Hour)
	c.MaxPeers = cmp.Or(c.MaxPeers, 1<<14)
	if err := c.validate(); err != nil {
		return c, fmt.Errorf("score: %w", err)
	}
	return c, nil
}

func (c Config) validate() error {
	for _, d := range []struct {
		name string
		val  time.Duration
	}{{"HalfLife", c.HalfLife}, {"Window", c.Window}, {"BanFor", c.BanFor}} {
		if d.val < time.Second {
			return field.Errorf(d.name, "%v is less than a second", d.val)
		}
	}
	for _, f := range []struct {
		name          string
		val, min, max float64
	}{
		{"LowCap", c.LowCap, 0, Max},
		{"MidCap", c.MidCap, 0, Max},
		{"HighCap", c.HighCap, 0, Max},
		{"RewardCap", c.RewardCap, 0, Max},
		{"Disconnect", c.Disconnect, -Max, 0},
		{"Ban", c.Ban, -Max, c.Disconnect},
		{"MaxPeers", float64(c.MaxPeers), 1, 1 << 20},
	} {
		if !(f.val >= f.min && f.val <= f.max) { // NaN is not either
			return field.Errorf(f.name, "%v is not between %v and %v", f.val, f.min, f.max)
		}
	}
	if c.Ban >= c.Disconnect {
		return field.Errorf("Ban", "%v is not less than Disconnect %v", c.Ban, c.Disconnect)
	}
	return nil
}

func (c *Config) cap(class Class) float64 {
	switch class {
	case LowTolerance:
		return c.LowCap
	case MidTolerance:
		return c.MidCap
	case HighTolerance:
		return c.HighCap
	case reward:
		return c.RewardCap
	case Fatal, Malformed:
	}
	return 2 * Max
}
