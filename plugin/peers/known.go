package peers

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// Bounds of what is remembered of peers that may be dialed.
const (
	maxKnown     = 1024
	maxAddrs     = 8
	maxAddrBytes = 256
	// maxDialFails is how often in a row a peer that is not static is dialed in vain before it is
	// forgotten.
	maxDialFails = 8
	// forgetAfter is for how long the file remembers a peer that was not met again.
	forgetAfter = 30 * 24 * time.Hour
)

// A known peer is one that may be dialed.
type known struct {
	id     peer.ID
	addrs  []multiaddr.Multiaddr
	static bool
	good   time.Time // when it last showed to be of this chain; zero if it never did
	seen   time.Time // when it was last heard of, from anywhere
	until  time.Time // it is not dialed before
	fails  int       // dials since it was last good
	dialed bool      // a dial is under way
}

// A table is the peers that are known. It is bounded: what is least promising goes first.
type table struct {
	peers map[peer.ID]*known
}

func newTable() *table { return &table{peers: make(map[peer.ID]*known)} }

// add returns the entry of a peer, made if need be, with addresses added to it. It is nil
// if there is no room.
func (t *table) add(id peer.ID, addrs []multiaddr.Multiaddr, now time.Time) *known {
	k := t.peers[id]
	if k == nil {
		k = &known{id: id}
		t.peers[id] = k
	}
	k.seen = now
	k.addAddrs(addrs)
	t.trim()
	return t.peers[id]
}

// addAddrs puts addresses before those that are known already.
func (k *known) addAddrs(addrs []multiaddr.Multiaddr) {
	all := make([]multiaddr.Multiaddr, 0, maxAddrs)
	for _, addr := range slices.Concat(addrs, k.addrs) {
		if len(all) < maxAddrs && len(addr.Bytes()) <= maxAddrBytes && !multiaddr.Contains(all, addr) {
			all = append(all, addr)
		}
	}
	k.addrs = all
}

// addStatic makes a peer static, for which there is always room.
func (t *table) addStatic(info peer.AddrInfo, now time.Time) *known {
	k := t.peers[info.ID]
	if k == nil {
		k = &known{id: info.ID}
		t.peers[info.ID] = k
	}
	k.static = true
	return t.add(info.ID, info.Addrs, now)
}

// trim forgets the least promising peer if there are too many.
func (t *table) trim() {
	if len(t.peers) <= maxKnown {
		return
	}
	var worst *known
	for _, k := range t.peers {
		if !k.static && !k.dialed && (worst == nil || k.compare(worst) > 0) {
			worst = k
		}
	}
	if worst != nil {
		delete(t.peers, worst.id)
	}
}

// compare orders peers by how promising they are, the most promising first: those that were good,
// the last ones first, then those that failed least, then those that were heard of last.
func (k *known) compare(other *known) int {
	return cmp.Or(other.good.Compare(k.good), cmp.Compare(k.fails, other.fails), other.seen.Compare(k.seen))
}

// failed notes that a dial is of no avail, at least so far.
func (k *known) failed(now time.Time) {
	k.fails++
	k.until = now.Add(k.schedule().after(k.fails))
}

// giveUp forgets a peer that was dialed in vain too often.
func (t *table) giveUp(k *known) {
	if !k.static && k.fails >= maxDialFails {
		delete(t.peers, k.id)
	}
}

func (k *known) schedule() schedule {
	if k.static {
		return staticSchedule
	}
	return knownSchedule
}

// backOff keeps a peer from being dialed for a while, known or not.
func (t *table) backOff(id peer.ID, pause time.Duration, now time.Time) {
	k := t.add(id, nil, now)
	if k == nil {
		return
	}
	if k.static {
		pause = min(pause, staticSchedule.most)
	}
	if until := now.Add(pause); until.After(k.until) {
		k.until = until
	}
}

// due returns the peers that may be dialed now, the most promising first.
func (t *table) due(now time.Time, usable func(peer.ID) bool) (all []*known) {
	for _, k := range t.peers {
		if !k.dialed && len(k.addrs) > 0 && !now.Before(k.until) && usable(k.id) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b *known) int {
		return cmp.Or(compareBool(b.static, a.static), a.compare(b))
	})
	return all
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// maxFileBytes bounds what is read of a file: maxKnown peers with maxAddrs addresses are less.
const maxFileBytes = 8 << 20

