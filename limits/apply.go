package limits

import (
	"fmt"
	"hash/maphash"
	"maps"
	"time"
)

// Apply replaces the configuration, at once for all peers and for exchanges that
// wait. What a peer has used remains used, what it owes remains owed, and no
// exchange ends. For the milliseconds it takes nothing else is decided. It fails,
// and changes nothing, if a rate or a bound is outside its range, or if prefixes are
// turned on and [Options].Addr is nil.
func (l *Limiter) Apply(c Config) error {
	if l.addr == nil {
		if c.Prefix.Peers > 0 {
			return fmt.Errorf("limits: Prefix.Peers is %d, which needs Options.Addr: see HostAddr, or want 0", c.Prefix.Peers)
		}
		c.Prefix.Peers = -1
	}
	c, err := c.Effective()
	if err != nil {
		return err
	}
	l.change.Lock()
	defer l.change.Unlock()
	l.lock()
	defer l.unlock()
	now := l.now()
	l.config = c
	l.maxPeers.Store(int64(c.MaxPeers))
	l.node.set(now, c.Node.compile(), 0)
	l.node.setFloor()
	l.clock.set(now, float64(c.Node.Bytes.N)/float64(c.Node.Bytes.Per))
	methods := *l.methods.Load()
	before := make([]rates, len(methods))
	for _, m := range methods {
		before[m.index] = m.rates
		l.setMethod(now, m)
	}
	for i := range l.shards {
		for a := range l.shards[i].accounts.all() {
			a.budget.change(&before[a.method.index], &a.method.rates, now)
			a.nudge()
		}
	}
	l.setPrefixes(now, methods)
	return nil
}

// Config returns the configuration in effect, with every default filled in. Its
// map is the caller's.
func (l *Limiter) Config() Config {
	l.change.Lock()
	defer l.change.Unlock()
	c := l.config
	c.Methods = maps.Clone(c.Methods)
	return c
}

// setMethod gives a method what the configuration says.
func (l *Limiter) setMethod(now time.Duration, m *method) {
	c := l.config.Method(m.name)
	m.rates = c.Peer.compile()
	m.pool.set(now, c.Node.compile(), 0)
	m.pool.setFloor()
}

// setPrefixes gives the prefixes what the configuration says. Peers join and
// leave them as they are next refreshed.
func (l *Limiter) setPrefixes(now time.Duration, methods map[string]*method) {
	t, c := &l.prefixes, l.config.Prefix
	t.max, t.peers, t.length = l.config.MaxPeers, max(c.Peers, 0), c
	t.concurrent = l.config.MaxConcurrent * t.peers
	for _, x := range t.known {
		x.share = float64(max(t.peers, 1))
		for _, m := range methods {
			if m.index < len(x.pools) && x.pools[m.index] != nil {
				x.pools[m.index].set(now, m.rates.times(uint64(t.peers)), t.concurrent)
			}
		}
	}
}

// lock stops every decision.
func (l *Limiter) lock() {
	for i := range l.shards {
		l.shards[i].mu.Lock()
	}
	l.prefixes.mu.Lock()
	for _, s := range l.pools() {
		s.lock()
	}
}

func (l *Limiter) unlock() {
	for _, s := range l.pools() {
		s.unlock()
	}
	l.prefixes.mu.Unlock()
	for i := range l.shards {
		l.shards[i].mu.Unlock()
	}
}

// pools returns all that is shared, always in some order that no other takes.
// Methods and prefixes are locked.
func (l *Limiter) pools() []*pool {
	all := []*pool{&l.node}
	for _, m := range *l.methods.Load() {
		all = append(all, &m.pool)
	}
	for _, x := range l.prefixes.known {
		for _, s := range x.pools {
			if s != nil {
				all = append(all, s)
			}
		}
	}
	return all
}

// method returns the method of that name. Names come from the specs a server
// registers, so there are few.
func (l *Limiter) method(name string) *method {
	if m := (*l.methods.Load())[name]; m != nil {
		return m
	}
	return l.addMethod(name)
}

func (l *Limiter) addMethod(name string) *method {
	l.change.Lock()
	defer l.change.Unlock()
	known := *l.methods.Load()
	if m := known[name]; m != nil {
		return m
	}
	m := &method{name: name, index: len(known), salt: maphash.String(l.seeds[0], name)}
	l.setMethod(l.now(), m) // nobody else knows it yet
	grown := maps.Clone(known)
	grown[name] = m
	l.methods.Store(&grown)
	return m
}
