package reqresp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A ledger is a pacer that writes down what it is asked.
type ledger struct {
	admit   func(context.Context) error // nil admits
	reserve func(context.Context) error // nil lets go on

	mu      sync.Mutex
	entries []string
}

func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, fmt.Sprintf(format, args...))
}

func (l *ledger) Admit(ctx context.Context, _ peer.ID, spec *reqresp.Spec) (reqresp.Admission, error) {
	if l.admit != nil {
		if err := l.admit(ctx); err != nil {
			return nil, err
		}
	}
	l.note("admit %s", spec.Name())
	return l, nil
}

func (l *ledger) Refused(_ peer.ID, spec *reqresp.Spec) { l.note("refused %s", spec.Name()) }

func (l *ledger) Reserve(ctx context.Context, c reqresp.Cost) error {
	if l.reserve != nil {
		if err := l.reserve(ctx); err != nil {
			return err
		}
	}
	l.note("reserve %d/%d", c.Items, c.Bytes)
	return nil
}

func (l *ledger) Settle(c reqresp.Cost) { l.note("settle %d/%d", c.Items, c.Bytes) }
func (l *ledger) Release()              { l.note("release") }

func waits(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// paced is a stream whose handler the tests write.
var paced = reqresp.NewStream[Text, Text](family, "paced", 1)

func handles(h func(ctx context.Context, in *reqresp.Inbound) error) reqresp.Handler {
	return reqresp.Handler{Spec: paced.Spec(), Serve: h}
}

// filled appends a chunk of five bytes and notes when.
func filled(l *ledger) func([]byte) ([]byte, error) {
	return func(dst []byte) ([]byte, error) {
		l.note("fill")
		return append(dst, "\x00\x03abc"...), nil
	}
}

func TestWhatThePacerIsTold(t *testing.T) {
	errFill := errors.New("no such block")
	tests := []struct {
		name    string
		serve   func(ctx context.Context, in *reqresp.Inbound, l *ledger) error
		want    []string
		verdict bool
	}{
		{"reserved by send", func(ctx context.Context, in *reqresp.Inbound, l *ledger) error {
			return errors.Join(in.SendAppend(ctx, 0, filled(l)), in.Send(ctx, new(Text("abcdef"))))
		}, []string{"reserve 1/0", "fill", "settle 1/5", "reserve 1/0", "settle 1/8"}, false},
		{"reserved by the handler", func(ctx context.Context, in *reqresp.Inbound, l *ledger) error {
			return errors.Join(in.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 9}), in.SendAppend(ctx, 0, filled(l)))
		}, []string{"reserve 1/9", "fill", "settle 1/5"}, false},
		{"reserved and skipped", func(ctx context.Context, in *reqresp.Inbound, l *ledger) error {
			return errors.Join(in.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 9}),
				in.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 7}), in.SendAppend(ctx, 0, filled(l)))
		}, []string{"reserve 1/9", "settle 0/0", "reserve 1/7", "fill", "settle 1/5"}, false},
		{"reserved and not used", func(ctx context.Context, in *reqresp.Inbound, _ *ledger) error {
			return in.Reserve(ctx, reqresp.Cost{Items: 1})
		}, []string{"reserve 1/0", "settle 0/0"}, false},
		{"nothing sent", func(context.Context, *reqresp.Inbound, *ledger) error { return nil }, nil, false},
		{"verdict", func(context.Context, *reqresp.Inbound, *ledger) error { return errFill }, nil, true},
		{"fill fails", func(ctx context.Context, in *reqresp.Inbound, _ *ledger) error {
			err := in.SendAppend(ctx, 0, func([]byte) ([]byte, error) { return nil, errFill })
			if err != errFill {
				t.Errorf("got %v, want fill's own error", err)
			}
			return err
		}, []string{"reserve 1/0", "settle 0/0"}, true},
		{"fill panics", func(ctx context.Context, in *reqresp.Inbound, _ *ledger) error {
			return in.SendAppend(ctx, 0, func([]byte) ([]byte, error) { panic("broken store") })
		}, []string{"reserve 1/0", "settle 0/0"}, true},
		{"handler panics", func(ctx context.Context, in *reqresp.Inbound, _ *ledger) error {
			_ = in.Reserve(ctx, reqresp.Cost{Items: 2})
			panic("broken handler")
		}, []string{"reserve 2/0", "settle 0/0"}, true},
		{"fetched and not sent", func(ctx context.Context, in *reqresp.Inbound, l *ledger) error {
			return errors.Join(in.Fetch(ctx, 9, filled(l)), in.SendAppend(ctx, 0, filled(l)))
		}, []string{"reserve 0/9", "fill", "settle 0/5", "reserve 1/0", "fill", "settle 1/5"}, false},
		{"reserved before a fetch", func(ctx context.Context, in *reqresp.Inbound, l *ledger) error {
			return errors.Join(in.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: 7}), in.Fetch(ctx, 9, filled(l)))
		}, []string{"reserve 1/7", "settle 0/0", "reserve 0/9", "fill", "settle 0/5"}, false},
		{"fetch fails", func(ctx context.Context, in *reqresp.Inbound, _ *ledger) error {
			err := in.Fetch(ctx, 9, func([]byte) ([]byte, error) { return nil, errFill })
			if err != errFill {
				t.Errorf("got %v, want fill's own error", err)
			}
			return err
		}, []string{"reserve 0/9", "settle 0/0"}, true},
		{"received twice", func(ctx context.Context, in *reqresp.Inbound, _ *ledger) error {
			return in.Receive(ctx, new(Text))
		}, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				l := new(ledger)
				srv := serve(t, s.Server, &reqresp.ServerOptions{Limiter: l},
					handles(func(ctx context.Context, in *reqresp.Inbound) error {
						if err := in.Receive(ctx, new(Text)); err != nil {
							return err
						}
						return tt.serve(ctx, in, l)
					}))
				_, err := collect(paced.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))))
				if e, ok := errors.AsType[*reqresp.Error](err); ok != tt.verdict || (ok && e.Message != "") {
					t.Errorf("caller got %v", err)
				}
				if err := srv.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
				want := slices.Concat([]string{"admit paced"}, tt.want, []string{"release"})
				if !slices.Equal(l.entries, want) {
					t.Errorf("got  %q\nwant %q", l.entries, want)
				}
			})
		})
	}
}

