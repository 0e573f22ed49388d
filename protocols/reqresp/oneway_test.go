package reqresp_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestOneWayArrives(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		arrived := make(chan Text)
		srv := serve(t, server, nil, notice.Serve(func(_ context.Context, from peer.ID, req *Text) error {
			if from != client.ID() {
				t.Errorf("a notice of %v", from)
			}
			arrived <- *req
			return nil
		}))
		c := reqresp.NewClient(client, nil)
		for _, text := range []Text{"negotiated in full", "along with the request", Text(make([]byte, 1<<20))} {
			if err := notice.Send(t.Context(), c, server.ID(), &text); err != nil {
				t.Error(err)
			}
			if got := <-arrived; got != text {
				t.Errorf("%d bytes arrived, want %d", len(got), len(text))
			}
		}
		simtest.WaitFor(t, "the server's streams to end", func() bool { return len(srv.Streams()) == 0 })
		wantNothingHeld(t, tr, client, server)
	})
}

// Success takes no notice of what the responder does later, if it ever does.
func TestOneWayDoesNotWaitForTheResponder(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		serveRaw(t, server, notice.Spec().Protocols()[0], drain)
		c := reqresp.NewClient(client, nil)
		start := time.Now()
		for range 5 {
			if err := notice.Send(t.Context(), c, server.ID(), new(Text("news"))); err != nil {
				t.Error(err)
			}
		}
		// A wait would be for a timeout of seconds, each time.
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
		simtest.WaitFor(t, "the connection to be let go", func() bool {
			return !client.ConnManager().IsProtected(server.ID(), "")
		})
	})
}

func TestOneWayToAPeerThatDoesNotSupportIt(t *testing.T) {
	eachTransport(t, func(t *testing.T, tr transport, client, server host.Host) {
		c := reqresp.NewClient(client, nil)
		for range 3 {
			err := notice.Send(t.Context(), c, server.ID(), new(Text("news")))
			wantFailure(t, err, reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
		}
		// What was true once: the request is sent along with the negotiation.
		outdated := func() error {
			if err := client.Peerstore().AddProtocols(server.ID(), notice.Spec().Protocols()...); err != nil {
				t.Fatal(err)
			}
			return notice.Send(t.Context(), c, server.ID(), new(Text("news")))
		}
		if !tr.Breaks {
			// In go-mplex the reset overtakes the refusal, and takes receive buffers with it.
			wantFailure(t, outdated(), reqresp.PhaseNegotiate)
			return
		}
		for range 20 {
			wantFailure(t, outdated(), reqresp.PhaseNegotiate, reqresp.ErrUnsupported)
		}
		wantNothingHeld(t, tr, client, server)
	})
}

// holdStreams has a host take streams and negotiate nothing.
func holdStreams(t *testing.T, h host.Host) {
	t.Helper()
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	h.Network().SetStreamHandler(func(stream network.Stream) {
		<-ended
		_ = stream.Reset()
	})
}

// That a peer speaks the protocol is known when it has said so.
func TestOneWayWaitsForTheNegotiation(t *testing.T) {
	limits := reqresp.Limits{Timeouts: reqresp.Timeouts{Negotiate: 4 * time.Second}}
	patient := reqresp.NewOneWay[Text](family, "notice", 1).WithLimits(limits)
	tests := []struct {
		name  string
		spoil func(s *simulation, cancel context.CancelFunc)
		want  error
		after time.Duration
	}{
		{"no answer", func(*simulation, context.CancelFunc) {}, reqresp.ErrTimeout, 4 * time.Second},
		{"cancelled", func(_ *simulation, cancel context.CancelFunc) { cancel() }, context.Canceled, time.Second},
		{
			"disconnected", func(s *simulation, _ context.CancelFunc) { _ = s.Server.Network().ClosePeer(s.Client.ID()) },
			reqresp.ErrDisconnected, time.Second + simtest.OneWay,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				s.Connect(t)
				holdStreams(t, s.Server)
				if err := s.Client.Peerstore().AddProtocols(s.Server.ID(), notice.Spec().Protocols()...); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				start := time.Now()
				time.AfterFunc(time.Second, func() { tt.spoil(s, cancel) })
				err := patient.Send(ctx, reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("news")))
				wantFailure(t, err, reqresp.PhaseNegotiate, tt.want)
				if took := time.Since(start); took.Truncate(time.Millisecond) != tt.after {
					t.Errorf("took %v, want %v", took, tt.after)
				}
			})
		})
	}
}

func TestOneWayHandlerFails(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		trace := new(journal)
		serve(t, s.Server, &reqresp.ServerOptions{Trace: trace.Trace()},
			notice.Serve(func(context.Context, peer.ID, *Text) error {
				return errors.New("no interest")
			}))
		c := reqresp.NewClient(s.Client, nil)
		for i := range 3 {
			if err := notice.Send(t.Context(), c, s.Server.ID(), new(Text("news"))); err != nil {
				t.Errorf("the sender learns of %v", err)
			}
			time.Sleep(time.Second)
			n := strconv.Itoa(i + 1)
			trace.Want(t, n+" start", n+" admit", n+" handle", n+" done: io, 0/5/0")
		}
	})
}

// A reset that comes in place of the negotiation's answer says that the request was not
// taken.
func TestOneWayIsReset(t *testing.T) {
	for code, want := range map[network.StreamErrorCode]error{
		network.StreamRateLimited:           reqresp.ErrRateLimited,
		network.StreamResourceLimitExceeded: reqresp.ErrRefused,
		network.StreamNoError:               network.ErrReset,
	} {
		simulate(t, func(t *testing.T, s *simulation) {
			s.Connect(t)
			s.Server.Network().SetStreamHandler(func(stream network.Stream) { _ = stream.ResetWithError(code) })
			if err := s.Client.Peerstore().AddProtocols(s.Server.ID(), notice.Spec().Protocols()...); err != nil {
				t.Fatal(err)
			}
			err := notice.Send(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("news")))
			wantFailure(t, err, reqresp.PhaseNegotiate, want, remoteReset(code))
		})
	}
}
