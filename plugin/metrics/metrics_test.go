package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin/metrics"
	"github.com/seed-2dd5877b/reqresp/plugin/resources"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

var table = beacon.NewFamily(ssz.Mainnet()).Specs()

func spec(t *testing.T, name string) *reqresp.Spec {
	t.Helper()
	for _, s := range table {
		if s.Name() == name {
			return s
		}
	}
	t.Fatalf("no method %q", name)
	return nil
}

// compare holds some metrics against what Prometheus would read.
func compare(t *testing.T, m *metrics.Metrics, want string, names ...string) {
	t.Helper()
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

// samples returns the samples whose lines have all the parts, of which some may be lists of labels.
func samples(t *testing.T, c prometheus.Collector, parts ...string) (lines []string) {
	t.Helper()
	for line := range strings.Lines(expose(t, c)) {
		keep := !strings.HasPrefix(line, "#")
		for part := range strings.SplitSeq(strings.Join(parts, ","), ",") {
			keep = keep && strings.Contains(line, part)
		}
		if keep {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// value returns the one sample whose line has all the parts.
func value(t *testing.T, c prometheus.Collector, parts ...string) (v float64) {
	t.Helper()
	lines := samples(t, c, parts...)
	if len(lines) != 1 {
		t.Fatalf("%d samples with %q: %q", len(lines), parts, lines)
	}
	if _, err := fmt.Sscan(lines[0][strings.LastIndexByte(lines[0], ' ')+1:], &v); err != nil {
		t.Fatalf("%q: %v", lines[0], err)
	}
	return v
}

// An exchange calls hooks as the engine does.
type exchange struct {
	reqresp.Exchange
	trace *reqresp.Trace
}

func begin(m *metrics.Metrics, of reqresp.Info) *exchange {
	x := &exchange{reqresp.Exchange{Info: of, Began: time.Now(), Since: time.Now(), Phase: reqresp.PhaseQueue}, m.Trace()}
	if of.Inbound {
		x.Phase = reqresp.PhaseRequest
	}
	x.trace.Start(&x.Exchange)
	return x
}

// after has the exchange enter a phase after a time, which is virtual.
func (x *exchange) after(d time.Duration, p reqresp.Phase) {
	time.Sleep(d)
	left := x.Phase
	x.Phase, x.Since = p, time.Now()
	x.trace.Phase(&x.Exchange, left, d)
}

func (x *exchange) chunk(bytes, size int) {
	x.Chunks++
	x.ChunkBytes += uint64(bytes)
	x.trace.Chunk(&x.Exchange, bytes, size)
}

func (x *exchange) done(r reqresp.Result) {
	x.Result = r
	x.trace.Done(&x.Exchange)
}

func TestServedExchangeIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New(table, nil)
		x := begin(m, reqresp.Info{Inbound: true, ID: 7, Spec: spec(t, "beacon_blocks_by_range")})
		of := `direction="inbound",method="beacon_blocks_by_range"`
		if got := value(t, m, "reqresp_active_requests", of); got != 1 {
			t.Errorf("%v in flight", got)
		}
		x.after(0, reqresp.PhaseHandle)
		x.after(2*time.Second, reqresp.PhaseResponse)
		x.chunk(1000, 2000)
		x.after(0, reqresp.PhaseReserve)
		x.after(time.Second, reqresp.PhaseResponse)
		x.chunk(500, 700)
		if got := value(t, m, "reqresp_wire_bytes_total", of, `message="response"`); got != 1500 {
			t.Errorf("%v bytes while it is in flight", got)
		}
		// The third chunk was cut off after 200 bytes.
		err := fmt.Errorf("writing: %w", network.ErrReset)
		x.done(reqresp.Result{Err: err, Chunks: 2, RequestBytes: 30, RequestSize: 24, ResponseBytes: 1700})
		for _, test := range []struct {
			parts []string
			want  float64
		}{
			{[]string{"reqresp_active_requests", of}, 0},
			{[]string{"reqresp_requests_total", of, `outcome="reset"`}, 1},
			{[]string{"reqresp_requests_total", of, `outcome="success"`}, 0},
			{[]string{"reqresp_chunks_total", of}, 2},
			{[]string{"reqresp_wire_bytes_total", of, `message="request"`}, 30},
			{[]string{"reqresp_wire_bytes_total", of, `message="response"`}, 1700},
			{[]string{"reqresp_ssz_bytes_total", of, `message="request"`}, 24},
			{[]string{"reqresp_ssz_bytes_total", of, `message="response"`}, 2700},
			{[]string{"reqresp_first_byte_seconds_sum", of}, 2},
			{[]string{"reqresp_first_byte_seconds_count", of}, 1},
			{[]string{"reqresp_duration_seconds_sum", of}, 3},
		} {
			if got := value(t, m, test.parts...); got != test.want {
				t.Errorf("%v is %v, want %v", test.parts, got, test.want)
			}
		}
	})
}

func TestCallIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New(table, nil)
		first := begin(m, reqresp.Info{ID: 1, Spec: spec(t, "ping")})
		if got := value(t, m, "reqresp_waiting_requests", `method="ping"`, `stage="queue"`); got != 1 {
			t.Errorf("%v wait", got)
		}
		first.after(4*time.Second, reqresp.PhaseDial)
		first.after(0, reqresp.PhaseFirstByte)
		first.after(time.Second, reqresp.PhaseResponse)
		first.chunk(18, 8)
		first.done(reqresp.Result{Chunks: 1, RequestBytes: 17, RequestSize: 8, ResponseBytes: 18, ResponseSize: 8})

		second := begin(m, reqresp.Info{ID: 2, Spec: spec(t, "ping")})
		time.Sleep(time.Second)
		second.done(reqresp.Result{Err: context.Canceled}) // while it waits

		of := `direction="outbound",method="ping"`
		for _, test := range []struct {
			parts []string
			want  float64
		}{
			{[]string{"reqresp_active_requests", of}, 0},
			{[]string{"reqresp_waiting_requests", `method="ping"`, `stage="queue"`}, 0},
			{[]string{"reqresp_delay_seconds_sum", `method="ping"`, `stage="queue"`}, 5},
			{[]string{"reqresp_delay_seconds_count", `method="ping"`, `stage="queue"`}, 2},
			{[]string{"reqresp_requests_total", of, `outcome="success"`}, 1},
			{[]string{"reqresp_requests_total", of, `outcome="cancelled"`}, 1},
			{[]string{"reqresp_first_byte_seconds_sum", of}, 5},
			{[]string{"reqresp_ssz_bytes_total", of, `message="response"`}, 8},
			{[]string{"reqresp_wire_bytes_total", of, `message="response"`}, 18},
		} {
			if got := value(t, m, test.parts...); got != test.want {
				t.Errorf("%v is %v, want %v", test.parts, got, test.want)
			}
		}
		for _, totals := range m.Totals() {
			if totals.Method != "ping" || totals.Direction != metrics.Outbound {
				continue
			}
			if totals.Outcomes["success"] != 1 || totals.Outcomes["cancelled"] != 1 || totals.Chunks != 1 ||
				totals.WireBytes != 35 || totals.SSZBytes != 16 || totals.Delay != 5*time.Second ||
				totals.FirstByte != 5*time.Second || totals.Duration != 3*time.Second {
				t.Errorf("totals %+v", totals)
			}
		}
	})
}

func TestDelaysAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := metrics.New(table, nil)
		info := reqresp.Info{Inbound: true, Spec: spec(t, "ping")}
		x := begin(m, info)
		x.after(0, reqresp.PhaseAdmit)
		x.after(time.Second, reqresp.PhaseHandle)
		x.after(0, reqresp.PhaseReserve)
		x.after(2*time.Second, reqresp.PhaseResponse)
		x.after(0, reqresp.PhaseReserve)
		if got := value(t, m, "reqresp_waiting_requests", `method="ping"`, `stage="chunk"`); got != 1 {
			t.Errorf("%v chunks are withheld, want 1", got)
		}
		time.Sleep(time.Second)
		x.done(reqresp.Result{Err: reqresp.ErrRefused}) // while it waits
		for stage, want := range map[string]float64{"admission": 1, "chunk": 3} {
			if got := value(t, m, "reqresp_delay_seconds_sum", `method="ping"`, `stage="`+stage+`"`); got != want {
				t.Errorf("%s: %v s, want %v", stage, got, want)
			}
			if got := value(t, m, "reqresp_waiting_requests", `method="ping"`, `stage="`+stage+`"`); got != 0 {
				t.Errorf("%s: %v wait", stage, got)
			}
		}
	})
}

// An operator sees which limit was reached.
func TestRefusalsAreCountedByTheirReason(t *testing.T) {
	for _, test := range []struct {
		reason string
		phase  reqresp.Phase
		err    error
	}{
		{"queue full", reqresp.PhaseAdmit, limits.ErrQueueFull},
		{"over capacity", reqresp.PhaseReserve, limits.ErrOverCapacity},
		{"overdrawn", reqresp.PhaseReserve, limits.ErrOverdrawn},
		{"too many peers", reqresp.PhaseAdmit, limits.ErrTooManyPeers},
		{"banned", reqresp.PhaseRequest, score.ErrBanned},
		{"resources", reqresp.PhaseRequest, network.ErrResourceLimitExceeded}, // of streams
		{"resources", reqresp.PhaseHandle, network.ErrResourceLimitExceeded},  // of memory
		{"streams", reqresp.PhaseRequest, errors.New("MaxStreams")},
		{"other", reqresp.PhaseHandle, errors.New("a handler's")},
	} {
		t.Run(test.reason, func(t *testing.T) {
			m := metrics.New(table, nil)
			x := begin(m, reqresp.Info{Inbound: true, Spec: spec(t, "ping")})
			x.after(0, test.phase)
			x.done(reqresp.Result{Err: &reqresp.Failure{
				Phase: test.phase,
				Err:   fmt.Errorf("%w: %w", reqresp.ErrRefused, test.err),
			}})
			begin(m, reqresp.Info{Inbound: true, Spec: spec(t, "ping")}).done(reqresp.Result{Err: context.Canceled})
			begin(m, reqresp.Info{Spec: spec(t, "ping")}).done(reqresp.Result{Err: reqresp.ErrRefused}) // by a peer
			for _, line := range samples(t, m, "reqresp_refusals_total", `method="ping"`) {
				want := " 0"
				if strings.Contains(line, `reason="`+test.reason+`"`) {
					want = " 1"
				}
				if !strings.HasSuffix(line, want) {
					t.Errorf("got %q, want%s", line, want)
				}
			}
		})
	}
}