func TestSettlesWhatWasWrittenOfACutOffChunk(t *testing.T) {
	limits := reqresp.Limits{Timeouts: reqresp.Timeouts{Write: 3 * time.Second}}
	spec := reqresp.NewStream[Text, Text](family, "paced", 1).WithLimits(limits).Spec()
	simulate(t, func(t *testing.T, s *simulation) {
		l := new(ledger)
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: l},
			reqresp.Handler{Spec: spec, Serve: func(ctx context.Context, in *reqresp.Inbound) error {
				if err := in.Receive(ctx, new(Text)); err != nil {
					return err
				}
				start := time.Now()
				err := in.Send(ctx, new(Text(make([]byte, 1000<<10))))
				if !errors.Is(err, reqresp.ErrTimeout) || time.Since(start) != 6*time.Second {
					t.Errorf("a peer that does not read: %v after %v, want a timeout after 3s in which its window filled and 3s more",
						err, time.Since(start))
				}
				// Nothing may follow half a chunk, and the handler's verdict must not either.
				if again := in.Send(ctx, new(Text("next"))); !errors.Is(again, reqresp.ErrTimeout) {
					t.Errorf("the next send: %v, want the first one's error", again)
				}
				if n := in.Result().ResponseBytes; n == 0 || n >= 1000<<10 {
					t.Errorf("%d bytes sent, want a part of the chunk", n)
				}
				l.note("sent 1/%d", in.Result().ResponseBytes)
				return nil
			}})
		s.Connect(t)
		stream := openRaw(t, s.Client, s.Server, spec.Protocols()[0])
		_, _ = stream.Write([]byte{0})
		_ = stream.CloseWrite()
		time.Sleep(time.Minute)
		if _, err := stream.Read(make([]byte, 1<<20)); !errors.Is(err, remoteReset(network.StreamGarbageCollected)) {
			t.Errorf("peer sees %v, want a reset", err)
		}
		if len(l.entries) != 5 || l.entries[2][len("settle "):] != l.entries[3][len("sent "):] {
			t.Errorf("settled otherwise than sent: %q", l.entries)
		}
	})
}

func TestNothingIsAllowedBeforeReceive(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		l := new(ledger)
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: l}, handles(func(ctx context.Context, in *reqresp.Inbound) error {
			if in.Reserve(ctx, reqresp.Cost{}) == nil || in.Send(ctx, new(Text(""))) == nil {
				t.Error("reserved or sent before the request was received")
			}
			return nil
		}))
		_, _ = collect(paced.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))))
		if len(l.entries) != 0 {
			t.Errorf("pacer was told %q", l.entries)
		}
	})
}

