package reqresp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// traced returns a server and a client which note what their hooks are told.
func traced(t *testing.T, s *simulation, methods ...reqresp.Method) (client *reqresp.Client, asked, served *journal) {
	t.Helper()
	asked, served = new(journal), new(journal)
	serve(t, s.server, &reqresp.ServerOptions{Trace: served.serverTrace()}, methods...)
	s.connect(t)
	return reqresp.NewClient(s.client, &reqresp.ClientOptions{Trace: asked.clientTrace()}), asked, served
}

func TestHooksOfASuccess(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		c, asked, served := traced(t, s, echo.Serve(echoed), counter.Serve(counted), notice.Serve(func(context.Context, peer.ID, *Text) error { return nil }))
		if _, err := echo.Call(t.Context(), c, s.server.ID(), new(Text("hello"))); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		asked.want(t, "1 start", "1 turn", "1 connected", "1 negotiated", "1 wrote 6", "1 first byte", "1 chunk 7", "1 done: success, 1/6/7")
		served.want(t, "1 start", "1 got 6", "1 admitted", "1 chunk 7", "1 done: success, 1/6/7")

		if _, err := collect(counter.Call(t.Context(), c, s.server.ID(), new(Count(3)))); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		asked.want(t, "2 start", "2 turn", "2 connected", "2 negotiated", "2 wrote 2", "2 first byte",
			"2 chunk 7", "2 chunk 7", "2 chunk 7", "2 done: success, 3/2/21")
		served.want(t, "2 start", "2 got 2", "2 admitted", "2 chunk 7", "2 chunk 7", "2 chunk 7", "2 done: success, 3/2/21")

		if err := notice.Send(t.Context(), c, s.server.ID(), new(Text("hello"))); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		asked.want(t, "3 start", "3 turn", "3 connected", "3 negotiated", "3 wrote 6", "3 done: success, 0/6/0")
		served.want(t, "3 start", "3 got 6", "3 admitted", "3 done: success, 0/6/0")
	})
}

// The bytes of a verdict are a message's too, a chunk it is not.
func TestHooksOfAVerdict(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		c, asked, served := traced(t, s, counter.Serve(func(_ context.Context, _ peer.ID, _ *Count, send func(*Text) error) error {
			return errors.Join(send(new(Text("chunk"))), reqresp.Errorf(reqresp.CodeResourceUnavailable, "gone"))
		}))
		_, err := collect(counter.Call(t.Context(), c, s.server.ID(), new(Count(3))))
		wantVerdict(t, "gone", err, reqresp.Error{Code: 3, Message: "gone"})
		time.Sleep(time.Second)
		asked.want(t, "1 start", "1 turn", "1 connected", "1 negotiated", "1 wrote 2", "1 first byte", "1 chunk 7", "1 done: verdict, 1/2/13")
		served.want(t, "1 start", "1 got 2", "1 admitted", "1 chunk 7", "1 done: verdict, 1/2/13")
	})
}

func TestHooksOfAPanic(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		results := make(chan error, 1)
		c, asked, served := traced(t, s, echo.Serve(func(context.Context, peer.ID, *Text) (*Text, error) { panic(errCodec) }))
		serve(t, s.server, &reqresp.ServerOptions{Trace: &reqresp.ServerTrace{
			Done: func(_ reqresp.InboundInfo, r reqresp.Result) { results <- r.Err },
		}}, paced.Serve(func(context.Context, peer.ID, *Text, func(*Text) error) error { panic("hunter2") }))
		_, err := echo.Call(t.Context(), c, s.server.ID(), new(Text("hello")))
		wantVerdict(t, "panic", err, reqresp.Error{Code: reqresp.CodeServerError})
		time.Sleep(time.Second)
		asked.want(t, "1 start", "1 turn", "1 connected", "1 negotiated", "1 wrote 6", "1 first byte", "1 done: verdict, 0/6/2")
		served.want(t, "1 start", "1 got 6", "1 admitted", "1 done: panic, 0/6/2")

		_, err = collect(paced.Call(t.Context(), c, s.server.ID(), new(Text(""))))
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
		serve(t, s.server, &reqresp.ServerOptions{MaxStreams: 1, Trace: served.serverTrace()}, echo.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
			<-release
			return req, nil
		}))
		s.connect(t)
		c := reqresp.NewClient(s.client, nil)
		done := make(chan error)
		go func() {
			_, err := echo.Call(t.Context(), c, s.server.ID(), new(Text("hello")))
			done <- err
		}()
		time.Sleep(time.Second)
		_, err := echo.Call(t.Context(), c, s.server.ID(), new(Text("hello")))
		wantFailure(t, err, reqresp.PhaseFirstByte, reqresp.ErrRefused)
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		served.want(t, "1 start", "1 got 6", "1 admitted", "2 start", "2 done: over limit, 0/0/0", "1 chunk 7", "1 done: success, 1/6/7")
	})
}

