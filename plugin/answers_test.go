package plugin_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	blocksByRange = "/eth2/beacon_chain/req/beacon_blocks_by_range/2/ssz_snappy"
	goodbye       = "/eth2/beacon_chain/req/goodbye/1/ssz_snappy"
)

// A pair is a node and a source that it asks, which are not connected.
type pair struct {
	node, source *plugin.Service
	at           peer.AddrInfo // of the source
	host         host.Host     // of the source
}

// simulatePair runs f with two services in virtual time. The chain, that of the development network if
// it is nil, and the middleware are the source's.
func simulatePair(t *testing.T, chain beacon.Chain, middleware reqresp.Middleware, f func(t *testing.T, p pair)) {
	simulatePairWith(t, chain, middleware, nil, f)
}

// simulatePairWith is simulatePair with quotas of the node's own for what it asks.
func simulatePairWith(
	t *testing.T, chain beacon.Chain, middleware reqresp.Middleware, quotas []outbound.Quota,
	f func(t *testing.T, p pair),
) {
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	if chain == nil {
		chain = &growingChain{blocks}
	}
	simulate(t, devchain.HeadSlot+1, func(t *testing.T, server, client host.Host) {
		cfg := plugin.Config{Network: devchain.Network(), Host: server}
		if middleware != nil {
			cfg.Middleware = []reqresp.Middleware{middleware}
		}
		source, err := plugin.NewStandalone("", chain, cfg)
		if err != nil {
			t.Fatal(err)
		}
		node, err := plugin.NewStandalone("", nil, plugin.Config{
			Genesis: devGenesis(), Host: client, Peers: peers.Config{NoDial: true}, Outbound: quotas,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*plugin.Service{source, node} {
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
		}
		f(t, pair{node, source, *host.InfoFromHost(server), server})
	})
}

// goodbyes notes the reasons with which peers leave a host.
func goodbyes(h host.Host) func() []beacon.GoodbyeReason {
	var mu sync.Mutex
	var reasons []beacon.GoodbyeReason
	h.SetStreamHandler(goodbye, func(stream network.Stream) {
		defer stream.Close()
		message, err := io.ReadAll(stream)
		if err != nil || len(message) == 0 {
			return
		}
		text, err := snappy.AppendDecoded(nil, message[1:], 8)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		reasons = append(reasons, beacon.GoodbyeReason(text[0])) // little-endian, and all are small
	})
	return func() []beacon.GoodbyeReason {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(reasons)
	}
}

func TestAPeerThatAnswersGarbageIsBanned(t *testing.T) {
	simulatePair(t, nil, nil, func(t *testing.T, p pair) {
		p.host.SetStreamHandler(blocksByRange, func(stream network.Stream) {
			defer stream.Close()
			_, _ = io.ReadAll(stream)
			_, _ = stream.Write([]byte("\x00garbage in place of a block"))
		})
		left := goodbyes(p.host)
		for range 20 {
			status, err := p.node.Peers().Connect(t.Context(), p.at)
			if p.node.Scores().Action(p.at.ID) == score.Ban {
				break
			}
			if err != nil {
				time.Sleep(time.Minute) // It is being left.
				continue
			}
			before := p.node.Scores().Score(p.at.ID)
			if _, err := p.node.Sync(t.Context(), p.at.ID, status, nil); !errors.Is(err, reqresp.ErrViolation) {
				t.Fatalf("sync failed with %v, want a violation", err)
			}
			if after := p.node.Scores().Score(p.at.ID); after > before-9 {
				t.Errorf("garbage changed the score from %v to %v", before, after)
			}
			time.Sleep(30 * time.Second)
		}
		if got := p.node.Scores().Action(p.at.ID); got != score.Ban {
			t.Fatalf("verdict %v with a score of %v", got, p.node.Scores().Score(p.at.ID))
		}
		time.Sleep(10 * time.Second)
		reasons := left()
		if n := len(reasons); n < 2 || reasons[0] != beacon.GoodbyeBadScore || reasons[n-1] != beacon.GoodbyeBanned {
			t.Errorf("the peer was left with %v, want it disconnected first, and banned at last", reasons)
		}
		if got := p.host.Network().Connectedness(p.node.Host().ID()); got == network.Connected {
			t.Error("the peer is still connected")
		}
	})
}

func TestAPeerAtItsLimitIsNotPenalised(t *testing.T) {
	var asked atomic.Int32
	var answers atomic.Bool
	limited := func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
		return func(ctx context.Context, in *reqresp.Inbound) error {
			if in.Spec().Name() != "beacon_blocks_by_range" || answers.Load() {
				return next(ctx, in)
			}
			return []error{
				reqresp.Errorf(beacon.CodeRateLimited, "Wait 2s"),
				reqresp.Errorf(reqresp.CodeInvalidRequest, "rate limited"),
				reqresp.Errorf(reqresp.CodeServerError, "REQUEST_ERROR_RATE_LIMITED"),
				reqresp.ErrRateLimited,
			}[asked.Add(1)%4]
		}
	}
	simulatePair(t, nil, limited, func(t *testing.T, p pair) {
		left := goodbyes(p.host)
		status, err := p.node.Peers().Connect(t.Context(), p.at)
		if err != nil {
			t.Fatal(err)
		}
		result, err := p.node.Sync(t.Context(), p.at.ID, status, nil)
		if e, ok := errors.AsType[*rangesync.LimitedError](err); !ok || e.Peer != p.at.ID ||
			e.Refusals != int(asked.Load()) || result.Blocks > 0 {
			t.Errorf("sync has %d blocks, and failed with %v", result.Blocks, err)
		}
		// Pauses of 5, 10, 20, … s make for few tries.
		if n := asked.Load(); n < 4 || n > 12 {
			t.Errorf("the peer was asked %d times", n)
		}
		if got := p.node.Scores().Score(p.at.ID); got != 0 || len(left()) > 0 {
			t.Errorf("the score is %v, the peer was left with %v", got, left())
		}
		// Once it answers it is as good as any.
		answers.Store(true)
		if _, err := p.node.Sync(t.Context(), p.at.ID, status, nil); err != nil {
			t.Error(err)
		}
		if got := p.node.Scores().Score(p.at.ID); got <= 0 {
			t.Errorf("the score is %v after blocks that were stored", got)
		}
	})
}

// What a peer answers costs it what it deserves. All is asked by range, but for goodbye and ping.
func TestAnswersAreScored(t *testing.T) {
	byRange := func(ctx context.Context, c *beacon.Client, to peer.ID) error {
		return last(c.BlocksByRange(ctx, to, 1, 1))
	}
	tests := map[string]struct {
		answer error
		after  time.Duration
		ask    func(ctx context.Context, c *beacon.Client, to peer.ID) error
		want   float64
	}{
		"server error":      {reqresp.Errorf(reqresp.CodeServerError, "broken"), 0, byRange, -1},
		"invalid request":   {reqresp.Errorf(reqresp.CodeInvalidRequest, "\x00"), 0, byRange, 0},
		"unavailable":       {reqresp.Errorf(reqresp.CodeResourceUnavailable, "pruned"), 0, byRange, 0},
		"unknown code":      {reqresp.Errorf(200, "no"), 0, byRange, 0},
		"no answer in time": {nil, time.Minute, byRange, -1},
		"no time to answer": {nil, time.Minute, func(ctx context.Context, c *beacon.Client, to peer.ID) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return byRange(ctx, c, to)
		}, 0},
		"goodbye without an answer": {nil, 0, func(ctx context.Context, c *beacon.Client, to peer.ID) error {
			return c.Goodbye(ctx, to, beacon.GoodbyeFault)
		}, 0},
		"reset": {nil, 0, func(ctx context.Context, c *beacon.Client, to peer.ID) error {
			return last(c.BlocksByRoot(ctx, to, make([]ssz.Root, 1)))
		}, -1},
		"shut down": {nil, 0, func(ctx context.Context, c *beacon.Client, to peer.ID) error {
			return last(c.BlocksByHead(ctx, to, ssz.Root{}, 1))
		}, 0},
		"ping without an answer": {nil, 0, func(ctx context.Context, c *beacon.Client, to peer.ID) error {
			_, err := c.Ping(ctx, to, 0)
			return err
		}, -10},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
				return func(ctx context.Context, in *reqresp.Inbound) error {
					if in.Spec().Name() != "beacon_blocks_by_range" {
						return next(ctx, in)
					}
					time.Sleep(tt.after)
					return tt.answer
				}
			}
			simulatePair(t, nil, answer, func(t *testing.T, p pair) {
				if _, err := p.node.Peers().Connect(t.Context(), p.at); err != nil {
					t.Fatal(err)
				}
				hangUp := func(stream network.Stream) {
					_, _ = io.ReadAll(stream)
					_ = stream.Close()
				}
				p.host.SetStreamHandler(goodbye, hangUp)
				p.host.SetStreamHandler("/eth2/beacon_chain/req/ping/1/ssz_snappy", hangUp)
				p.host.SetStreamHandler("/eth2/beacon_chain/req/beacon_blocks_by_root/2/ssz_snappy",
					func(stream network.Stream) { _ = stream.Reset() })
				p.host.SetStreamHandler("/eth2/beacon_chain/req/beacon_blocks_by_head/1/ssz_snappy",
					func(stream network.Stream) { _ = stream.ResetWithError(network.StreamShutdown) })
				if err := tt.ask(t.Context(), p.node.Server().Client(), p.at.ID); err == nil {
					t.Fatal("the peer has answered")
				}
				if got := p.node.Scores().Score(p.at.ID); got > tt.want+0.1 || got < tt.want-0.1 {
					t.Errorf("it cost %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func last[T any](seq func(yield func(*T, error) bool)) (err error) {
	for _, e := range seq {
		err = e
	}
	return err
}

// leavesOut is a chain that does not tell of some of its blocks.
type leavesOut struct {
	*growingChain
	first, last ssz.Slot
}

func (c leavesOut) BlocksByRange(_ context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return refs(c.known(), func(b *beacon.Block) bool {
		return b.Slot >= start && uint64(b.Slot-start) < count && (b.Slot < c.first || b.Slot > c.last)
	})
}

// A peer that has a block of this node's, but leaves out the next, is scored down.
func TestAPeerThatLeavesOutBlocksIsPenalised(t *testing.T) {
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	gaps := leavesOut{&growingChain{blocks}, devchain.FirstSlot + 10, devchain.FirstSlot + 11}
	simulatePair(t, gaps, nil, func(t *testing.T, p pair) {
		if err := p.node.Store().Append(t.Context(), blocks[:10]...); err != nil {
			t.Fatal(err)
		}
		status, err := p.node.Peers().Connect(t.Context(), p.at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.node.Sync(t.Context(), p.at.ID, status, nil); !errors.Is(err, rangesync.ErrGap) {
			t.Fatalf("sync failed with %v, want %v", err, rangesync.ErrGap)
		}
		if got := p.node.Scores().Score(p.at.ID); got > -4 || got < -5 {
			t.Errorf("the score is %v", got)
		}
	})
}

// A peer that wants to be pinged less is neither taken for a dead one nor lost sight of while it is left
// alone.
func TestAPeerThatIsLeftAloneIsLookedAfter(t *testing.T) {
	simulatePair(t, nil, nil, func(t *testing.T, p pair) {
		if _, err := p.node.Peers().Connect(t.Context(), p.at); err != nil {
			t.Fatal(err)
		}
		p.host.SetStreamHandler("/eth2/beacon_chain/req/ping/1/ssz_snappy", func(stream network.Stream) {
			_, _ = io.ReadAll(stream)
			_ = stream.ResetWithError(network.StreamRateLimited)
		})
		time.Sleep(20 * time.Minute)
		info, ok := p.node.Peers().Peer(p.at.ID)
		if !ok || info.Fails != 0 || info.Score != 0 {
			t.Fatalf("connected %v, %d failures, a score of %v", ok, info.Fails, info.Score)
		}
		p.node.Scores().Penalize(p.at.ID, score.Fatal, "test")
		time.Sleep(time.Minute)
		if _, ok := p.node.Peers().Peer(p.at.ID); ok {
			t.Error("the peer is still connected a minute after it was banned")
		}
	})
}

// Whatever a node's own quotas are, a peer that is not asked for blocks for an hour is still pinged.
func TestAPeerThatRefusesBlocksIsStillPinged(t *testing.T) {
	limited := func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
		return func(ctx context.Context, in *reqresp.Inbound) error {
			if in.Spec().Name() == "beacon_blocks_by_range" {
				return reqresp.ErrRateLimited
			}
			return next(ctx, in)
		}
	}
	for name, quotas := range map[string][]outbound.Quota{
		"of the client": nil, "none": {},
		"of blocks": {{
			Methods: []string{"beacon_blocks_by_range"},
			Items:   limits.Rate{N: 500, Per: time.Second, Burst: 500},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			simulatePairWith(t, nil, limited, quotas, func(t *testing.T, p pair) {
				if _, err := p.node.Peers().Connect(t.Context(), p.at); err != nil {
					t.Fatal(err)
				}
				client := p.node.Server().Client()
				for range 4 {
					if err := last(client.BlocksByRange(t.Context(), p.at.ID, 1, 1)); !beacon.IsRateLimited(err) {
						t.Fatalf("blocks: error %v, want a refusal", err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := last(client.BlocksByRange(ctx, p.at.ID, 1, 1)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("blocks: error %v, want none to be asked for within the hour", err)
				}
				if _, err := client.Ping(ctx, p.at.ID, 1); err != nil {
					t.Errorf("ping: %v", err)
				}
			})
		})
	}
}
