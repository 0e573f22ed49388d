package reqresp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestUnaryTakesOneRoundTrip(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		s.Connect(t)

		start := time.Now()
		got, err := echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("hello")))
		if err != nil || *got != "hello" {
			t.Fatalf("got %v, %v", got, err)
		}
		if d := time.Since(start); d < roundTrip || d > roundTrip+roundTrip/2 {
			t.Errorf("took %v, want about %v", d, roundTrip)
		}
	})
}

func TestCallConnectsFirst(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		var from peer.ID
		serve(t, s.Server, nil, echo.Serve(func(_ context.Context, p peer.ID, req *Text) (*Text, error) {
			from = p
			return req, nil
		}))
		if _, err := echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))); err != nil {
			t.Fatal(err)
		}
		if from != s.Client.ID() {
			t.Errorf("handler was told of peer %v, want %v", from, s.Client.ID())
		}
	})
}

func TestStreamYieldsEveryChunk(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, counter.Serve(counted))
		c := reqresp.NewClient(s.Client, nil)
		for _, n := range []Count{0, 1, 3, 100} {
			got, err := collect(counter.Call(t.Context(), c, s.Server.ID(), &n))
			if err != nil || len(got) != int(n) {
				t.Errorf("asked for %d chunks, got %d, %v", n, len(got), err)
			}
		}
	})
}

func TestBreakResetsTheStream(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		result := make(chan error, 1)
		serve(t, s.Server, nil, counter.Serve(func(ctx context.Context, _ peer.ID, _ *Count, send func(*Text) error) error {
			for {
				if err := send(new(Text("chunk"))); err != nil {
					result <- err
					return err
				}
				time.Sleep(time.Second)
			}
		}))
		for _, err := range counter.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Count(100))) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if err := <-result; !errors.Is(err, remoteReset(network.StreamGarbageCollected)) {
			t.Errorf("server's send failed with %v, want a remote reset", err)
		}
	})
}

func TestPanicInTheLoopResetsTheStream(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, counter.Serve(counted))
		c := reqresp.NewClient(s.Client, nil)
		func() {
			defer func() { _ = recover() }()
			for range counter.Call(t.Context(), c, s.Server.ID(), new(Count(100))) {
				panic("the caller's")
			}
		}()
		simtest.WaitFor(t, "the connection to be let go", func() bool {
			return !s.Client.ConnManager().IsProtected(s.Server.ID(), "")
		})
	})
}

func TestVerdictsCrossTheWire(t *testing.T) {
	secret := errors.New("secret: database password is hunter2")
	tests := []struct {
		name   string
		result error
		want   reqresp.Error
	}{
		{
			"local verdict", reqresp.Errorf(reqresp.CodeResourceUnavailable, "no such %s", "block"),
			reqresp.Error{Code: 3, Message: "no such block"},
		},
		{
			"wrapped verdict", fmt.Errorf("outer: %w", reqresp.Errorf(reqresp.CodeInvalidRequest, "inner")),
			reqresp.Error{Code: 1, Message: "inner"},
		},
		{
			"hidden cause", reqresp.Errorf(reqresp.CodeInvalidRequest, "no").WithCause(secret),
			reqresp.Error{Code: 1, Message: "no"},
		},
		{"application's code", reqresp.Errorf(139, "rate limited"), reqresp.Error{Code: 139, Message: "rate limited"}},
		{"plain error", secret, reqresp.Error{Code: 2}},
		{"another peer's verdict", &reqresp.Error{Code: 3, Message: "theirs", Remote: true}, reqresp.Error{Code: 2}},
		{"code zero", &reqresp.Error{Message: "success?"}, reqresp.Error{Code: 2}},
		{"context's error", context.Canceled, reqresp.Error{Code: 2}},
		{"end of file", io.EOF, reqresp.Error{Code: 2}},
	}
	simulate(t, func(t *testing.T, s *simulation) {
		var result error
		serve(t, s.Server, nil,
			echo.Serve(func(context.Context, peer.ID, *Text) (*Text, error) { return nil, result }),
			counter.Serve(func(_ context.Context, _ peer.ID, _ *Count, send func(*Text) error) error {
				_ = send(new(Text("chunk")))
				return result
			}))
		c := reqresp.NewClient(s.Client, nil)
		for _, tt := range tests {
			result = tt.result
			_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
			wantVerdict(t, tt.name, err, tt.want)

			chunks, err := collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(5))))
			wantVerdict(t, tt.name+" after a chunk", err, tt.want)
			chunks2, err := collect(counter.Call(t.Context(), c, s.Server.ID(), new(Count(1))))
			wantVerdict(t, tt.name+" after the last chunk", err, tt.want)
			if len(chunks) != 1 || len(chunks2) != 1 {
				t.Errorf("%s: got %d and %d chunks before the error, want 1", tt.name, len(chunks), len(chunks2))
			}
		}
	})
}

