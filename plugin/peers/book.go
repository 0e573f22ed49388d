package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
)

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
		if r.ID.Validate() != nil || len(addrs) == 0 || r.Good.After(now) || now.Sub(r.Good) > maxIdle {
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
