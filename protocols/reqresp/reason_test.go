package reqresp_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// An end is a way for an exchange to end, which the two sides see differently. Server
// is -1 where it does not see any exchange. Timeouts of each phase are in TestEachPhaseHasItsTimeout,
// ends of connections in TestClosedConnectionIsADisconnect.
var ends = []struct {
	name    string
	call    func(t *testing.T, s *simulation, c *reqresp.Client) error
	method  func(ctx context.Context, in *reqresp.Inbound) error // nil for none
	client  reqresp.Reason
	server  int
	resets  network.StreamErrorCode // that the caller sees, zero for none
	verdict reqresp.Code            // that the caller gets, zero for none
}{
	{"success", ask, answers, reqresp.ReasonSuccess, int(reqresp.ReasonSuccess), 0, 0},
	{
		"verdict", ask, returns(reqresp.Errorf(reqresp.CodeResourceUnavailable, "gone")), reqresp.ReasonErrorResponse,
		int(reqresp.ReasonErrorResponse), 0, 3,
	},
	{"handler's error", ask, returns(errCodec), reqresp.ReasonErrorResponse, int(reqresp.ReasonIO), 0, 2},
	{
		"panic", ask, func(context.Context, *reqresp.Inbound) error { panic("hunter2") }, reqresp.ReasonErrorResponse,
		int(reqresp.ReasonPanic), 0, 2,
	},
	{"omission", ask, returns(nil), reqresp.ReasonViolation, int(reqresp.ReasonOmission), 0, 0},
	{
		"refused", ask, returns(reqresp.ErrRefused), reqresp.ReasonOverLimit, int(reqresp.ReasonOverLimit),
		network.StreamResourceLimitExceeded, 0,
	},
	{
		"rate limited", ask, returns(reqresp.ErrRateLimited), reqresp.ReasonOverLimit, int(reqresp.ReasonOverLimit),
		network.StreamRateLimited, 0,
	},
	{"server times out", ask, func(ctx context.Context, in *reqresp.Inbound) error {
		return errors.Join(received(ctx, in), waits(ctx))
	}, reqresp.ReasonReset, int(reqresp.ReasonTimeout), network.StreamGarbageCollected, 0},
	{"malformed request", func(t *testing.T, s *simulation, _ *reqresp.Client) error {
		stream := openRaw(t, s.Client, s.Server, echo.Spec().Protocols()[0])
		if got := answer(t, stream, "\x05hel", false); got != invalid {
			return fmt.Errorf("answered %q", got)
		}
		return nil
	}, answers, reqresp.ReasonSuccess, int(reqresp.ReasonViolation), 0, 0},
	{"unfinished request", func(t *testing.T, s *simulation, _ *reqresp.Client) error {
		stream := openRaw(t, s.Client, s.Server, echo.Spec().Protocols()[0])
		if got := answer(t, stream, "\x05hel", true); got != late {
			return fmt.Errorf("answered %q", got)
		}
		return nil
	}, answers, reqresp.ReasonSuccess, int(reqresp.ReasonTimeout), 0, 0},
	{"request that is reset", func(t *testing.T, s *simulation, _ *reqresp.Client) error {
		stream := openRaw(t, s.Client, s.Server, echo.Spec().Protocols()[0])
		_, _ = stream.Write([]byte("\x05hel"))
		time.Sleep(time.Second)
		return stream.Reset()
	}, answers, reqresp.ReasonSuccess, int(reqresp.ReasonReset), 0, 0},
	{"cancelled", func(t *testing.T, s *simulation, c *reqresp.Client) error {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		return call(ctx, s, c)
	}, slowly, reqresp.ReasonCancelled, int(reqresp.ReasonReset), 0, 0},
	{"cancelled for a reason", func(t *testing.T, s *simulation, c *reqresp.Client) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errCodec) })
		return call(ctx, s, c)
	}, slowly, reqresp.ReasonCancelled, int(reqresp.ReasonReset), 0, 0},
	{"caller's deadline", func(t *testing.T, s *simulation, c *reqresp.Client) error {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCodec)
		defer cancel()
		return call(ctx, s, c)
	}, slowly, reqresp.ReasonTimeout, int(reqresp.ReasonReset), 0, 0},
	{"unsendable", func(t *testing.T, s *simulation, c *reqresp.Client) error {
		_, err := brokenEcho(brokenCodec{WriteRequest: fails}).Call(t.Context(), c, s.Server.ID(), new(Text("")))
		return err
	}, answers, reqresp.ReasonIO, int(reqresp.ReasonReset), 0, 0},
	{"unreadable", func(t *testing.T, s *simulation, c *reqresp.Client) error {
		_, err := brokenEcho(brokenCodec{CheckResponse: fails}).Call(t.Context(), c, s.Server.ID(), new(Text("")))
		return err
	}, answers, reqresp.ReasonViolation, int(reqresp.ReasonSuccess), 0, 0},
	{"unsupported", ask, nil, reqresp.ReasonUnsupported, -1, 0, 0},
	{"dial", func(t *testing.T, _ *simulation, c *reqresp.Client) error {
		_, err := echo.Call(t.Context(), c, newPeerID(t), new(Text("")))
		return err
	}, answers, reqresp.ReasonDial, -1, 0, 0},
	{"not connected", func(t *testing.T, _ *simulation, c *reqresp.Client) error {
		_, err := echo.Call(network.WithNoDial(t.Context(), "test"), c, newPeerID(t), new(Text("")))
		return err
	}, answers, reqresp.ReasonDial, -1, 0, 0},
	{"foreign protocol", func(t *testing.T, s *simulation, c *reqresp.Client) error {
		return ask(t, s, c.With(reqresp.CallOptions{Protocols: []protocol.ID{"/foreign"}}))
	}, answers, reqresp.ReasonIO, -1, 0, 0},
}

