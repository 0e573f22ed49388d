package beacon_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gsnappy "github.com/golang/snappy"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peerstore"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// mplexPair returns two hosts that are connected over mplex. The client's streams may hold so many bytes, or as many as
// libp2p grants by default if that is 0.
func mplexPair(t *testing.T, memory int64) (client, server host.Host) {
	t.Helper()
	limits := rcmgr.PartialLimitConfig{Stream: rcmgr.ResourceLimits{Memory: rcmgr.LimitVal64(memory)}}
	manager, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Build(rcmgr.DefaultLimits.AutoScale())))
	if err != nil {
		t.Fatal(err)
	}
	client = simtest.NewHost(t, append(slices.Clip(transports["mplex"]), libp2p.ResourceManager(manager))...)
	server = simtest.NewHost(t, transports["mplex"]...)
	client.Peerstore().AddAddrs(server.ID(), server.Addrs(), peerstore.PermanentAddrTTL)
	connect(t, client, server)
	return client, server
}

// requests notes how many exchanges of a client have begun, besides pings, and those that a server has ended.
type requests struct {
	mu    sync.Mutex
	begun int
	last  string // the method of the last one
	ended chan string
}

func newRequests() *requests { return &requests{ended: make(chan string, 1000)} }

func (r *requests) clientTrace() *reqresp.Trace {
	return &reqresp.Trace{Start: func(i *reqresp.Exchange) {
		if i.Spec.Name() == "ping" {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.begun++
		r.last = i.Spec.Name()
	}}
}

func (r *requests) serverTrace() *reqresp.Trace {
	return &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if x.Inbound {
			r.ended <- x.Spec.Name()
		}
	}}
}

func (r *requests) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun
}

// awaitAnswer waits until the server has written its answer to the last request.
func (r *requests) awaitAnswer(t *testing.T) {
	r.mu.Lock()
	method := r.last
	r.mu.Unlock()
	late := time.After(time.Minute)
	for {
		select {
		case ended := <-r.ended:
			if ended == method {
				return
			}
		case <-late:
			t.Errorf("%s: an answer does not end", method)
			return
		}
	}
}

// TestSlowCallersGetAllOverMplex has callers that work, three times for each protocol, for as long as
// an answer takes. What is held for them is less than the answer.
func TestSlowCallersGetAllOverMplex(t *testing.T) {
	for _, tt := range []struct {
		name    string
		memory  int64
		several []string // of what more requests are made than one
	}{
		{"much memory", 0, []string{"by range", "blobs", "columns", "all by root", "all columns by root"}},
		{"little memory", 24 << 10, []string{
			"by range", "by head", "blobs", "columns", "envelopes", "all by root", "all blobs by root", "all columns by root",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, server := mplexPair(t, tt.memory)
			r := newRequests()
			serveOn(t, server, beacontest.Network(), fullChain(), beacon.ServerOptions{
				Now:   inSlot(beacontest.Head),
				Trace: r.serverTrace(),
			})
			c := beacon.NewClient(client, beacon.NewFamily(beacontest.Network()), &beacon.ClientOptions{Trace: r.clientTrace()})
			stalls, stalled := 0, 0
			each := func() {
				if begun := r.count(); stalls < 3 && begun > stalled {
					stalls, stalled = stalls+1, begun
					r.awaitAnswer(t)
					// Nothing tells the caller that it is late, but this is answered behind what it lets wait.
					if _, err := c.Ping(t.Context(), server.ID(), 0); err != nil {
						t.Errorf("ping: %v", err)
					}
				}
			}
			for _, reading := range readings(t.Context(), c, server.ID(), each) {
				stalls = 0
				for len(r.ended) > 0 {
					<-r.ended
				}
				before := r.count()
				got, err := reading.read()
				if err != nil || !slices.EqualFunc(got, reading.want, bytes.Equal) {
					t.Errorf("%s: got %d objects of %d, %v", reading.name, len(got), len(reading.want), err)
				}
				if n := r.count() - before; n < 2 && slices.Contains(tt.several, reading.name) {
					t.Errorf("%s: got %d objects by %d requests", reading.name, len(got), n)
				}
			}
		})
	}
}

// TestPingsBesideSlowCallers has a caller work on each block while its peer is pinged.
func TestPingsBesideSlowCallers(t *testing.T) {
	overLoopback(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{})
		connect(t, client, server)
		c := newClient(client)
		var slots []ssz.Slot
		for b, err := range c.BlocksByRange(t.Context(), server.ID(), firstSlot, 128) {
			if err != nil {
				t.Fatal(err)
			}
			slots = append(slots, b.Slot)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := c.Ping(ctx, server.ID(), 1); err != nil {
				t.Errorf("ping at slot %d: %v", b.Slot, err)
			}
			cancel()
		}
		if !slices.Equal(slots, slotsOf(devBlocks())) {
			t.Errorf("got slots %d", slots)
		}
	})
}

