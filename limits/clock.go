package limits

import (
	"sync"
	"time"
)

// A clock is the virtual time of start-time fair queueing: how many bytes a
// peer of weight one that waits all the time was sent. A peer that was sent
// more since is ahead of the clock, and those that are behind go first.
//
// While nobody waits there is nothing to share, and the clock runs so fast that
// being ahead is forgiven within the time the node could have sent the bytes.
type clock struct {
	mu      sync.Mutex
	value   float64
	waiting int
	fresh   int           // new peers' turns among those that wait
	idle    time.Duration // since when nobody waits
	speed   float64       // while nobody waits, per nanosecond
}

// now returns the virtual time.
func (c *clock) now(now time.Duration) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked(now)
}

func (c *clock) nowLocked(now time.Duration) float64 {
	if c.waiting == 0 && now > c.idle {
		c.value += c.speed * float64(now-c.idle)
		c.idle = now
	}
	return c.value
}

// join counts in one who waits. It returns the virtual time and how many new peers' turns wait.
func (c *clock) join(now time.Duration, fresh bool) (virtual float64, newPeers int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.nowLocked(now)
	c.waiting++
	if fresh {
		c.fresh++
	}
	return v, c.fresh
}

// leave counts out one who waits, who goes on with its turn's tag if granted.
func (c *clock) leave(now time.Duration, t *turn, granted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting--
	if t.fresh {
		c.fresh--
	}
	c.idle = now
	if granted {
		c.value = max(c.value, t.tag)
	}
}

// set sets the speed, for a node that sends some bytes per nanosecond.
func (c *clock) set(now time.Duration, bytesPerNano float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nowLocked(now)
	c.speed = bytesPerNano / MinWeight
}