func TestRefusedExchangeIsReset(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		l := &ledger{admit: func(context.Context) error { return fmt.Errorf("queue is full: %w", reqresp.ErrRefused) }}
		seen := make(chan error, 1)
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: l}, handles(func(ctx context.Context, in *reqresp.Inbound) error {
			err := in.Receive(ctx, new(Text))
			seen <- err
			return err
		}))
		_, err := collect(paced.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))))
		wantFailure(t, err, reqresp.PhaseFirstByte, remoteReset(network.StreamResourceLimitExceeded))
		if err := <-seen; !errors.Is(err, reqresp.ErrRefused) {
			t.Errorf("handler got %v, want ErrRefused", err)
		}
		if len(l.entries) != 0 {
			t.Errorf("an exchange that was not admitted: %q", l.entries)
		}
	})
}

func TestPacerIsToldOfStreamsRefusedUnread(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		l := &ledger{admit: waits}
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: l, MaxStreamsPerPeer: 1}, handles(received))
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go collect(paced.Call(ctx, c, s.Server.ID(), new(Text(""))))
		time.Sleep(time.Second)
		_, err := collect(paced.Call(ctx, c, s.Server.ID(), new(Text(""))))
		wantFailure(t, err, reqresp.PhaseFirstByte, remoteReset(network.StreamResourceLimitExceeded))
		if want := []string{"refused paced"}; !slices.Equal(l.entries, want) {
			t.Errorf("pacer was told %q, want %q", l.entries, want)
		}
	})
}

func TestMalformedRequestIsNotAdmitted(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		l := new(ledger)
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: l}, handles(received))
		s.Connect(t)
		stream := openRaw(t, s.Client, s.Server, paced.Spec().Protocols()[0])
		_, _ = stream.Write([]byte{5, 'x'})
		_ = stream.CloseWrite()
		drain(stream)
		if len(l.entries) != 0 {
			t.Errorf("pacer was told %q", l.entries)
		}
	})
}

func TestTotalTimeoutEndsWaitsForThePacer(t *testing.T) {
	limits := reqresp.Limits{Timeouts: reqresp.Timeouts{Total: 5 * time.Second}}
	stalled := reqresp.NewStream[Text, Text](family, "paced", 1).WithLimits(limits)
	for name, l := range map[string]*ledger{"admit": {admit: waits}, "reserve": {reserve: waits}} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				seen := make(chan time.Duration, 1)
				var cause error
				timed := func(next reqresp.HandlerFunc) reqresp.HandlerFunc {
					return func(ctx context.Context, in *reqresp.Inbound) error {
						start := time.Now()
						err := next(ctx, in)
						cause = context.Cause(ctx)
						seen <- time.Since(start)
						return err
					}
				}
				serve(t, s.Server, &reqresp.ServerOptions{Limiter: l, Middleware: []reqresp.Middleware{timed}},
					stalled.Serve(func(_ context.Context, _ peer.ID, _ *Text, send func(*Text) error) error {
						return send(new(Text("")))
					}))
				_, err := collect(paced.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(""))))
				wantFailure(t, err, reqresp.PhaseFirstByte, remoteReset(network.StreamGarbageCollected))
				if took := <-seen; took != 5*time.Second || !errors.Is(cause, reqresp.ErrTimeout) {
					t.Errorf("waited %v, cause %v, want 5s and ErrTimeout", took, cause)
				}
			})
		})
	}
}

// A doorkeeper is a pacer that decides who is served, and paces nobody.
type doorkeeper struct{ err error }

func (d doorkeeper) Admit(context.Context, peer.ID, *reqresp.Spec) (reqresp.Admission, error) {
	return nil, d.err
}
func (doorkeeper) Refused(peer.ID, *reqresp.Spec) {}

func TestPacerThatOnlyAdmits(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: doorkeeper{}}, echo.Serve(echoed))
		got, err := echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("hello")))
		if err != nil || *got != "hello" {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

// Who is kept out is told why, if that is meant for peers.
func TestPacerThatKeepsOut(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		keeper := doorkeeper{reqresp.Errorf(77, "members only")}
		serve(t, s.Server, &reqresp.ServerOptions{Limiter: keeper}, echo.Serve(echoed))
		_, err := echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text("hello")))
		if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != 77 || e.Message != "members only" {
			t.Errorf("got %v", err)
		}
	})
}