func call(ctx context.Context, s *simulation, c *reqresp.Client) error {
	_, err := echo.Call(ctx, c, s.Server.ID(), new(Text("")))
	return err
}

func ask(t *testing.T, s *simulation, c *reqresp.Client) error {
	return call(t.Context(), s, c)
}

func answers(ctx context.Context, in *reqresp.Inbound) error {
	return errors.Join(received(ctx, in), in.Send(ctx, new(Text(""))))
}

// slowly answers when the caller has gone.
func slowly(ctx context.Context, in *reqresp.Inbound) error {
	err := received(ctx, in)
	time.Sleep(5 * time.Second)
	return errors.Join(err, in.Send(ctx, new(Text(""))))
}

func returns(err error) func(context.Context, *reqresp.Inbound) error {
	return func(ctx context.Context, in *reqresp.Inbound) error {
		if e := received(ctx, in); e != nil {
			return e
		}
		return err
	}
}

func TestReasons(t *testing.T) {
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				s.Connect(t)
				served, asked := make(chan error, 1), make(chan error, 1)
				spec := reqresp.NewUnary[Text, Text](family,
					"echo", 1).WithLimits(reqresp.Limits{Timeouts: reqresp.Timeouts{
					Total:    8 * time.Second,
					Progress: 5 * time.Second,
				}}).Spec()
				if tt.method != nil {
					serve(t, s.Server, &reqresp.ServerOptions{Trace: &reqresp.Trace{
						Done: func(x *reqresp.Exchange) { served <- x.Err },
					}}, reqresp.Handler{Spec: spec, Serve: tt.method})
				}
				c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{Trace: &reqresp.Trace{
					Done: func(x *reqresp.Exchange) { asked <- x.Err },
				}})
				err := tt.call(t, s, c)
				if got := reqresp.ReasonOf(err); got != tt.client {
					t.Errorf("caller's reason is %v, want %v: %v", got, tt.client, err)
				}
				if len(asked) == 1 {
					if told := <-asked; told != err {
						t.Errorf("caller's trace was told %v, the caller %v", told, err)
					}
				}
				if tt.resets != 0 && !errors.Is(err, remoteReset(tt.resets)) {
					t.Errorf("caller got %v, want a reset with %#x", err, uint32(tt.resets))
				}
				if e, ok := errors.AsType[*reqresp.Error](err); ok != (tt.verdict != 0) || ok &&
					(e.Code != tt.verdict || !e.Remote) {
					t.Errorf("caller got %v, want verdict %v", err, tt.verdict)
				}
				time.Sleep(time.Minute)
				if len(served) != min(1, tt.server+1) {
					t.Fatalf("server saw %d exchanges", len(served))
				}
				if tt.server >= 0 {
					if err := <-served; reqresp.ReasonOf(err) != reqresp.Reason(tt.server) {
						t.Errorf("server's reason is %v, want %v: %v", reqresp.ReasonOf(err), reqresp.Reason(tt.server), err)
					}
				}
			})
		})
	}
}