// fullState is one in which everything is known.
func fullState() metrics.State {
	return metrics.State{
		Peers: []metrics.Peer{
			{Client: "prysm", Direction: metrics.Inbound, Score: new(-30.0)},
			{Client: "prysm", Direction: metrics.Inbound, Score: new(20.0), Balances: []limits.Balance{
				{Method: "ping", Requests: 1, Items: -2, Bytes: 400},
				{Method: "unlisted", Requests: 1},
			}},
			{Client: "teku", Direction: metrics.Outbound},
		},
		Tracked: 5,
		Quotas: map[string]limits.Quota{"ping": {
			Requests: limits.Rate{N: 2, Per: 10 * time.Second, Burst: 4},
			Items:    limits.Rate{N: 8, Per: time.Second, Burst: 8},
			Bytes:    limits.Rate{N: 100, Per: time.Second, Burst: 400},
		}},
		Bans:         new(3),
		Chain:        &metrics.Chain{Earliest: 1, Head: 142, Finalized: 64},
		Sync:         &metrics.Sync{Slot: 10, Target: 20},
		Negotiations: &resources.NegotiationStats{Negotiating: 2, Refused: 7, Evicted: 9},
	}
}

func TestStateIsCollected(t *testing.T) {
	m := metrics.New(table, fullState)
	compare(t, m, `
# HELP reqresp_bans Bans in force.
# TYPE reqresp_bans gauge
reqresp_bans 3
# HELP reqresp_chain_slot Slots of the chain that is served.
# TYPE reqresp_chain_slot gauge
reqresp_chain_slot{at="earliest"} 1
reqresp_chain_slot{at="finalized"} 64
reqresp_chain_slot{at="head"} 142
# HELP reqresp_peer_score Connected peers by their score, from -100 to 100.
# TYPE reqresp_peer_score histogram
reqresp_peer_score_bucket{le="-100"} 0
reqresp_peer_score_bucket{le="-75"} 0
reqresp_peer_score_bucket{le="-50"} 0
reqresp_peer_score_bucket{le="-25"} 1
reqresp_peer_score_bucket{le="-10"} 1
reqresp_peer_score_bucket{le="0"} 1
reqresp_peer_score_bucket{le="10"} 1
reqresp_peer_score_bucket{le="25"} 2
reqresp_peer_score_bucket{le="50"} 2
reqresp_peer_score_bucket{le="75"} 2
reqresp_peer_score_bucket{le="100"} 2
reqresp_peer_score_bucket{le="+Inf"} 2
reqresp_peer_score_sum -10
reqresp_peer_score_count 2
# HELP reqresp_peers Peers that are connected, by the client they run and by who dialed.
# TYPE reqresp_peers gauge
reqresp_peers{client="prysm",direction="inbound"} 2
reqresp_peers{client="teku",direction="outbound"} 1
# HELP reqresp_quota_rate Tokens that a peer's budget for a method gets each second.
# TYPE reqresp_quota_rate gauge
reqresp_quota_rate{currency="bytes",method="ping"} 100
reqresp_quota_rate{currency="items",method="ping"} 8
reqresp_quota_rate{currency="requests",method="ping"} 0.2
# HELP reqresp_sync_slot The last slot that the sync under way has dealt with.
# TYPE reqresp_sync_slot gauge
reqresp_sync_slot 10
`, "reqresp_bans", "reqresp_chain_slot", "reqresp_peer_score", "reqresp_peers", "reqresp_quota_rate", "reqresp_sync_slot")
	for labels, want := range map[string]float64{`outcome="refused"`: 7, `outcome="evicted"`: 9} {
		if got := value(t, m, "reqresp_streams_unnegotiated_total", labels); got != want {
			t.Errorf("%s: %v streams, want %v", labels, got, want)
		}
	}
	if got := value(t, m, "reqresp_streams_negotiating"); got != 2 {
		t.Errorf("%v streams in negotiation", got)
	}
	for currency, want := range map[string]float64{"requests": .25, "items": -.25, "bytes": 1} {
		if got := value(t, m, "reqresp_budget_left_ratio_sum", `method="ping"`, `currency="`+currency+`"`); got != want {
			t.Errorf("%s: %v left, want %v", currency, got, want)
		}
	}
	if got := value(t, m, "reqresp_budget_left_ratio_bucket", `currency="items"`, `le="0"`); got != 1 {
		t.Errorf("%v in debt", got)
	}
}