// A chunk that was cut off counts with the bytes that went out, and is none.
func TestHooksOfACutOffChunk(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		results := make(chan reqresp.Result, 1)
		chunks := 0
		serve(t, s.server, &reqresp.ServerOptions{Trace: &reqresp.ServerTrace{
			WroteChunk: func(reqresp.InboundInfo, int) { chunks++ },
			Done:       func(_ reqresp.InboundInfo, r reqresp.Result) { results <- r },
		}}, paced.Serve(func(_ context.Context, _ peer.ID, _ *Text, send func(*Text) error) error {
			_ = send(new(Text("whole")))
			return send(new(Text(make([]byte, 900<<10))))
		}))
		stream := openRaw(t, s.client, s.server, paced.Spec().Protocols[0])
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
		asked.want(t, "1 start", "1 turn", "1 done: dial, 0/0/0")
		_ = notice.Send(t.Context(), c, s.server.ID(), new(Text("")))
		asked.want(t, "2 start", "2 turn", "2 connected", "2 done: unsupported, 0/0/0")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = echo.Call(ended, c, s.server.ID(), new(Text("")))
		asked.want(t, "3 start", "3 done: cancelled, 0/0/0")
		served.want(t)

		// A reader who has had enough cancels.
		for range counter.Call(t.Context(), c, s.server.ID(), new(Count(100))) {
			break
		}
		asked.mu.Lock()
		last := asked.entries[len(asked.entries)-1]
		asked.mu.Unlock()
		if want := "4 done: cancelled, 1/4/7"; last != want {
			t.Errorf("last told %q, want %q", last, want)
		}
	})
}

func TestWhatHooksAreToldOfTheExchange(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		v1, v2 := version(1), version(2)
		var first, open, last reqresp.OutboundInfo
		var in reqresp.InboundInfo
		serve(t, s.server, &reqresp.ServerOptions{Trace: &reqresp.ServerTrace{Start: func(i reqresp.InboundInfo) { in = i }}}, v1.Serve(echoed))
		c := reqresp.NewClient(s.client, &reqresp.ClientOptions{Trace: &reqresp.ClientTrace{
			Connected:  func(i reqresp.OutboundInfo) { first = i },
			Negotiated: func(i reqresp.OutboundInfo) { open = i },
			Done:       func(i reqresp.OutboundInfo, _ reqresp.Result) { last = i },
		}})
		out, err := c.Open(t.Context(), s.server.ID(), v2.Spec(), v1.Spec())
		if err != nil {
			t.Fatal(err)
		}
		id := out.ID()
		if _, err := v1.Exchange(out, new(Text(""))); err != nil {
			t.Error(err)
		}
		out.Close()
		if first.Peer != s.server.ID() || first.ID != id || first.Spec != v2.Spec() || first.Protocol != "" || first.Conn != nil {
			t.Errorf("before the negotiation: %+v", first)
		}
		if want := (reqresp.OutboundInfo{ID: id, Peer: s.server.ID(), Spec: v1.Spec(), Protocol: v1.Spec().Protocols[0], Conn: out.Conn()}); open != want || last != want {
			t.Errorf("after the negotiation: %+v and %+v, want %+v", open, last, want)
		}
		if in.Peer != s.client.ID() || in.ID != 1 || in.Spec != v1.Spec() || in.Protocol != v1.Spec().Protocols[0] || in.Conn.RemotePeer() != s.client.ID() {
			t.Errorf("the server's: %+v", in)
		}
	})
}

// What both sides count is what the stream carried, on every muxer.
func TestHooksCountTheSameOnBothSides(t *testing.T) {
	eachTransport(t, func(t *testing.T, _ transport, client, server host.Host) {
		ended := make(chan reqresp.Result, 1)
		serve(t, server, &reqresp.ServerOptions{Trace: &reqresp.ServerTrace{Done: func(_ reqresp.InboundInfo, r reqresp.Result) { ended <- r }}}, echo.Serve(echoed), counter.Serve(counted))
		var asked reqresp.Result
		c := reqresp.NewClient(client, &reqresp.ClientOptions{Trace: &reqresp.ClientTrace{Done: func(_ reqresp.OutboundInfo, r reqresp.Result) { asked = r }}})
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