// byRangeOf returns the start and count of a request by range.
func byRangeOf(request []byte) (start ssz.Slot, count uint64) {
	_, n := binary.Uvarint(request)
	raw := must(io.ReadAll(gsnappy.NewReader(bytes.NewReader(request[n:]))))
	return ssz.Slot(binary.LittleEndian.Uint64(raw)), binary.LittleEndian.Uint64(raw[8:])
}

func isVerdict(err error) bool {
	_, ok := errors.AsType[*reqresp.Error](err)
	return ok
}

// TestJoinsOfRequestsOverMplex has a peer answer a call for more than is asked for at a time: the first request is for
// 32 slots, as no block has been seen.
func TestJoinsOfRequestsOverMplex(t *testing.T) {
	const first = 32
	second := firstSlot + first
	held := func(start ssz.Slot, count uint64) (slots []ssz.Slot) {
		return slotRange(start, min(start+ssz.Slot(count)-1, headSlot))
	}
	for _, tt := range []struct {
		name   string
		answer func(start ssz.Slot, count uint64) []byte
		want   []ssz.Slot
		err    error
	}{
		{
			"all", func(start ssz.Slot, count uint64) []byte { return chunks(held(start, count)...) },
			slotRange(firstSlot, headSlot), nil,
		},
		{"more than the request is for", func(start ssz.Slot, count uint64) []byte {
			return chunks(held(start, count+1)...)
		}, slotRange(firstSlot, second-1), reqresp.ErrTooManyChunks},
		{"a block behind the request", func(start ssz.Slot, count uint64) []byte {
			return chunks(append(held(start, count-1), start+ssz.Slot(count))...)
		}, slotRange(firstSlot, second-2), beacon.ErrOutOfRange},
		{"a block left out behind the first answer", func(start ssz.Slot, count uint64) []byte {
			if start > firstSlot {
				return chunks(held(start+1, count-1)...)
			}
			return chunks(held(start, count)...)
		}, slotRange(firstSlot, second-1), beacon.ErrNotLinked},
		{"the first answer cut short", func(start ssz.Slot, count uint64) []byte {
			if start == firstSlot {
				return chunks(slotRange(start, start+3)...)
			}
			return chunks(held(start, count)...)
		}, slotRange(firstSlot, headSlot), nil},
		{"all answers cut short", func(start ssz.Slot, count uint64) []byte {
			return chunks(slotRange(start, start+3)...)
		}, slotRange(firstSlot, firstSlot+7), nil},
		{"the first answer empty", func(start ssz.Slot, count uint64) []byte {
			if start == firstSlot {
				return nil
			}
			return chunks(held(start, count)...)
		}, slotRange(second, headSlot), nil},
		{"a verdict on the second request", func(start ssz.Slot, count uint64) []byte {
			if start > firstSlot {
				return result(3, []byte("pruned"))
			}
			return chunks(held(start, count)...)
		}, slotRange(firstSlot, second-1), &reqresp.Error{Code: reqresp.CodeResourceUnavailable}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client, server := mplexPair(t, 0)
			answerRaw(t, server, idByRange, func(request []byte) []byte { return tt.answer(byRangeOf(request)) })
			blocks, err := collect(newClient(client).BlocksByRange(t.Context(), server.ID(), firstSlot, 128))
			if !slices.Equal(slotsOf(blocks), tt.want) {
				t.Errorf("got slots %d, want %d", slotsOf(blocks), tt.want)
			}
			switch verdict, ok := errors.AsType[*reqresp.Error](tt.err); {
			case ok:
				if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != verdict.Code {
					t.Errorf("got %v, want code %v", err, verdict.Code)
				}
			case !errors.Is(err, tt.err):
				t.Errorf("got %v, want %v", err, tt.err)
			}
			// The chain may have been reorganized between two answers.
			blamed := tt.err != nil && !isVerdict(tt.err) && !errors.Is(tt.err, beacon.ErrNotLinked)
			if errors.Is(err, reqresp.ErrViolation) != blamed {
				t.Errorf("got %v: the peer is blamed: %v", err, !blamed)
			}
		})
	}
}

// TestRequestsOverMplexPassThePacer has each request counted by itself, and no object twice.
func TestRequestsOverMplexPassThePacer(t *testing.T) {
	client, server := mplexPair(t, 0)
	serve(t, server, devChain(), beacon.ServerOptions{})
	p := newCounter()
	c := beacon.NewClient(client, beacon.NewFamily(devNetwork()), &beacon.ClientOptions{Limiter: p})
	blocks, err := collect(c.BlocksByRange(t.Context(), server.ID(), firstSlot, 41))
	if err != nil || len(blocks) != 41 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	if n := p.items[strings.Split(string(idByRange), "/")[4]]; n != 41 {
		t.Errorf("the pacer was told of %d blocks, want 41", n)
	}
}