// What is not known is left out; nothing is made up.
func TestUnknownStateHasNoMetrics(t *testing.T) {
	m := metrics.New(table, nil)
	for _, name := range []string{
		"reqresp_bans", "reqresp_peer_score", "reqresp_sync_slot", "reqresp_chain_slot",
		"reqresp_quota_rate",
	} {
		if n := testutil.CollectAndCount(m, name); n != 0 {
			t.Errorf("%d of %s", n, name)
		}
	}
}

func TestMetricsAreWellFormed(t *testing.T) {
	m := metrics.New(table, fullState)
	problems, err := testutil.CollectAndLint(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p.Metric, p.Text)
	}
	for line := range strings.Lines(expose(t, m)) {
		if help, ok := strings.CutPrefix(line, "# HELP "); ok && len(strings.Fields(help)) < 3 {
			t.Errorf("no help: %q", line)
		}
	}
}

// Whatever is asked for and whoever asks, there are as many series as before.
func TestLabelsAreBounded(t *testing.T) {
	m := metrics.New(table, func() metrics.State {
		return metrics.State{Peers: []metrics.Peer{
			{Client: metrics.ClientName("evil/1"), Direction: metrics.Inbound},
			{Client: metrics.ClientName("evil/2"), Direction: metrics.Inbound},
		}}
	})
	before := testutil.CollectAndCount(m)
	for i := range uint64(100) {
		other := reqresp.NewUnary[int, int](reqresp.Family{Codec: noCodec{}}, fmt.Sprint("method", i), 1).Spec()
		x := begin(m, reqresp.Info{Inbound: true, ID: i, Peer: peer.ID(fmt.Sprint(i)), Spec: other})
		x.done(reqresp.Result{Err: fmt.Errorf("failure %d", i)})
	}
	if after := testutil.CollectAndCount(m); after != before {
		t.Errorf("%d series, %d before", after, before)
	}
	if got := value(t, m, "reqresp_requests_total", `direction="inbound",method="other",outcome="io"`); got != 100 {
		t.Errorf("%v others", got)
	}
}

func TestClientName(t *testing.T) {
	for agent, want := range map[string]string{
		"Lighthouse/v7.1.0-cfb1f73/x86_64-linux": "lighthouse",
		"Prysm/v6.0.4/4eb3e4f":                   "prysm",
		"teku/v25.6.0/linux-x86_64":              "teku",
		"nimbus":                                 "nimbus",
		"js-libp2p/2.8.2":                        "lodestar",
		"erigon/caplin":                          "caplin",
		"reqresp":                                "reqresp",
		"":                                       "other",
		"go-libp2p":                              "other",
	} {
		if got := metrics.ClientName(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

type noCodec struct{ reqresp.Codec }

func (noCodec) Name() string { return "" }

func BenchmarkTrace(b *testing.B) {
	x := begin(metrics.New(table, nil), reqresp.Info{Inbound: true, ID: 1, Spec: table[0]})
	b.ReportAllocs()
	for b.Loop() {
		x.chunk(1000, 2000)
	}
}
