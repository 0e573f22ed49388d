package conformance_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A quota is a leaky bucket: so many items drain in a time, and it holds a burst.
type quota struct {
	items float64
	per   time.Duration
	burst float64
}

type bucket struct {
	level float64
	at    time.Time
}

// A client is what a deployed one grants by default, and how it punishes.
type client struct {
	quotas  map[string]quota // by method; what has none is not limited
	shared  map[string]string
	all     quota // for all requests together
	strikes int   // that it bears; one more is a ban
	// malformed tells that it strikes for requests that cannot be read, or make no sense.
	malformed bool
}

func prysm() client {
	second := quota{1, time.Second, 5}
	blocks, blobs, columns := quota{64, 30 * time.Second, 128}, quota{384, 30 * time.Second, 1152},
		quota{4096, 30 * time.Second, 16384}
	return client{
		quotas: map[string]quota{
			"status": second, "ping": second, "metadata": second, "goodbye": {1, time.Second, 1},
			"light_client_bootstrap": second, "light_client_updates_by_range": second,
			"light_client_finality_update": second, "light_client_optimistic_update": second,
			"beacon_blocks_by_range": blocks, "blob_sidecars_by_range": blobs, "data_column_sidecars_by_range": columns,
			"execution_payload_envelopes_by_range": blocks,
		},
		shared: map[string]string{
			"beacon_blocks_by_root": "beacon_blocks_by_range", "blob_sidecars_by_root": "blob_sidecars_by_range",
			"data_column_sidecars_by_root":        "data_column_sidecars_by_range",
			"execution_payload_envelopes_by_root": "execution_payload_envelopes_by_range",
		},
		all: quota{5, time.Second, 10}, strikes: 4, malformed: true,
	}
}

func lodestar() client {
	per := func(items float64, d time.Duration) quota { return quota{items, d, items} }
	blocks, blobs, columns := per(128, 10*time.Second), per(768, 10*time.Second), per(16384, 10*time.Second)
	return client{
		quotas: map[string]quota{
			"status": per(5, 15*time.Second), "ping": per(2, 10*time.Second), "metadata": per(2, 5*time.Second),
			"goodbye":                per(1, 10*time.Second),
			"light_client_bootstrap": per(5, 15*time.Second), "light_client_updates_by_range": per(128, 10*time.Second),
			"light_client_finality_update": per(2, 12*time.Second), "light_client_optimistic_update": per(2, 12*time.Second),
			"beacon_blocks_by_range": blocks, "beacon_blocks_by_root": blocks, "blob_sidecars_by_range": blobs,
			"blob_sidecars_by_root":         blobs,
			"data_column_sidecars_by_range": columns, "data_column_sidecars_by_root": columns,
		},
	}
}

// A scorer is a host whose streams are served only as far as a client's defaults allow, and which
// keeps nobody that it has banned.
type scorer struct {
	host.Host
	client client
	family *beacon.Family

	mu      sync.Mutex
	buckets map[string]*bucket // by peer and method
	strikes map[peer.ID][]string
}

func newScorer(h host.Host, c client, n *ssz.Network) *scorer {
	s := &scorer{
		Host: h, client: c, family: beacon.NewFamily(n), buckets: make(map[string]*bucket),
		strikes: make(map[peer.ID][]string),
	}
	h.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, conn network.Conn) {
		if s.banned(conn.RemotePeer()) {
			go conn.Close()
		}
	}})
	return s
}

func (s *scorer) banned(id peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.strikes[id]) > s.client.strikes
}

// SetStreamHandler judges a request before the server gets it.
func (s *scorer) SetStreamHandler(id protocol.ID, handler network.StreamHandler) {
	rows := s.family.Protocols()
	p := rows[slices.IndexFunc(rows, func(p *beacon.Protocol) bool { return p.ID() == id })]
	s.Host.SetStreamHandler(id, func(stream network.Stream) {
		var read bytes.Buffer
		items, err := requestOf(p, bufio.NewReader(io.TeeReader(stream, &read)))
		from := stream.Conn().RemotePeer()
		switch {
		case err != nil && s.client.malformed:
			_ = stream.Reset()
			s.strike(from, fmt.Sprintf("%s: %v", p.Name, err))
		case err == nil && !s.grants(from, p.Name, float64(items)):
			_, _ = io.WriteString(stream, errorChunk(1, "rate limited"))
			_ = stream.Close()
			s.strike(from, fmt.Sprintf("%s: rate", p.Name))
		default:
			handler(replayed{stream, io.MultiReader(&read, stream)})
		}
	})
}

// replayed is a stream whose first bytes were read before.
type replayed struct {
	network.Stream
	from io.Reader
}

func (r replayed) Read(p []byte) (int, error) { return r.from.Read(p) }

// strike bans a peer that has had too many.
func (s *scorer) strike(id peer.ID, why string) {
	s.mu.Lock()
	s.strikes[id] = append(s.strikes[id], why)
	s.mu.Unlock()
	if s.banned(id) {
		_ = s.Network().ClosePeer(id)
	}
}

// grants takes items from a peer's budget for a method, and one from that for all.
func (s *scorer) grants(id peer.ID, method string, items float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if with, ok := s.client.shared[method]; ok {
		method = with
	}
	return s.take(string(id)+method, s.client.quotas[method], items) && s.take(string(id), s.client.all, 1)
}

