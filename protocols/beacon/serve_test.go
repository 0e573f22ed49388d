package beacon_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// gapChain is the test chain without the blocks of some slots.
func gapChain(empty ...ssz.Slot) *memoryChain {
	return newMemoryChain(beacon.Status{}, slices.DeleteFunc(slices.Clone(devBlocks()), func(b *beacon.Block) bool {
		return slices.Contains(empty, b.Slot)
	}))
}

func TestBlocksByRangeServesWhatItHolds(t *testing.T) {
	tests := []struct {
		name               string
		start, count, step uint64
		want               []ssz.Slot
		code               reqresp.Code
	}{
		{name: "one", start: 50, count: 1, step: 1, want: slotRange(50, 50)},
		{name: "some", start: 50, count: 5, step: 1, want: slotRange(50, 54)},
		{name: "across the forks", start: 62, count: 4, step: 1, want: []ssz.Slot{62, 63, 64, 65}},
		{name: "all", start: 44, count: 41, step: 1, want: append(slotRange(44, 69), slotRange(73, 84)...)},
		{name: "across empty slots", start: 69, count: 5, step: 1, want: []ssz.Slot{69, 73}},
		{name: "empty slots only", start: 70, count: 3, step: 1},
		{name: "up to the head and beyond", start: 84, count: 100, step: 1, want: slotRange(84, 84)},
		{name: "beyond the head", start: 85, count: 10, step: 1},
		{name: "the last slot of all", start: 1<<64 - 1, count: 1, step: 1},
		{
			name: "more than allowed", start: 44, count: 1 << 40, step: 1,
			want: append(slotRange(44, 69), slotRange(73, 84)...),
		},
		{name: "step 2", start: 50, count: 10, step: 2, want: slotRange(50, 50)},
		{name: "step 2 from an empty slot", start: 70, count: 10, step: 2, want: slotRange(74, 74)},
		{name: "step 2 over empty slots", start: 70, count: 2, step: 2},
		{name: "step 1 << 63 to the last slots of all", start: 70, count: 1 << 62, step: 1 << 63},
		{name: "huge step", start: 50, count: 10, step: 1<<64 - 1, want: slotRange(50, 50)},
		{name: "before what is held", start: 43, count: 10, step: 1, code: reqresp.CodeResourceUnavailable},
		{name: "from genesis", start: 0, count: 1, step: 1, code: reqresp.CodeResourceUnavailable},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, gapChain(70, 71, 72), beacon.ServerOptions{})
		for _, tt := range tests {
			got, err := ask(t, client, server, idByRange, payload(uints(tt.start, tt.count, tt.step)))
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			if tt.code != 0 {
				if _, err := readVerdict(got, tt.code); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
			} else if !bytes.Equal(got, chunks(tt.want...)) {
				t.Errorf("%s: got %d bytes, want the %d of slots %d", tt.name, len(got), len(chunks(tt.want...)), tt.want)
			}
		}
	})
}

func TestBlocksByRootServesWhatItHolds(t *testing.T) {
	tests := []struct {
		name  string
		roots []ssz.Root
		want  []ssz.Slot
	}{
		{"one", rootsOf(50), slotRange(50, 50)},
		{"in the order of the roots", rootsOf(64, 44, 63), []ssz.Slot{64, 44, 63}},
		{"unknown ones left out", append(rootsOf(71, 50), ssz.Root{1}), slotRange(50, 50)},
		{"unknown ones only", []ssz.Root{{1}, {2}}, nil},
		{"none", nil, nil},
		{"as many as allowed", append(make([]ssz.Root, 127), rootsOf(84)...), slotRange(84, 84)},
	}
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, gapChain(70, 71, 72), beacon.ServerOptions{})
		for _, tt := range tests {
			got, err := ask(t, client, server, idByRoot, payload(rootList(tt.roots...)))
			if err != nil || !bytes.Equal(got, chunks(tt.want...)) {
				t.Errorf("%s: got %d bytes, %v, want those of slots %d", tt.name, len(got), err, tt.want)
			}
		}
	})
}

// A brokenChain fails after some blocks.
type brokenChain struct {
	*memoryChain

	after  int
	listed error // the error that the list of blocks ends with
	read   error // the error with which a block is not read
}

func (c brokenChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		n := 0
		for ref, err := range c.memoryChain.BlocksByRange(ctx, start, count) {
			if n++; n > c.after && c.listed != nil {
				yield(beacon.Ref{}, c.listed)
				return
			}
			if !yield(ref, err) {
				return
			}
		}
	}
}

func (c brokenChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	if ref.Slot >= 50+ssz.Slot(c.after) && c.read != nil {
		return append(dst, "half of a block"...), c.read
	}
	return c.memoryChain.AppendFrames(ctx, ref, dst)
}

func (c brokenChain) Status(context.Context) (beacon.Status, error) {
	return beacon.Status{}, errors.New("secret of the database")
}

