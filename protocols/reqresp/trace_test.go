package reqresp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// traced returns a server and a client which note what their hooks are told.
func traced(t *testing.T, s *simulation, methods ...reqresp.Handler) (client *reqresp.Client, asked, served *journal) {
	t.Helper()
	asked, served = new(journal), new(journal)
	serve(t, s.Server, &reqresp.ServerOptions{Trace: served.Trace()}, methods...)
	s.Connect(t)
	return reqresp.NewClient(s.Client, &reqresp.ClientOptions{Trace: asked.Trace()}), asked, served
}

func TestHooksOfASuccess(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		c, asked, served := traced(t, s, echo.Serve(echoed), counter.Serve(counted), notice.Serve(func(context.Context, peer.ID, *Text) error { return nil }))
		if _, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello"))); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		asked.Want(t, "1 start", "1 dial", "1 negotiate", "1 request", "1 first byte", "1 response", "1 chunk 7", "1 done: success, 1/6/7")
		served.Want(t, "1 start", "1 admit", "1 handle", "1 response", "1 chunk 7", "1 done: success, 1/6/7")

		if _, err := collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(3)))); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		asked.Want(t, "2 start", "2 dial", "2 negotiate", "2 request", "2 first byte", "2 response",
			"2 chunk 7", "2 chunk 7", "2 chunk 7", "2 done: success, 3/2/21")
		served.Want(t, "2 start", "2 admit", "2 handle", "2 response", "2 chunk 7", "2 chunk 7", "2 chunk 7", "2 done: success, 3/2/21")

		if err := notice.Send(t.Context(), c, s.Server.ID(), new(Text("hello"))); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		asked.Want(t, "3 start", "3 dial", "3 negotiate", "3 request", "3 done: success, 0/6/0")
		served.Want(t, "3 start", "3 admit", "3 handle", "3 done: success, 0/6/0")
	})
}

// The bytes of a verdict are a message's too, a chunk it is not.
func TestHooksOfAnErrorResponse(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		c, asked, served := traced(t, s, counter.Serve(func(_ context.Context, _ peer.ID, _ *Count, send func(*Text) error) error {
			return errors.Join(send(new(Text("chunk"))), reqresp.Errorf(reqresp.CodeResourceUnavailable, "gone"))
		}))
		_, err := collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(3))))
		wantVerdict(t, "gone", err, reqresp.Error{Code: 3, Message: "gone"})
		time.Sleep(time.Second)
		asked.Want(t, "1 start", "1 dial", "1 negotiate", "1 request", "1 first byte", "1 response", "1 chunk 7", "1 done: error response, 1/2/13")
		served.Want(t, "1 start", "1 admit", "1 handle", "1 response", "1 chunk 7", "1 done: error response, 1/2/13")
	})
}

func TestHooksOfAPanic(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		results := make(chan error, 1)
		c, asked, served := traced(t, s, echo.Serve(func(context.Context, peer.ID, *Text) (*Text, error) { panic(errCodec) }))
		serve(t, s.Server, &reqresp.ServerOptions{Trace: &reqresp.Trace{
			Done: func(x *reqresp.Exchange) { results <- x.Err },
		}}, paced.Serve(func(context.Context, peer.ID, *Text, func(*Text) error) error { panic("hunter2") }))
		_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello")))
		wantVerdict(t, "panic", err, reqresp.Error{Code: reqresp.CodeServerError})
		time.Sleep(time.Second)
		asked.Want(t, "1 start", "1 dial", "1 negotiate", "1 request", "1 first byte", "1 response", "1 done: error response, 0/6/2")
		served.Want(t, "1 start", "1 admit", "1 handle", "1 done: panic, 0/6/2")

		_, err = collect(paced.Call(t.Context(), c, s.Server.ID(), new(Text(""))))
		wantVerdict(t, "panic", err, reqresp.Error{Code: reqresp.CodeServerError})
		result := <-results
		p, ok := errors.AsType[*reqresp.PanicError](result)
		if !ok || p.Value != "hunter2" || len(p.Stack) == 0 {
			t.Errorf("got %v, want the panic and its stack", result)
		}
	})
}