// A record is a known peer in the file, which is a JSON array of them.
type record struct {
	ID    peer.ID   `json:"id"`
	Addrs []string  `json:"addrs"`
	Good  time.Time `json:"good"`
	// Until is when it may be dialed again, if it may not now.
	Until time.Time `json:"until,omitzero"`
}

// load returns a table of the peers in a file, which need not exist. What is wrong in it is
// left out.
func load(path string, now time.Time) (*table, error) {
	t := newTable()
	if path == "" {
		return t, nil
	}
	records, err := readRecords(path)
	if err != nil {
		return t, err
	}
	for _, r := range records {
		addrs := parseAddrs(r.Addrs)
		if r.ID.Validate() != nil || len(addrs) == 0 || r.Good.After(now) || now.Sub(r.Good) > forgetAfter {
			continue
		}
		if k := t.add(r.ID, addrs, r.Good); k != nil {
			// The clock may have been wrong when it was written: no reason asks for longer.
			k.good, k.until = r.Good, earliest(r.Until, now.Add(knownSchedule.most))
		}
	}
	return t, nil
}

func readRecords(path string) (records []record, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &records); err != nil {
		return nil, fmt.Errorf("%s holds no peers: %w", path, err)
	}
	return records, nil
}

func parseAddrs(texts []string) (addrs []multiaddr.Multiaddr) {
	for _, text := range texts[:min(len(texts), maxAddrs)] {
		if addr, err := multiaddr.NewMultiaddr(text); err == nil && len(addr.Bytes()) <= maxAddrBytes {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// records returns what is worth remembering, the most promising first: peers that were good.
func (t *table) records(now time.Time) []record {
	var good []*known
	for _, k := range t.peers {
		if !k.good.IsZero() && len(k.addrs) > 0 {
			good = append(good, k)
		}
	}
	slices.SortFunc(good, (*known).compare)
	records := make([]record, len(good))
	for i, k := range good {
		records[i] = record{ID: k.id, Good: k.good.UTC()}
		for _, addr := range k.addrs {
			records[i].Addrs = append(records[i].Addrs, addr.String())
		}
		if k.until.After(now) {
			records[i].Until = k.until.UTC()
		}
	}
	return records
}

func save(path string, records []record) error {
	b, err := json.MarshalIndent(records, "", "\t")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, b)
}

// backoff returns for how long a peer is not dialed after a goodbye with a reason, whoever
// said it. The values are in the range of those of deployed clients. Static peers are dialed again
// within five minutes.
func backoff(reason beacon.GoodbyeReason) time.Duration {
	switch reason {
	case beacon.GoodbyeClientShutdown:
		return 5 * time.Minute // A restart takes less, but may not be what happens.
	case beacon.GoodbyeIrrelevantNetwork:
		return 4 * time.Hour
	case beacon.GoodbyeFault:
		return 2 * time.Minute
	case beacon.GoodbyeUnableToVerifyNetwork, beacon.GoodbyeTooManyPeers:
		return 5 * time.Minute
	case beacon.GoodbyeBadScore:
		return time.Hour
	case beacon.GoodbyeBanned:
		return 4 * time.Hour
	default:
		return 10 * time.Minute
	}
}

// forkBackoff is what an irrelevant peer gets close to a fork: it may just be late.
const forkBackoff = 2 * time.Minute

// A schedule is by how much longer a peer is not dialed with each time that it could not be
// reached.
type schedule struct{ first, most time.Duration }

var (
	staticSchedule = schedule{10 * time.Second, 5 * time.Minute}
	knownSchedule  = schedule{time.Minute, 4 * time.Hour}
)

// after returns the pause after so many failures, of which there was at least one, with a jitter that keeps peers
// which failed together from being dialed together.
func (s schedule) after(fails int) time.Duration {
	d := min(s.first<<min(fails-1, 16), s.most)
	return jitter(d*4/5, d)
}

// jitter returns a duration between two others.
func jitter(least, most time.Duration) time.Duration {
	return least + rand.N(most-least+1)
}