func TestFailuresOfTheChainAreServerErrors(t *testing.T) {
	secret := errors.New("secret of the database")
	simulate(t, func(t *testing.T, client, server host.Host) {
		for _, chain := range []brokenChain{
			{after: 0, listed: secret}, {after: 2, listed: secret}, {after: 0, read: secret}, {after: 2, read: secret},
		} {
			chain.memoryChain = devChain()
			srv := serve(t, server, chain, beacon.ServerOptions{})
			got, err := ask(t, client, server, idByRange, payload(uints(50, 5, 1)))
			want := chunks(slotRange(50, ssz.Slot(49+chain.after))...)
			if err != nil || !bytes.HasPrefix(got, want) {
				t.Fatalf("got %d bytes, %v, want %d first", len(got), err, len(want))
			}
			message, err := readVerdict(got[len(want):], reqresp.CodeServerError)
			if err != nil || message != "server error" {
				t.Errorf("ended with %q, %v", message, err)
			}
			got, err = ask(t, client, server, idStatusV2, payload(statusV2()))
			if err != nil {
				t.Fatal(err)
			}
			if message, err := readVerdict(got, reqresp.CodeServerError); err != nil || message != "server error" {
				t.Errorf("status: got %q, %v", message, err)
			}
			must(0, srv.Stop(t.Context()))
		}
	})
}

// A careless chain breaks what Chain asks of it.
type carelessChain struct {
	*memoryChain
	size   int // what is added to every Size
	frames func(dst, frames []byte) []byte
}

func (c carelessChain) BlocksByRange(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[beacon.Ref, error] {
	return func(yield func(beacon.Ref, error) bool) {
		for ref, err := range c.memoryChain.BlocksByRange(ctx, start, count) {
			ref.Size += c.size
			if !yield(ref, err) {
				return
			}
		}
	}
}

func (c carelessChain) AppendFrames(_ context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	return c.frames(dst, c.byRoot[ref.Root].Frames), nil
}

// Peers would take for ours what is not well formed, and leave us for it.
func TestMistakesOfTheChainAreNotSent(t *testing.T) {
	appended := func(dst, frames []byte) []byte { return append(dst, frames...) }
	tests := map[string]struct {
		chain carelessChain
		want  string
	}{
		"size":     {carelessChain{size: 1, frames: appended}, "bytes, its Size is"},
		"negative": {carelessChain{size: -1 << 30, frames: appended}, "bytes, its Size is"},
		"nothing":  {carelessChain{frames: func(dst, _ []byte) []byte { return dst }}, "slot 50 hold 0 bytes"},
		"nil":      {carelessChain{frames: func(_, _ []byte) []byte { return nil }}, "has not appended"},
		"no dst":   {carelessChain{frames: func(_, frames []byte) []byte { return frames }}, "has not appended"},
		"no frames": {
			carelessChain{frames: func(dst, _ []byte) []byte { return append(dst, "SSZ"...) }},
			"frames of an object of slot 50: ",
		},
		"cut frames": {
			carelessChain{frames: func(dst, f []byte) []byte { return append(dst, f[:len(f)-1]...) }},
			"unexpected EOF",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, client, server host.Host) {
				tt.chain.memoryChain = devChain()
				var log bytes.Buffer
				logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
				srv := serve(t, server, tt.chain, beacon.ServerOptions{Logger: logger})
				got, err := ask(t, client, server, idByRange, payload(uints(50, 2, 1)))
				if err != nil {
					t.Fatal(err)
				}
				if message, err := readVerdict(got, reqresp.CodeServerError); err != nil || message != "server error" {
					t.Errorf("got %q, %v", message, err)
				}
				must(0, srv.Stop(t.Context()))
				if !strings.Contains(log.String(), tt.want) {
					t.Errorf("logged %q, want it to say %q", log.String(), tt.want)
				}
			})
		})
	}
}

// A notingPacer lets everything pass and notes what is reserved and settled.
type notingPacer struct {
	calls []string
	costs []reqresp.Cost
}

func (p *notingPacer) Admit(context.Context, peer.ID, *reqresp.Spec) (reqresp.Admission, error) {
	return p, nil
}

func (p *notingPacer) Refused(peer.ID, *reqresp.Spec) { p.calls = append(p.calls, "refused") }

func (p *notingPacer) Reserve(_ context.Context, c reqresp.Cost) error {
	p.calls, p.costs = append(p.calls, "reserve"), append(p.costs, c)
	return nil
}

func (p *notingPacer) Settle(c reqresp.Cost) {
	p.calls, p.costs = append(p.calls, "settle"), append(p.costs, c)
}

func (p *notingPacer) Release() { p.calls = append(p.calls, "release") }

// A notingChain notes in the pacer's list when a block is fetched.
type notingChain struct {
	*memoryChain
	pacer *notingPacer
}

func (c notingChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	c.pacer.calls = append(c.pacer.calls, "fetch")
	return c.memoryChain.AppendFrames(ctx, ref, dst)
}

func TestBlocksAreFetchedOnceThereIsCapacity(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		pacer := new(notingPacer)
		srv := serve(t, server, notingChain{devChain(), pacer}, beacon.ServerOptions{Limiter: pacer})
		if _, err := ask(t, client, server, idByRange, payload(uints(63, 2, 1))); err != nil {
			t.Fatal(err)
		}
		must(0, srv.Stop(t.Context()))
		want := []string{"reserve", "fetch", "settle", "reserve", "fetch", "settle", "release"}
		if !slices.Equal(pacer.calls, want) {
			t.Errorf("got %q, want %q", pacer.calls, want)
		}
		for i, slot := range []ssz.Slot{63, 64} {
			reserved, settled := pacer.costs[2*i], pacer.costs[2*i+1]
			if wire := uint64(len(chunks(slot))); settled != (reqresp.Cost{Items: 1, Bytes: wire}) {
				t.Errorf("slot %d: settled %+v, %d bytes were written", slot, settled, wire)
			}
			if reserved.Items != 1 || reserved.Bytes < settled.Bytes || reserved.Bytes > settled.Bytes+4 {
				t.Errorf("slot %d: reserved %+v, used %+v", slot, reserved, settled)
			}
		}
	})
}