func TestHooksOfARefusedStream(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		served := new(journal)
		release := make(chan struct{})
		serve(t, s.Server, &reqresp.ServerOptions{MaxStreams: 1, Trace: served.Trace()}, echo.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			<-release
			return req, nil
		}))
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		done := make(chan error)
		go func() {
			_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello")))
			done <- err
		}()
		time.Sleep(time.Second)
		_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello")))
		wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrRefused)
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		served.Want(t, "1 start", "1 admit", "1 handle", "2 start", "2 done: over limit, 0/0/0", "1 response", "1 chunk 7", "1 done: success, 1/6/7")
	})
}

// A chunk that was cut off counts with the bytes that went out, and is none.
func TestHooksOfACutOffChunk(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		results := make(chan reqresp.Result, 1)
		chunks := 0
		serve(t, s.Server, &reqresp.ServerOptions{Trace: &reqresp.Trace{
			Chunk: func(*reqresp.Exchange, int, int) { chunks++ },
			Done:  func(x *reqresp.Exchange) { results <- x.Result },
		}}, paced.Serve(func(_ context.Context, _ peer.ID, _ *Text, send func(*Text) error) error {
			_ = send(new(Text("whole")))
			return send(new(Text(make([]byte, 900<<10))))
		}))
		stream := openRaw(t, s.Client, s.Server, paced.Spec().Protocols()[0])
		_, _ = stream.Write([]byte{0})
		_ = stream.CloseWrite()
		r := <-results
		if r.Chunks != 1 || chunks != 1 || r.ResponseBytes <= 7 || r.ResponseBytes >= 900<<10 || r.RequestBytes != 1 {
			t.Errorf("told of %d chunks and %+v", chunks, r)
		}
		wantFailure(t, r.Err, reqresp.PhaseResponse, reqresp.ErrTimeout)
	})
}

func TestHooksOfAFailure(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		c, asked, served := traced(t, s, echo.Serve(echoed), counter.Serve(counted))
		nobody := newPeerID(t)
		_, _ = echo.Call(t.Context(), c, nobody, new(Text("")))
		asked.Want(t, "1 start", "1 dial", "1 done: dial, 0/0/0")
		_ = notice.Send(t.Context(), c, s.Server.ID(), new(Text("")))
		asked.Want(t, "2 start", "2 dial", "2 negotiate", "2 done: unsupported, 0/0/0")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = echo.Call(ended, c, s.Server.ID(), new(Text("")))
		asked.Want(t, "3 start", "3 done: cancelled, 0/0/0")
		served.Want(t)

		// A reader who has had enough cancels.
		for range counter.Call(t.Context(), c, s.Server.ID(), new(Count(100))) {
			break
		}
		if last, want := asked.Last(), "4 done: cancelled, 1/4/7"; last != want {
			t.Errorf("last told %q, want %q", last, want)
		}
	})
}

func TestWhatHooksAreToldOfTheExchange(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		v1, v2 := version(1), version(2)
		var first, open, last, in reqresp.Info
		serve(t, s.Server, &reqresp.ServerOptions{Trace: &reqresp.Trace{Start: func(x *reqresp.Exchange) { in = x.Info }}}, v1.Serve(echoed))
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{Trace: &reqresp.Trace{
			Phase: func(x *reqresp.Exchange, _ reqresp.Phase, _ time.Duration) {
				switch x.Phase {
				case reqresp.PhaseNegotiate:
					first = x.Info
				case reqresp.PhaseRequest:
					open = x.Info
				default:
				}
			},
			Done: func(x *reqresp.Exchange) { last = x.Info },
		}})
		out, err := c.Open(t.Context(), s.Server.ID(), v2.Spec(), v1.Spec())
		if err != nil {
			t.Fatal(err)
		}
		id := out.ID()
		if _, err := v1.Exchange(out, new(Text(""))); err != nil {
			t.Error(err)
		}
		out.Close()
		if first.Peer != s.Server.ID() || first.ID != id || first.Spec != v2.Spec() || first.Protocol != "" || first.Conn != nil {
			t.Errorf("before the negotiation: %+v", first)
		}
		if want := (reqresp.Info{ID: id, Peer: s.Server.ID(), Spec: v1.Spec(), Protocol: v1.Spec().Protocols()[0], Conn: out.Conn()}); open != want || last != want {
			t.Errorf("after the negotiation: %+v and %+v, want %+v", open, last, want)
		}
		if !in.Inbound || in.Peer != s.Client.ID() || in.ID != 1 || in.Spec != v1.Spec() || in.Protocol != v1.Spec().Protocols()[0] || in.Conn.RemotePeer() != s.Client.ID() {
			t.Errorf("the server's: %+v", in)
		}
	})
}