func (s *scorer) take(key string, q quota, items float64) bool {
	if q.burst == 0 {
		return true
	}
	b := s.buckets[key]
	if b == nil {
		b = &bucket{at: time.Now()}
		s.buckets[key] = b
	}
	b.level = max(0, b.level-time.Since(b.at).Seconds()*q.items/q.per.Seconds())
	b.at = time.Now()
	if b.level+items > q.burst {
		return false
	}
	b.level += items
	return true
}

// requestOf reads a request without waiting for its end, and returns how many items it asks for.
func requestOf(p *beacon.Protocol, r *bufio.Reader) (items uint64, err error) {
	if p.Request == "" {
		return 1, nil
	}
	shape, err := beacontest.Network().ShapeOf(ssz.Heze, p.Request)
	if err != nil {
		return 0, err
	}
	n, err := snappy.ReadHeader(r, snappy.Bounds{Max: 1 << 20})
	if err != nil {
		return 0, err
	}
	message, err := snappy.AppendPayload(nil, r, n)
	if err == nil {
		err = shape.Check(message)
	}
	if err != nil {
		return 0, err
	}
	switch {
	case strings.HasPrefix(p.Name, "data_column_sidecars"):
		var byRange ssz.DataColumnSidecarsByRangeRequest
		if p.Name == "data_column_sidecars_by_range" && byRange.UnmarshalSSZ(message) == nil {
			return byRange.Count * uint64(len(byRange.Columns)), nil
		}
		return uint64(len(message)) / 8, nil // no fewer than there are
	case strings.HasSuffix(p.Name, "_by_range"):
		start, count := le(message[:8]), le(message[8:16])
		if start+count < start || count == 0 {
			return 0, fmt.Errorf("%d from %d", count, start)
		}
		return count, nil
	case strings.HasSuffix(p.Name, "_by_root"):
		return max(uint64(len(message))/32, 1), nil
	case p.Name == "beacon_blocks_by_head":
		return le(message[32:]), nil
	}
	return 1, nil
}

func le(b []byte) (n uint64) {
	for i, c := range b {
		n |= uint64(c) << (8 * i)
	}
	return n
}

// runScored runs all rules against a server that keeps scores as a client does.
func runScored(t *testing.T, c client, hostile bool) (results []conformance.Result, strikes map[peer.ID][]string) {
	t.Helper()
	n := beacontest.Network()
	now := func() time.Time { return n.TimeAt(beacontest.Head) }
	simulateCrowd(t, func(t *testing.T, client, server host.Host, another func() (host.Host, error)) {
		scored := newScorer(server, c, n)
		srv := beacon.NewServer(scored, n, beacontest.New(), &beacon.ServerOptions{Now: now})
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = srv.Stop(t.Context()) }()
		opts := &conformance.Options{Now: now}
		if hostile {
			opts.Hostile = another
		}
		results = slices.Collect(conformance.Run(t.Context(), client, n, server.ID(), opts))
		strikes = maps.Clone(scored.strikes)
	})
	return results, strikes
}

// A run that is not hostile is kept by clients that strike for what is too much or malformed, with their
// defaults.
func TestDeployedClientsKeepUs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client client
		most   int // strikes
	}{
		{"Prysm", prysm(), 2},
		{"Lodestar", lodestar(), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			results, strikes := runScored(t, tt.client, false)
			passed := 0
			for _, r := range results {
				if r.Outcome == conformance.Pass {
					passed++
				}
				if strings.Contains(r.Saw, "hung up") || strings.Contains(r.Saw, "limits rates") {
					t.Errorf("%s: %s", ruleName(*r.Rule), r.Saw)
				}
			}
			if passed < 100 {
				t.Errorf("%d rules passed\n%s", passed, table(results))
			}
			for _, why := range strikes {
				if len(why) > tt.most {
					t.Errorf("%d strikes: %q, want at most %d", len(why), why, tt.most)
				}
			}
		})
	}
}

// A server that bans for a single offence hides nothing by it: each has an identity of its own, and is told of.
func TestBanHidesNothing(t *testing.T) {
	strict := prysm()
	strict.strikes = 0
	benign, _ := runScored(t, lodestar(), false)
	results, strikes := runScored(t, strict, true)
	identities, bans := make(map[peer.ID]bool), 0
	for i, r := range results {
		name := ruleName(*r.Rule)
		if !r.Rule.Hostile && !r.Rule.Rough {
			if r.Identity != "" || r.Banned != "" {
				t.Errorf("%s: tried by %v, banned %q", name, r.Identity, r.Banned)
			}
			if b := benign[i]; b.Rule.ID != r.Rule.ID || b.Outcome != r.Outcome {
				t.Errorf("%s: %v %s, and %v where nobody is banned", name, r.Outcome, r.Saw, b.Outcome)
			}
			continue
		}
		if r.Outcome == conformance.Skip && r.Saw == "not offered" {
			continue
		}
		if r.Identity == "" || identities[r.Identity] {
			t.Errorf("%s: tried by %q: %s", name, r.Identity, r.Saw)
		}
		identities[r.Identity] = true
		if struck := len(strikes[r.Identity]) > 0; struck != (r.Banned != "") {
			t.Errorf("%s: strikes %q, banned %q", name, strikes[r.Identity], r.Banned)
		}
		if r.Banned != "" {
			bans++
		}
	}
	if bans < 60 {
		t.Errorf("%d identities were banned\n%s", bans, table(results))
	}
}
