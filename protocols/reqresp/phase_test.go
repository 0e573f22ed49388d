package reqresp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A stall is a peer that goes along with a call up to one phase.
type stall struct {
	name    string
	phase   reqresp.Phase
	bound   func(*reqresp.Timeouts) *time.Duration // the phase's
	request Text
	setup   func(t *testing.T, s *simulation) peer.ID
}

// takes returns how long the stall is borne. A window that fills is progress in the writing of a
// request.
func (s stall) takes(bound time.Duration) time.Duration {
	if s.phase == reqresp.PhaseRequest {
		return 2 * bound
	}
	return bound
}

var stalled = reqresp.Limits{MaxRequest: 4 << 20}

const stalledID = "/test/stall/1/text"

func stalls() []stall {
	raw := func(handle func(network.Stream)) func(*testing.T, *simulation) peer.ID {
		return func(t *testing.T, s *simulation) peer.ID {
			serveRaw(t, s.Server, stalledID, handle)
			s.Connect(t)
			return s.Server.ID()
		}
	}
	return []stall{{
		name: "dial", phase: reqresp.PhaseDial,
		bound: func(to *reqresp.Timeouts) *time.Duration { return &to.Dial },
		setup: func(t *testing.T, s *simulation) peer.ID {
			nobody := newPeerID(t)
			addr := multiaddr.StringCast("/ip4/1.2.3.4/udp/8000/quic-v1")
			s.Client.Peerstore().AddAddr(nobody, addr, peerstore.PermanentAddrTTL)
			return nobody
		},
	}, {
		name: "negotiate", phase: reqresp.PhaseNegotiate,
		bound: func(to *reqresp.Timeouts) *time.Duration { return &to.Negotiate },
		setup: func(t *testing.T, s *simulation) peer.ID {
			s.Connect(t)
			ended := make(chan struct{})
			t.Cleanup(func() { close(ended) })
			s.Server.Network().SetStreamHandler(func(stream network.Stream) {
				<-ended
				_ = stream.Reset()
			})
			return s.Server.ID()
		},
	}, {
		name: "request", phase: reqresp.PhaseRequest,
		bound:   func(to *reqresp.Timeouts) *time.Duration { return &to.Write },
		request: Text(strings.Repeat("x", 3<<20)),
		setup:   raw(func(network.Stream) {}),
	}, {
		name: "first byte", phase: reqresp.PhaseFirstByte,
		bound: func(to *reqresp.Timeouts) *time.Duration { return &to.FirstByte },
		setup: raw(drain),
	}, {
		name: "first chunk", phase: reqresp.PhaseResponse,
		bound: func(to *reqresp.Timeouts) *time.Duration { return &to.Progress },
		setup: raw(func(stream network.Stream) { _, _ = stream.Write([]byte{0, 10, 'x'}) }),
	}, {
		name: "next chunk", phase: reqresp.PhaseResponse,
		bound: func(to *reqresp.Timeouts) *time.Duration { return &to.Progress },
		setup: raw(func(stream network.Stream) { _, _ = stream.Write([]byte{0, 1, 'x'}) }),
	}}
}

// lastStep makes a call step by step and returns when the failing step began and
// what it failed with. The first byte's arrival is not a step of its own.
func lastStep(
	ctx context.Context, c *reqresp.Client, to peer.ID, spec *reqresp.Spec, req Text,
) (began time.Time, err error) {
	began = time.Now()
	out, err := c.Open(ctx, to, spec)
	if err != nil {
		return began, err
	}
	defer out.Close()
	began = time.Now()
	if err := out.Send(&req); err != nil {
		return began, err
	}
	for {
		began = time.Now()
		var resp Text
		if err := out.Receive(&resp); err != nil {
			return began, err
		}
	}
}

func TestEachPhaseHasItsTimeout(t *testing.T) {
	const bound = 4 * time.Second
	for _, tt := range stalls() {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				to := tt.setup(t, s)
				limits := stalled
				*tt.bound(&limits.Timeouts) = bound
				spec := reqresp.NewStream[Text, Text](family, "stall", 1).WithLimits(limits).Spec()

				began, err := lastStep(t.Context(), reqresp.NewClient(s.Client, nil), to, spec, tt.request)
				wantFailure(t, err, tt.phase, reqresp.ErrTimeout)
				if got := reqresp.ReasonOf(err); got != reqresp.ReasonTimeout {
					t.Errorf("reason is %v", got)
				}
				took := time.Since(began)
				if tt.name == "first chunk" {
					took -= roundTrip // for the first byte
				}
				if took.Truncate(time.Millisecond) != tt.takes(bound) {
					t.Errorf("took %v, want %v", took, tt.takes(bound))
				}
				if s.Client.ConnManager().IsProtected(to, "") {
					t.Error("the peer's connection is still protected")
				}
			})
		})
	}
}