// What both sides count is what the stream carried, on every muxer.
func TestHooksCountTheSameOnBothSides(t *testing.T) {
	eachTransport(t, func(t *testing.T, _ transport, client, server host.Host) {
		ended := make(chan reqresp.Result, 1)
		serve(t, server, &reqresp.ServerOptions{Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) { ended <- x.Result }}}, echo.Serve(echoed), counter.Serve(counted))
		var asked reqresp.Result
		c := reqresp.NewClient(client, &reqresp.ClientOptions{Trace: &reqresp.Trace{Done: func(x *reqresp.Exchange) { asked = x.Result }}})
		for i := range 10 {
			if i%2 == 0 {
				_, _ = echo.Call(t.Context(), c, server.ID(), new(Text(make([]byte, i*10_000))))
			} else {
				_, _ = collect(counter.Call(t.Context(), c, server.ID(), new(Count(i*30))))
			}
			if served := <-ended; served != asked || asked.Err != nil || asked.RequestBytes == 0 {
				t.Errorf("client %+v, server %+v", asked, served)
			}
		}
	})
}

// An exchange that a limiter makes wait is in a phase of its own while it does.
func TestWaitsForALimiterArePhases(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		l := &ledger{
			admit:   func(context.Context) error { time.Sleep(2 * time.Second); return nil },
			reserve: func(context.Context) error { time.Sleep(3 * time.Second); return nil },
		}
		served := new(journal)
		waited := make(chan [2]time.Duration, 1)
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: l, Trace: reqresp.JoinTraces(nil, served.Trace(), &reqresp.Trace{
			Done: func(x *reqresp.Exchange) {
				waited <- [2]time.Duration{x.Spent(reqresp.PhaseAdmit), x.Spent(reqresp.PhaseReserve)}
			},
		})}, counter.Serve(counted))
		if _, err := collect(counter.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Count(2)))); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		served.Want(t, "1 start", "1 admit", "1 handle", "1 reserve", "1 handle", "1 response", "1 chunk 7",
			"1 reserve", "1 response", "1 chunk 7", "1 done: success, 2/2/14")
		if got, want := <-waited, [2]time.Duration{2 * time.Second, 6 * time.Second}; got != want {
			t.Errorf("waited %v, want %v", got, want)
		}
	})
}

// What a limiter refuses with reaches the trace, with the phase.
func TestRefusalsOfALimiterReachTheTrace(t *testing.T) {
	overdue := errors.New("overdue")
	simulate(t, func(t *testing.T, s *simulation) {
		l := &ledger{reserve: func(context.Context) error { return fmt.Errorf("%w: %w", reqresp.ErrRefused, overdue) }}
		results := make(chan error, 1)
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: l, Trace: &reqresp.Trace{
			Done: func(x *reqresp.Exchange) { results <- x.Err },
		}}, counter.Serve(counted))
		_, err := collect(counter.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Count(2))))
		wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrRefused)
		if f, _ := errors.AsType[*reqresp.Failure](err); !f.Remote {
			t.Errorf("%v does not say that the peer refused", err)
		}
		err = <-results
		wantFailure(t, err, reqresp.PhaseReserve, reqresp.ErrRefused, overdue)
		if f, _ := errors.AsType[*reqresp.Failure](err); f.Remote {
			t.Errorf("%v does not say that this side refused", err)
		}
	})
}

