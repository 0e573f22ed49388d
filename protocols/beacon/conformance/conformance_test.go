package conformance_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// simulate runs f with two hosts on a simulated network, in a bubble of virtual time.
func simulate(t *testing.T, f func(t *testing.T, client, server host.Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		link := simnet.LinkSettings{BitsPerSecond: 1000 * simlibp2p.OneMbps}
		nw, meta, err := simlibp2p.SimpleLibp2pNetwork(
			[]simlibp2p.NodeLinkSettingsAndCount{{LinkSettings: simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}, Count: 2}},
			func(*simnet.Packet) time.Duration { return 5 * time.Millisecond }, simlibp2p.NetworkSettings{})
		if err != nil {
			t.Fatal(err)
		}
		nw.Logger = slog.New(slog.DiscardHandler)
		nw.Start()
		client, server := meta.Nodes[0], meta.Nodes[1]
		t.Cleanup(func() {
			client.Close()
			server.Close()
			nw.Close()
		})
		client.Peerstore().AddAddrs(server.ID(), server.Addrs(), peerstore.PermanentAddrTTL)
		f(t, client, server)
	})
}

// runAgainst runs all rules against our own server on a chain, whose head is in the slot of the clock.
// Then changes its protocols.
func runAgainst(t *testing.T, chain beacon.Chain, head ssz.Slot, change func(host.Host)) (results []conformance.Result) {
	t.Helper()
	n := beacontest.Network()
	now := func() time.Time { return n.TimeAt(head) }
	simulate(t, func(t *testing.T, client, server host.Host) {
		limiter, err := limits.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		srv := beacon.NewServer(server, n, chain, &beacon.ServerOptions{Now: now, Pacer: limiter})
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = srv.Stop(ctx)
		}()
		if change != nil {
			change(server)
		}
		results = slices.Collect(conformance.Run(t.Context(), client, n, server.ID(), &conformance.Options{Now: now}))
	})
	return results
}

func table(results []conformance.Result) string {
	var text strings.Builder
	if err := conformance.WriteTable(&text, results); err != nil {
		panic(err)
	}
	return text.String()
}

// Our own server keeps every rule, in every fork, and between the runs every rule is tried.
func TestOurServerConforms(t *testing.T) {
	full := beacontest.New()
	tried := make(map[string]bool)
	name := func(r conformance.Rule) string { return fmt.Sprintf("%s %s/%d", r.ID, r.Method, r.Version) }
	for _, head := range []ssz.Slot{4, 12, 44, beacontest.Head} {
		chain := full
		if head < beacontest.Head {
			chain = full.Until(head)
		}
		results := runAgainst(t, chain, head, nil)
		if len(results) != len(conformance.Rules()) {
			t.Fatalf("%d results for %d rules", len(results), len(conformance.Rules()))
		}
		for _, r := range results {
			if r.Outcome == conformance.Fail {
				t.Errorf("head at slot %d: %s: saw %s", head, name(*r.Rule), r.Saw)
			}
			tried[name(*r.Rule)] = tried[name(*r.Rule)] || r.Outcome == conformance.Pass
		}
		if t.Failed() {
			t.Logf("head at slot %d:\n%s", head, table(results))
		}
	}
	for _, r := range conformance.Rules() {
		if !tried[name(r)] {
			t.Errorf("%s was never tried", name(r))
		}
	}
}

// A backwardsChain serves ranges in the wrong order, and bootstraps of any root.
type backwardsChain struct{ *beacontest.Chain }

func (c backwardsChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.BlockRef, error] {
	return backwards(c.Chain.BlocksByRange(ctx, start, count))
}

func (c backwardsChain) DataColumnSidecarsByRange(
	ctx context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.SidecarRef, error] {
	return backwards(c.Chain.DataColumnSidecarsByRange(ctx, start, count, columns))
}

func (c backwardsChain) LightClientBootstrap(ctx context.Context, _ ssz.Root) (beacon.LightClientRef, error) {
	return c.Chain.LightClientBootstrap(ctx, c.Bootstraps[0].Root)
}