func TestTotalTimeoutEndsEachPhase(t *testing.T) {
	const bound = 4 * time.Second
	for _, tt := range stalls() {
		if tt.phase <= reqresp.PhaseNegotiate {
			continue // the exchange has not begun
		}
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				to := tt.setup(t, s)
				limits := stalled
				limits.Timeouts.Total = bound
				spec := reqresp.NewStream[Text, Text](family, "stall", 1).WithLimits(limits).Spec()

				start := time.Now()
				_, err := lastStep(t.Context(), reqresp.NewClient(s.Client, nil), to, spec, tt.request)
				wantFailure(t, err, tt.phase, reqresp.ErrTimeout)
				if took := time.Since(start); took != bound {
					t.Errorf("took %v, want %v", took, bound)
				}
			})
		})
	}
}

func TestCancellationEndsEachPhase(t *testing.T) {
	reason := errors.New("changed my mind")
	for _, tt := range stalls() {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				to := tt.setup(t, s)
				spec := reqresp.NewStream[Text, Text](family, "stall", 1).WithLimits(stalled).Spec()
				client := reqresp.NewClient(s.Client, nil)
				before := streams(s.Client)

				for _, cause := range []error{nil, reason} {
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(2*time.Second, func() { cancel(cause) })
					start := time.Now()
					_, err := lastStep(ctx, client, to, spec, tt.request)
					if cause == nil {
						cause = context.Canceled
					}
					wantFailure(t, err, tt.phase, cause)
					if got := reqresp.ReasonOf(err); got != reqresp.ReasonCancelled {
						t.Errorf("reason is %v: %v", got, err)
					}
					if took := time.Since(start); took != 2*time.Second {
						t.Errorf("took %v, want 2s", took)
					}
				}
				if s.Client.ConnManager().IsProtected(to, "") || streams(s.Client) != before {
					t.Error("something is left of the call")
				}
			})
		})
	}
}

func TestEndedContextFailsInTheQueue(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := echo.Call(ctx, reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseQueue, context.Canceled)
	})
}

func TestUnsendableRequestFailsTheCall(t *testing.T) {
	broken := reqresp.NewUnary[Unsendable, Text](family, "broken", 1)
	simulate(t, func(t *testing.T, s *simulation) {
		serveRaw(t, s.Server, broken.Spec().Protocols()[0], drain)
		_, err := broken.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Unsendable))
		wantFailure(t, err, reqresp.PhaseRequest, errUnsendable)
		time.Sleep(time.Minute) // identify's own streams end
		if n := streams(s.Client); n != 0 {
			t.Errorf("%d streams left", n)
		}
	})
}

func TestDeadConnectionIsNoTimeout(t *testing.T) {
	limits := reqresp.Limits{Timeouts: reqresp.Timeouts{FirstByte: 10 * time.Minute, Total: 10 * time.Minute}}
	patient := reqresp.NewUnary[Text, Text](family, "stall", 1).WithLimits(limits)
	simulate(t, func(t *testing.T, s *simulation) {
		serveRaw(t, s.Server, stalledID, drain)
		s.Connect(t)
		time.AfterFunc(time.Second, func() { s.Down.Store(true) })
		_, err := patient.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseFirstByte)
		if errors.Is(err, reqresp.ErrTimeout) {
			t.Errorf("%v wraps ErrTimeout, but no phase's timeout has passed", err)
		}
	})
}

func TestCutConnectionFailsTheCall(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serveRaw(t, s.Server, stalledID, drain)
		s.Connect(t)
		stall := reqresp.NewUnary[Text, Text](family, "stall", 1)
		time.AfterFunc(time.Second, func() { _ = s.Client.Network().ClosePeer(s.Server.ID()) })
		start := time.Now()
		_, err := stall.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("")))
		wantFailure(t, err, reqresp.PhaseFirstByte)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}