func TestPanicsAreHiddenAndLogged(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		log := new(logBuffer)
		serve(t, s.Server, &reqresp.ServerOptions{Logger: log.logger()}, echo.Serve(
			func(context.Context, peer.ID, *Text) (*Text, error) { panic("hunter2") }))
		_, err := echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("")))
		wantVerdict(t, "panic", err, reqresp.Error{Code: reqresp.CodeServerError})
		simtest.WaitFor(t, "the log", func() bool { return strings.Contains(log.String(), "hunter2") })
		if got := log.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "exchange_test.go") {
			t.Errorf("log lacks the level or the stack: %s", got)
		}
	})
}

func TestFailuresOfPeersAreLoggedAtDebug(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		log := new(logBuffer)
		serve(t, s.Server, &reqresp.ServerOptions{Logger: log.logger()}, echo.Serve(echoed))
		stream := openRaw(t, s.Client, s.Server, echo.Spec().Protocols()[0])
		if _, err := stream.Write([]byte{5, 'a'}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		_ = stream.Reset()
		simtest.WaitFor(t, "the log", func() bool { return log.String() != "" })
		if got := log.String(); !strings.Contains(got, "level=DEBUG") {
			t.Error(got)
		}
	})
}

func TestServerWithoutErrorCodecTellsCodeByReset(t *testing.T) {
	echo := reqresp.NewUnary[Text, Text](plain, "echo", 1)
	simulate(t, func(t *testing.T, s *simulation) {
		var result error
		serve(t, s.Server, nil,
			echo.Serve(func(_ context.Context, _ peer.ID, req *Text) (*Text, error) { return req, result }))
		c := reqresp.NewClient(s.Client, nil)
		if got, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello"))); err != nil || *got != "hello" {
			t.Errorf("got %v, %v", got, err)
		}
		for _, tt := range []struct {
			result error
			code   reqresp.Code
			reset  network.StreamErrorCode
		}{
			{errors.New("ours"), reqresp.CodeServerError, 0x10002},
			{reqresp.Errorf(reqresp.CodeInvalidRequest, "theirs"), reqresp.CodeInvalidRequest, network.StreamProtocolViolation},
			{reqresp.Errorf(reqresp.CodeResourceUnavailable, "lost"), reqresp.CodeResourceUnavailable, 0x10003},
			{reqresp.Errorf(255, "last"), 255, 0x100ff},
		} {
			result = tt.result
			_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("")))
			e, ok := errors.AsType[*reqresp.Error](err)
			if !ok || e.Code != tt.code || !e.Remote || e.Message != "" || !errors.Is(err, remoteReset(tt.reset)) {
				t.Errorf("%v: got %v (%T)", tt.result, err, err)
			}
		}
	})
}

func TestMiddlewareOrder(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		var order []string
		layer := func(name string) reqresp.Middleware {
			return func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
				return func(ctx context.Context, in *reqresp.Inbound) error {
					order = append(order, name)
					err := next(ctx, in)
					order = append(order, fmt.Sprintf("%s %d", name, in.Result().Chunks))
					return err
				}
			}
		}
		list := []reqresp.Middleware{layer("a"), layer("b")}
		serve(t, s.Server, &reqresp.ServerOptions{Middleware: list}, echo.Serve(
			func(_ context.Context, _ peer.ID, req *Text) (*Text, error) {
				order = append(order, "handler")
				return req, nil
			}))
		list[0] = layer("changed after the server was made")
		if _, err := echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))); err != nil {
			t.Fatal(err)
		}
		if want := []string{"a", "b", "handler", "b 1", "a 1"}; !slices.Equal(order, want) {
			t.Errorf("got %q, want %q", order, want)
		}
	})
}

func TestMiddlewareMayRefuseBeforeAnythingIsRead(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		var result error
		refuse := func(reqresp.HandlerFunc) reqresp.HandlerFunc {
			return func(context.Context, *reqresp.Inbound) error { return result }
		}
		serve(t, s.Server, &reqresp.ServerOptions{Middleware: []reqresp.Middleware{refuse}}, echo.Serve(echoed))
		c := reqresp.NewClient(s.Client, nil)
		for range 20 {
			result = reqresp.Errorf(reqresp.CodeResourceUnavailable, "not now")
			_, err := echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello")))
			wantVerdict(t, "refusal", err, reqresp.Error{Code: 3, Message: "not now"})
			result = nil
			_, err = echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello")))
			wantFailure(t, err, reqresp.PhaseResponse, reqresp.ErrViolation, reqresp.ErrNoResponse)
			result = fmt.Errorf("busy: %w", reqresp.ErrRefused)
			_, err = echo.Call(t.Context(), c, s.Server.ID(), new(Text("hello")))
			wantFailure(t, err, reqresp.PhaseFirstByte, remoteReset(network.StreamResourceLimitExceeded))
		}
	})
}

// A logBuffer keeps what is logged, of every level.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