func backwards[R any](refs iter.Seq2[R, error]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var all []R
		for r, err := range refs {
			if err != nil {
				yield(r, err)
				return
			}
			all = append(all, r)
		}
		for _, r := range slices.Backward(all) {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func id(name string, version int) protocol.ID {
	return protocol.ID(fmt.Sprintf("%s/%s/%d/ssz_snappy", beacon.ProtocolPrefix, name, version))
}

// answer has a protocol answer every request with some bytes, and reset the stream if there are none.
func answer(h host.Host, id protocol.ID, wire string) {
	h.SetStreamHandler(id, func(stream network.Stream) {
		_, _ = io.Copy(io.Discard, stream)
		if wire == "" {
			_ = stream.Reset()
			return
		}
		_, _ = stream.Write([]byte(wire))
		_ = stream.Close()
	})
}

func errorChunk(code byte, message string) string {
	return string(snappy.AppendFrames(snappy.AppendHeader([]byte{code}, len(message)), []byte(message)))
}

// A peer that answers with nothing has shown nothing.
func TestEmptyAnswersPassNoRuleOfObjects(t *testing.T) {
	methods := []string{"data_column_sidecars_by_range", "data_column_sidecars_by_root", "light_client_updates_by_range"}
	nothing := func(h host.Host) {
		for _, method := range methods {
			h.SetStreamHandler(id(method, 1), func(stream network.Stream) {
				_, _ = io.Copy(io.Discard, stream)
				_ = stream.Close()
			})
		}
	}
	for _, r := range runAgainst(t, beacontest.New(), beacontest.Head, nothing) {
		served := !strings.HasPrefix(r.Rule.ID, "P-") && !strings.HasSuffix(r.Rule.ID, "-unknown")
		if served && slices.Contains(methods, r.Rule.Method) && r.Outcome != conformance.Skip {
			t.Errorf("%s %s: %v: %s", r.Rule.ID, r.Rule.Method, r.Outcome, r.Saw)
		}
	}
}

// A peer that limits rates by code 1 has not told that a request was malformed.
func TestLimitIsNoVerdict(t *testing.T) {
	limit := func(h host.Host) { answer(h, id("ping", 1), errorChunk(1, "rate limited")) }
	for _, r := range runAgainst(t, beacontest.New(), beacontest.Head, limit) {
		if r.Rule.Method == "ping" && !strings.HasPrefix(r.Rule.ID, "P-") && r.Outcome != conformance.Skip {
			t.Errorf("%s: %v: %s", r.Rule.ID, r.Outcome, r.Saw)
		}
	}
}

func TestBrokenServersAreFound(t *testing.T) {
	full := beacontest.New()
	seq := make([]byte, 8)
	pong := string(snappy.AppendFrames(snappy.AppendHeader([]byte{0}, len(seq)), seq))
	status := func(head, earliest ssz.Slot) func(host.Host) {
		ours := ssz.StatusV2{
			ForkDigest: beacontest.Network().DigestAt(beacontest.Network().EpochOf(beacontest.Head)),
			HeadSlot:   head, EarliestAvailableSlot: earliest,
		}
		message, err := ours.MarshalSSZ()
		if err != nil {
			t.Fatal(err)
		}
		wire := string(snappy.AppendFrames(snappy.AppendHeader([]byte{0}, len(message)), message))
		return func(h host.Host) { answer(h, id("status", 2), wire) }
	}
	for _, tt := range []struct {
		name   string
		chain  beacon.Chain
		change func(host.Host)
		want   []string // rules that are broken, no others
	}{
		{
			"order and roots",
			backwardsChain{full},
			nil,
			[]string{
				"S2-serve beacon_blocks_by_range/2", "S10-context beacon_blocks_by_range/2", "S5-columns data_column_sidecars_by_range/1",
				"S6-bootstrap light_client_bootstrap/1", "S6-unavailable light_client_bootstrap/1",
			},
		},
		{
			"resets in place of errors",
			full,
			func(h host.Host) { answer(h, id("ping", 1), "") },
			[]string{"M1-close ping/1", "M6-short ping/1", "M13-frames ping/1"},
		},
		{
			"answers to anything",
			full,
			func(h host.Host) { answer(h, id("ping", 1), pong) },
			[]string{"M6-short ping/1", "M11-trailing ping/1", "M9-bounds ping/1", "M13-frames ping/1"},
		},
		{
			"protocols that lack",
			full,
			func(h host.Host) {
				h.RemoveStreamHandler(id("data_column_sidecars_by_root", 1))
				h.RemoveStreamHandler(id("light_client_bootstrap", 1))
			},
			[]string{"P-offered data_column_sidecars_by_root/1", "P-offered light_client_bootstrap/1"},
		},
		{
			"a limit on rates",
			full,
			func(h host.Host) {
				answer(h, id("light_client_bootstrap", 1), errorChunk(2, "REQUEST_ERROR_RATE_LIMITED"))
				answer(h, id("metadata", 3), errorChunk(139, ""))
			},
			nil,
		},
		// Nothing is asked for that no server should be.
		{"a head before the earliest slot", full, status(beacontest.Head-1, beacontest.Head), nil},
		{"an earliest slot that is the last of all", full, status(beacontest.Head, math.MaxUint64), nil},
		{"a head that is the last slot of all", full, status(math.MaxUint64, 0), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			results := runAgainst(t, tt.chain, beacontest.Head, tt.change)
			var got []string
			for _, r := range results {
				if r.Outcome == conformance.Fail {
					got = append(got, fmt.Sprintf("%s %s/%d", r.Rule.ID, r.Rule.Method, r.Rule.Version))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %q\nwant %q", got, tt.want)
			}
			if t.Failed() {
				t.Log(table(results))
			}
		})
	}
}