func TestReasonOverLimitOfTheQueue(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, reqresp.Handler{Spec: echo.Spec(), Serve: slowly})
		s.Connect(t)
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxCalls: 1, MaxQueued: 1})
		done := make(chan error, 2)
		for range 2 { // one under way and one that waits
			go func() { done <- call(t.Context(), s, c) }()
		}
		time.Sleep(time.Second)
		err := call(t.Context(), s, c)
		wantFailure(t, err, reqresp.PhaseQueue, reqresp.ErrTooManyPending)
		if got := reqresp.ReasonOf(err); got != reqresp.ReasonOverLimit {
			t.Errorf("reason is %v", got)
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
		if err := call(t.Context(), s, c); err != nil {
			t.Errorf("after all is over: %v", err)
		}
	})
}

func TestReasonShutdownOfTheServer(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		served := make(chan error, 1)
		srv := serve(t, s.Server, &reqresp.ServerOptions{Trace: &reqresp.Trace{
			Done: func(x *reqresp.Exchange) { served <- x.Err },
		}}, reqresp.Handler{Spec: echo.Spec(), Serve: func(ctx context.Context, in *reqresp.Inbound) error {
			return errors.Join(received(ctx, in), waits(ctx))
		}})
		s.Connect(t)
		time.AfterFunc(time.Second, func() {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_ = srv.Stop(ctx)
		})
		err := call(t.Context(), s, reqresp.NewClient(s.Client, nil))
		if got := reqresp.ReasonOf(err); got != reqresp.ReasonReset || !errors.Is(err, remoteReset(network.StreamShutdown)) {
			t.Errorf("caller's reason is %v: %v", got, err)
		}
		if err := <-served; reqresp.ReasonOf(err) != reqresp.ReasonShutdown {
			t.Errorf("server's reason is %v: %v", reqresp.ReasonOf(err), err)
		}
	})
}

// A host that has no room for a stream refuses it itself.
func TestReasonOverLimitOfTheResourceManager(t *testing.T) {
	limits := rcmgr.PartialLimitConfig{Protocol: map[protocol.ID]rcmgr.ResourceLimits{
		echo.Spec().Protocols()[0]: {
			Streams: rcmgr.BlockAllLimit, StreamsOutbound: rcmgr.BlockAllLimit,
			StreamsInbound: rcmgr.BlockAllLimit,
		},
	}}
	resources, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Build(rcmgr.DefaultLimits.AutoScale())))
	if err != nil {
		t.Fatal(err)
	}
	full, err := libp2p.New(append(transports[0].Options, libp2p.ResourceManager(resources), libp2p.DisableMetrics())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = full.Close() })
	other := transports[0].Host(t)
	if err := full.Connect(t.Context(), peer.AddrInfo{ID: other.ID(), Addrs: other.Addrs()}); err != nil {
		t.Fatal(err)
	}
	serve(t, other, nil, echo.Serve(echoed))
	serve(t, full, nil, echo.Serve(echoed))
	_, err = echo.Call(t.Context(), reqresp.NewClient(full, nil), other.ID(), new(Text("")))
	wantFailure(t, err, reqresp.PhaseNegotiate, network.ErrResourceLimitExceeded)
	if got := reqresp.ReasonOf(err); got != reqresp.ReasonOverLimit {
		t.Errorf("reason is %v: %v", got, err)
	}
	// The other way round it is the peer that has no room.
	_, err = echo.Call(t.Context(), reqresp.NewClient(other, nil), full.ID(), new(Text("")))
	if got := reqresp.ReasonOf(err); got != reqresp.ReasonOverLimit || !errors.Is(err, reqresp.ErrRefused) {
		t.Errorf("reason is %v: %v", got, err)
	}
}

func TestReasonNames(t *testing.T) {
	names := make(map[string]bool)
	for r := reqresp.ReasonSuccess; r <= reqresp.ReasonPanic; r++ {
		names[r.String()] = true
	}
	if len(names) != int(reqresp.ReasonPanic)+1 || !names["over limit"] || names[""] {
		t.Errorf("names are not unique: %v", names)
	}
	if got := reqresp.Reason(99).String(); got != "reason(99)" {
		t.Errorf("got %q", got)
	}
}
