package conformance_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/conformance"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// simulate runs f with two hosts on a simulated network, in a bubble of virtual time.
func simulate(t *testing.T, f func(t *testing.T, client, server host.Host)) {
	t.Helper()
	simtest.Pair(t, simtest.Options{}, f)
}

// simulateCrowd is simulate with as many more hosts, which know the server, as f makes.
func simulateCrowd(t *testing.T, f func(t *testing.T, client, server host.Host, another func() (host.Host, error))) {
	t.Helper()
	simtest.Run(t, simtest.Options{}, func(t *testing.T, n *simtest.Network) {
		client, server := n.Hosts[0], n.Hosts[1]
		simtest.Introduce(client, server)
		f(t, client, server, func() (host.Host, error) { return n.NewHost() })
	})
}

// runAgainst runs all rules against our own server on a chain, whose head is in the slot of the clock.
// Then changes its protocols.
func runAgainst(t *testing.T, chain beacon.Chain, head ssz.Slot, change func(host.Host)) []conformance.Result {
	t.Helper()
	return against{beacontest.Network(), chain, head, change, few, false, false}.run(t)
}

// few is what the limiter grants each peer of each method: less than the hostile rules ask for.
var few = limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: 2 * time.Second, Burst: 2}}}

// against is what our own server is run with.
type against struct {
	network *ssz.Network
	chain   beacon.Chain
	head    ssz.Slot
	change  func(host.Host)
	limit   limits.Method
	hostile bool
	refuses bool // with an error what would have to wait
}

// refusing answers with an error as soon as a request would have to wait.
type refusing struct{ reqresp.Limiter }

func (r refusing) Admit(ctx context.Context, from peer.ID, spec *reqresp.Spec) (reqresp.Admission, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Nanosecond)
	defer cancel()
	pace, err := r.Limiter.Admit(ctx, from, spec)
	if err != nil {
		return nil, reqresp.Errorf(beacon.CodeRateLimited, "Wait 2s")
	}
	return pace, nil
}