func TestTracesOfCallsAreCalledAfterTheClients(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		var order []string
		note := func(name string) *reqresp.Trace {
			return &reqresp.Trace{Done: func(*reqresp.Exchange) { order = append(order, name) }}
		}
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{Trace: note("client")})
		c = c.With(reqresp.CallOptions{Trace: note("first")}).With(reqresp.CallOptions{Trace: note("second")})
		if _, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text(""))); err != nil {
			t.Error(err)
		}
		if want := []string{"client", "first", "second"}; !slices.Equal(order, want) {
			t.Errorf("called %q, want %q", order, want)
		}
	})
}

// A codec says how large messages are before they are encoded.
func TestSizesAreTraced(t *testing.T) {
	sized := reqresp.NewStream[Count, Text](reqresp.Family{Prefix: "/sized", Codec: sizedCodec{}}, "count", 1)
	simulate(t, func(t *testing.T, s *simulation) {
		served := make(chan reqresp.Result, 1)
		serve(t, s.Server, &reqresp.ServerOptions{Trace: &reqresp.Trace{
			Done: func(x *reqresp.Exchange) { served <- x.Result },
		}}, sized.Serve(counted))
		var out reqresp.Result
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{Trace: &reqresp.Trace{
			Done: func(x *reqresp.Exchange) { out = x.Result },
		}})
		if _, err := collect(sized.Call(t.Context(), c, s.Server.ID(), new(Count(3)))); err != nil {
			t.Error(err)
		}
		if in := <-served; out.RequestSize != 100 || out.ResponseSize != 300 || in != out {
			t.Errorf("client %+v, server %+v, want sizes 100 and 300", out, in)
		}
	})
}

// A sizedCodec has messages of 100 bytes each.
type sizedCodec struct{ textCodec }

func (sizedCodec) Size(any) int { return 100 }

// Each range over a call's sequence is a call of its own.
func TestRangingTwiceCallsTwice(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		srv := serve(t, s.Server, nil, counter.Serve(counted))
		calls := 0
		c := reqresp.NewClient(s.Client, &reqresp.ClientOptions{Trace: &reqresp.Trace{Start: func(*reqresp.Exchange) { calls++ }}})
		seq := counter.Call(t.Context(), c, s.Server.ID(), new(Count(2)))
		for range 2 {
			if all, err := collect(seq); err != nil || len(all) != 2 {
				t.Errorf("got %d chunks, %v", len(all), err)
			}
		}
		if calls != 2 || srv.Refused() != 0 {
			t.Errorf("%d calls, want 2", calls)
		}
	})
}

// Who reads a refusal knows which setting it is about.
func TestRefusalsNameTheBound(t *testing.T) {
	for want, opts := range map[string]reqresp.ServerOptions{
		"MaxStreams of":        {MaxStreams: 1},
		"MaxStreamsPerPeer of": {MaxStreamsPerPeer: 1},
		"MaxStreamsPerConn of": {MaxStreamsPerConn: 1},
		"share of":             {MaxStreams: 16},
		"MaxMemory of":         {MaxMemory: 1},
	} {
		t.Run(want, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				refusals := make(chan error, 2)
				opts.Trace = &reqresp.Trace{Done: func(x *reqresp.Exchange) {
					if errors.Is(x.Err, reqresp.ErrRefused) {
						refusals <- x.Err
					}
				}}
				serve(t, s.Server, &opts, echo.Serve(func(ctx context.Context, _ peer.ID, _ *Text) (*Text, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				c := reqresp.NewClient(s.Client, nil)
				go echo.Call(ctx, c, s.Server.ID(), new(Text("")))
				time.Sleep(100 * time.Millisecond)
				_, _ = echo.Call(ctx, c, s.Server.ID(), new(Text("")))
				if err := <-refusals; !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want one that names %s", err, want)
				}
			})
		})
	}
}