func (a against) run(t *testing.T) (results []conformance.Result) {
	t.Helper()
	n := a.network
	now := func() time.Time { return n.TimeAt(a.head) }
	simulateCrowd(t, func(t *testing.T, client, server host.Host, another func() (host.Host, error)) {
		limiter, err := limits.New(&limits.Options{Config: limits.Config{
			Default: a.limit,
			Methods: map[string]limits.Method{},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var pacer reqresp.Limiter = limiter
		if a.refuses {
			pacer = refusing{limiter}
		}
		srv := beacon.NewServer(server, n, a.chain, &beacon.ServerOptions{Now: now, Limiter: pacer})
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = srv.Stop(ctx)
		}()
		if a.change != nil {
			a.change(server)
		}
		opts := &conformance.Options{Now: now}
		if a.hostile {
			opts.Hostile = another
		}
		results = slices.Collect(conformance.Run(t.Context(), client, n, server.ID(), opts))
		time.Sleep(time.Minute) // for the server's handlers to end
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

// ruleName names a rule of one protocol.
func ruleName(r conformance.Rule) string { return fmt.Sprintf("%s %s/%d", r.ID, r.Method, r.Version) }

// A lateChain lacks what is before a slot, and says so.
type lateChain struct {
	*beacontest.Chain
	earliest ssz.Slot
}

func (c lateChain) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

func (c lateChain) Status(ctx context.Context) (beacon.Status, error) {
	status, err := c.Chain.Status(ctx)
	status.EarliestAvailableSlot = c.earliest
	return status, err
}

func lateRange(c lateChain, start ssz.Slot, refs iter.Seq2[beacon.Ref, error]) iter.Seq2[beacon.Ref, error] {
	if start >= c.earliest {
		return refs
	}
	return func(yield func(beacon.Ref, error) bool) { yield(beacon.Ref{}, beacon.ErrUnavailable) }
}

func (c lateChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return lateRange(c, start, c.Chain.BlocksByRange(ctx, start, count))
}

func (c lateChain) BlobSidecarsByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return lateRange(c, start, c.Chain.BlobSidecarsByRange(ctx, start, count))
}

func (c lateChain) DataColumnSidecarsByRange(
	ctx context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.Ref, error] {
	return lateRange(c, start, c.Chain.DataColumnSidecarsByRange(ctx, start, count, columns))
}

func (c lateChain) ExecutionPayloadEnvelopesByRange(
	ctx context.Context, start ssz.Slot, count uint64,
) iter.Seq2[beacon.Ref, error] {
	return lateRange(c, start, c.Chain.ExecutionPayloadEnvelopesByRange(ctx, start, count))
}

// scarceNetwork is the network of the chain with maxima that the chain exceeds.
func scarceNetwork(t *testing.T) *ssz.Network {
	n := beacontest.Network()
	cfg := n.Config()
	cfg.MaxRequestBlocks, cfg.MaxRequestBlocksDeneb, cfg.MaxRequestPayloads = 16, 16, 9
	scarce, err := ssz.NewNetwork(cfg, n.GenesisTime(), n.GenesisValidatorsRoot())
	if err != nil {
		t.Fatal(err)
	}
	return scarce
}

// Our own server keeps every rule, in every fork, the hostile ones too, and between the runs every rule
// is tried that is not left out for what it is.
func TestOurServerConforms(t *testing.T) {
	full := beacontest.New()
	tried := make(map[string]bool)
	for _, tt := range []struct {
		name  string
		chain beacon.Chain
		head  ssz.Slot
	}{
		{"phase0", full.Until(4), 4},
		{"phase0 with an empty slot", full.Until(7), 7},
		{"altair", full.Until(12), 12},
		{"electra", full.Until(44), 44},
		{"electra, with a block without blobs", withoutBlobs(t, full.Until(44)), 44},
		{"fulu, with a late start", lateChain{full.Until(52), 44}, 52},
		{"fulu, with a block without blobs", withoutBlobs(t, full.Until(52)), 52},
		{"electra, of blocks alone", beacontest.BlocksOnly{Chain: full.Until(44)}, 44},
		{"fulu, of blocks alone", beacontest.BlocksOnly{Chain: full.Until(52)}, 52},
		{"fulu, of blocks alone, the last without blobs", beacontest.BlocksOnly{Chain: withoutBlobs(t, full.Until(52))}, 52},
		{"gloas, of blocks alone", beacontest.BlocksOnly{Chain: full.Until(60)}, 60},
		{"heze", full, beacontest.Head},
		{"heze, with a late start", lateChain{full, beacontest.Head - 4}, beacontest.Head},
	} {
		sidecars := tt.chain.Sources().Blobs != nil
		results := against{scarceNetwork(t), tt.chain, tt.head, nil, few, sidecars, false}.run(t)
		if len(results) != len(conformance.Rules()) {
			t.Fatalf("%d results for %d rules", len(results), len(conformance.Rules()))
		}
		for _, r := range results {
			name := ruleName(*r.Rule)
			switch r.Outcome {
			case conformance.Fail:
				light := tt.chain.Sources().LightClient != nil
				if light || r.Rule.ID != "P-offered" || !strings.HasPrefix(r.Rule.Method, "light_client") {
					t.Errorf("%s: %s: saw %s", tt.name, name, r.Saw)
				}
			case conformance.LeftOut:
				if r.Rule.LeftOut == "" && sidecars {
					t.Errorf("%s: %s is left out for no reason", tt.name, name)
				}
			case conformance.Pass:
				tried[name] = true
			case conformance.Skip:
			}
		}
		if t.Failed() {
			t.Logf("%s:\n%s", tt.name, table(results))
		}
	}
	for _, r := range conformance.Rules() {
		if !tried[ruleName(r)] && r.LeftOut == "" {
			t.Errorf("%s was never tried", ruleName(r))
		}
	}
}

// A backwardsChain serves ranges in the wrong order, and bootstraps of any root.
type backwardsChain struct{ *beacontest.Chain }

func (c backwardsChain) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

func (c backwardsChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return backwards(c.Chain.BlocksByRange(ctx, start, count))
}

func (c backwardsChain) DataColumnSidecarsByRange(
	ctx context.Context, start ssz.Slot, count uint64, columns []uint64,
) iter.Seq2[beacon.Ref, error] {
	return backwards(c.Chain.DataColumnSidecarsByRange(ctx, start, count, columns))
}

func (c backwardsChain) LightClientBootstrap(ctx context.Context, _ ssz.Root) (beacon.Ref, error) {
	return c.Chain.LightClientBootstrap(ctx, c.Bootstraps[0].Root)
}

// A forgetful chain has no sidecar and no envelope by root, and updates of light clients but once.
type forgetful struct {
	*beacontest.Chain
	updates int
}

func none(func(beacon.Ref, error) bool) {}

func (*forgetful) BlobSidecarsByRoot(context.Context, []ssz.BlobIdentifier) iter.Seq2[beacon.Ref, error] {
	return none
}

func (*forgetful) DataColumnSidecarsByRoot(
	context.Context, []ssz.DataColumnsByRootIdentifier,
) iter.Seq2[beacon.Ref, error] {
	return none
}

func (*forgetful) ExecutionPayloadEnvelopesByRoot(context.Context, []ssz.Root) iter.Seq2[beacon.Ref, error] {
	return none
}

func (c *forgetful) Sources() beacon.Sources { return beacontest.SourcesOf(c) }

// LightClientUpdates answers a sample and the first rule.
func (f *forgetful) LightClientUpdates(ctx context.Context, start, count uint64) iter.Seq2[beacon.Ref, error] {
	if f.updates++; f.updates > 2 {
		return none
	}
	return f.Chain.LightClientUpdates(ctx, start, count)
}

func backwards(refs iter.Seq2[beacon.Ref, error]) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		var all []beacon.Ref
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

// chunkOf is a response chunk without context bytes.
func chunkOf(t *testing.T, message ssz.Message) string {
	t.Helper()
	b, err := message.MarshalSSZ()
	if err != nil {
		t.Fatal(err)
	}
	return string(chunk(b))
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
		served := strings.HasPrefix(r.Rule.ID, "S5-") || strings.HasPrefix(r.Rule.ID, "S6-") || r.Rule.ID == "S10-context"
		served = served && !strings.HasSuffix(r.Rule.ID, "-unknown")
		if served && slices.Contains(methods, r.Rule.Method) && r.Outcome == conformance.Pass {
			t.Errorf("%s %s: %v: %s", r.Rule.ID, r.Rule.Method, r.Outcome, r.Saw)
		}
	}
}

// A peer that limits rates by code 1 has not told that a request was malformed.
func TestLimitIsNoVerdict(t *testing.T) {
	limit := func(h host.Host) { answer(h, id("ping", 1), errorChunk(1, "rate limited")) }
	for _, r := range runAgainst(t, beacontest.New(), beacontest.Head, limit) {
		if r.Rule.Method != "ping" {
			continue
		}
		// The others need no answer.
		passes := slices.Contains([]string{"P-offered", "M15-version", "M5-open"}, r.Rule.ID)
		if r.Outcome == conformance.Fail || r.Outcome == conformance.Pass && !passes {
			t.Errorf("%s: %v: %s", r.Rule.ID, r.Outcome, r.Saw)
		}
	}
}

// A limit that refuses what it does not grant is found by every protocol, and only by whoever asks for
// more than that.
func TestRefusalIsFound(t *testing.T) {
	server := against{beacontest.Network(), beacontest.New(), beacontest.Head, nil, few, true, true}
	results := server.run(t)
	refused := 0
	for _, r := range results {
		if r.Rule.ID == "M7-limit" && r.Outcome == conformance.Fail {
			refused++
		}
	}
	if refused < 12 {
		t.Errorf("%d protocols refuse\n%s", refused, table(results))
	}
	server.hostile = false
	for _, r := range server.run(t) {
		if r.Outcome == conformance.Fail {
			t.Errorf("%s: saw %s", ruleName(*r.Rule), r.Saw)
		}
	}
}

// An answer that has to wait is withheld: no stream is closed for it as long as the peer owes no more than two bursts.
func TestOurServerWithholdsForLong(t *testing.T) {
	slow := limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: 30 * time.Second, Burst: 4}}}
	asked := 0
	for _, r := range (against{beacontest.Network(), beacontest.New(), beacontest.Head, nil, slow, true, false}).run(t) {
		if r.Rule.ID != "M3-third" && r.Rule.ID != "M7-limit" {
			continue
		}
		if r.Outcome == conformance.Fail {
			t.Errorf("%s: saw %s", ruleName(*r.Rule), r.Saw)
		}
		if r.Outcome == conformance.Pass {
			asked++
		}
	}
	if asked < 30 {
		t.Errorf("%d rules were kept", asked)
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
		name    string
		chain   beacon.Chain
		change  func(host.Host)
		hostile bool
		want    []string // rules that are broken, no others
	}{
		{
			"order and roots",
			backwardsChain{full},
			nil,
			false,
			[]string{
				"S2-serve beacon_blocks_by_range/2", "S2-finalized beacon_blocks_by_range/2",
				"S10-boundary beacon_blocks_by_range/2",
				"S5-serve data_column_sidecars_by_range/1", "S6-bootstrap light_client_bootstrap/1",
				"S6-unavailable light_client_bootstrap/1",
			},
		},
		{
			"resets in place of errors",
			full,
			func(h host.Host) { answer(h, id("ping", 1), "") },
			false,
			[]string{"M1-close ping/1", "M6-short ping/1", "M11-trailing ping/1"},
		},
		{
			"answers to anything",
			full,
			func(h host.Host) { answer(h, id("ping", 1), pong) },
			true,
			[]string{
				"M6-short ping/1", "M11-trailing ping/1", "M9-claim ping/1", "M9-varint ping/1", "M10-compressed ping/1",
				"M11-early ping/1", "M13-frames ping/1",
			},
		},
		{
			"answers before the end",
			full,
			func(h host.Host) {
				h.SetStreamHandler(id("ping", 1), func(stream network.Stream) {
					_, _ = stream.Write([]byte(pong))
					_ = stream.Close()
				})
			},
			false,
			[]string{"M6-short ping/1", "M11-trailing ping/1"},
		},
		{
			"chunks after an error, and a code of no meaning",
			full,
			func(h host.Host) {
				answer(h, id("ping", 1), errorChunk(2, "")+pong)
				answer(h, id("light_client_finality_update", 1), errorChunk(77, ""))
				answer(h, id("light_client_optimistic_update", 1), "\x00\x00\x00\x00\x00"+pong[1:])
			},
			false,
			[]string{
				"M8-last ping/1", "M8-codes ping/1", "M8-codes light_client_finality_update/1",
				"S10-context light_client_optimistic_update/1",
				"S6-latest light_client_finality_update/1", "S6-latest light_client_optimistic_update/1",
				"M6-short ping/1", "M11-trailing ping/1",
			},
		},
		{
			"objects shown once",
			&forgetful{Chain: full},
			nil,
			false,
			[]string{
				"S5-known data_column_sidecars_by_root/1", "S6-first light_client_updates_by_range/1",
				"S6-count light_client_updates_by_range/1", "S3-known execution_payload_envelopes_by_root/1",
			},
		},
		{
			"a payload that came too late",
			beacontest.NewWithOrphan(beacontest.Head - 6),
			nil,
			false,
			[]string{"S2-canonical execution_payload_envelopes_by_range/1"},
		},
		{
			"more custody than is required, and columns of less",
			full,
			func(h host.Host) { answer(h, id("metadata", 3), chunkOf(t, &ssz.MetaDataV3{CustodyGroupCount: 8})) },
			false,
			[]string{"S9-custody metadata/3"},
		},
		{
			"less custody than is required",
			full,
			func(h host.Host) { answer(h, id("metadata", 3), chunkOf(t, &ssz.MetaDataV3{CustodyGroupCount: 3})) },
			false,
			[]string{"S9-custody metadata/3"},
		},
		{
			"code 3 for the columns of blocks without blobs",
			withoutBlobs(t, full.Until(52)),
			func(h host.Host) { answer(h, id("data_column_sidecars_by_range", 1), errorChunk(3, "")) },
			false,
			[]string{"S9-sidecars data_column_sidecars_by_range/1", "S5-none data_column_sidecars_by_range/1"},
		},
		{
			"protocols that lack",
			full,
			func(h host.Host) {
				h.RemoveStreamHandler(id("data_column_sidecars_by_root", 1))
				h.RemoveStreamHandler(id("light_client_bootstrap", 1))
				h.RemoveStreamHandler(id("blob_sidecars_by_root", 1))
			},
			false,
			[]string{
				"P-offered blob_sidecars_by_root/1", "P-offered data_column_sidecars_by_root/1",
				"P-offered light_client_bootstrap/1",
			},
		},
		{
			"a limit on rates",
			full,
			func(h host.Host) {
				answer(h, id("light_client_bootstrap", 1), errorChunk(2, "REQUEST_ERROR_RATE_LIMITED"))
				answer(h, id("metadata", 3), errorChunk(139, ""))
			},
			false,
			nil,
		},
		// Nothing is asked for that no server should be.
		{"a head before the earliest slot", full, status(beacontest.Head-1, beacontest.Head), false, nil},
		{"an earliest slot that is the last of all", full, status(beacontest.Head, math.MaxUint64), false, nil},
		{"a head that is the last slot of all", full, status(math.MaxUint64, 0), false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			head, err := tt.chain.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			results := against{beacontest.Network(), tt.chain, head.HeadSlot, tt.change, few, tt.hostile, false}.run(t)
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
