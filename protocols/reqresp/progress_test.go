package reqresp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const slowLink = 200_000 // bits per second

func TestMessagesThatKeepArrivingAreNotTimedOut(t *testing.T) {
	for _, size := range []int{100 << 10, 1 << 20, 9 << 20} {
		simulateAt(t, slowLink, func(t *testing.T, s *simulation) {
			serve(t, s.Server, nil, sized.Serve(sizes))
			s.Connect(t)
			start := time.Now()
			got, err := collect(sized.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Count(size))))
			if err != nil || len(got) != 1 || len(got[0]) != size {
				t.Errorf("chunk of %d KiB: got %d after %v, %v", size>>10, len(got), time.Since(start), err)
			}
			if least := time.Duration(size) * 8 * time.Second / slowLink; time.Since(start) < least {
				t.Errorf("%d KiB took %v: the link is not slow", size>>10, time.Since(start))
			}
		})
	}
	simulateAt(t, slowLink, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil,
			echo.Serve(func(context.Context, peer.ID, *Text) (*Text, error) { return new(Text("ok")), nil }))
		s.Connect(t)
		start := time.Now()
		if _, err := echo.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), text(1<<20-1)); err != nil {
			t.Errorf("request of 1 MiB after %v: %v", time.Since(start), err)
		}
		if time.Since(start) < 2*reqresp.DefaultProgressTimeout {
			t.Errorf("took %v: the link is not slow", time.Since(start))
		}
	})
}

// trickle writes a message in pieces, one after each pause, until writing fails or the test is over.
func trickle(t *testing.T, stream network.Stream, message []byte, piece int, pause time.Duration) {
	for len(message) > 0 {
		n := min(piece, len(message))
		if _, err := stream.Write(message[:n]); err != nil {
			return
		}
		if message = message[n:]; len(message) > 0 {
			sleep(t, pause)
		}
	}
	_ = stream.CloseWrite()
}

func sleep(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// message lays out a text of some bytes, as textCodec does.
func message(size int) []byte {
	return append(binary.AppendUvarint(nil, uint64(size)), make([]byte, size)...)
}

const floor = 16 << 10

var trickles = []struct {
	name  string
	piece int
	pause time.Duration
	after time.Duration // when it is timed out, zero if never
}{
	{"a byte now and then", 1, 9 * time.Second, reqresp.DefaultProgressTimeout},
	{
		"just below the floor", floor - 1, reqresp.DefaultProgressTimeout + 10*time.Millisecond,
		reqresp.DefaultProgressTimeout,
	},
	{"the floor", floor, reqresp.DefaultProgressTimeout - time.Second, 0},
	{"the floor in small pieces", floor / 8, reqresp.DefaultProgressTimeout/8 - 100*time.Millisecond, 0},
}

func TestResponsesBelowTheFloorAreTimedOut(t *testing.T) {
	const size = 10 * floor
	for _, tt := range trickles {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				serveRaw(t, s.Server, echo.Spec().Protocols()[0], func(stream network.Stream) {
					drain(stream)
					trickle(t, stream, append([]byte{0}, message(size)...), tt.piece, tt.pause)
				})
				s.Connect(t)
				// Between the first byte and the last there are up to 160 s.
				client := reqresp.NewClient(s.Client, nil).With(reqresp.CallOptions{Timeouts: reqresp.Timeouts{Total: time.Hour}})
				start := time.Now()
				got, err := echo.Call(t.Context(), client, s.Server.ID(), new(Text("")))
				if tt.after == 0 {
					if err != nil || len(*got) != size {
						t.Errorf("after %v: %v", time.Since(start), err)
					}
					return
				}
				wantFailure(t, err, reqresp.PhaseResponse, reqresp.ErrTimeout)
				if took := time.Since(start); took < tt.after || took > tt.after+time.Second {
					t.Errorf("timed out after %v, want %v", took, tt.after)
				}
			})
		})
	}
}

func TestRequestsBelowTheFloorAreTimedOut(t *testing.T) {
	const size = 10 * floor
	patient := reqresp.NewUnary[Text, Text](family,
		"patient", 1).WithLimits(reqresp.Limits{Timeouts: reqresp.Timeouts{Total: time.Hour}})
	for _, tt := range trickles {
		t.Run(tt.name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				done, trace := outcomes()
				serve(t, s.Server, &reqresp.ServerOptions{Trace: trace}, patient.Serve(
					func(context.Context, peer.ID, *Text) (*Text, error) { return new(Text("ok")), nil }))
				s.Connect(t)
				stream := openRaw(t, s.Client, s.Server, patient.Spec().Protocols()[0])
				start := time.Now()
				go trickle(t, stream, message(size), tt.piece, tt.pause)
				_, _ = io.ReadAll(stream)
				err := <-done
				if tt.after == 0 {
					if err != nil {
						t.Errorf("after %v: %v", time.Since(start), err)
					}
					return
				}
				if took := time.Since(start); !errors.Is(err, reqresp.ErrTimeout) || took < tt.after ||
					took > tt.after+time.Second {
					t.Errorf("%v after %v, want a timeout after %v", err, took, tt.after)
				}
			})
		})
	}
}

// TestFirstByteAfterATimeoutMayTakeLonger has a peer that answers the first request in part only, and those
// after it as late as what it has queued of that part would delay them.
func TestFirstByteAfterATimeoutMayTakeLonger(t *testing.T) {
	const wait = reqresp.DefaultFirstByteTimeout
	const late = time.Second
	steps := []struct {
		name   string
		answer time.Duration // when the first byte comes
		whole  bool
		after  time.Duration // when the call is timed out, zero if never
		phase  reqresp.Phase
	}{
		{"nothing for a first time", 2 * wait, true, wait, reqresp.PhaseFirstByte},
		{"nothing again", wait + late, true, wait, reqresp.PhaseFirstByte},
		{"half an answer", 0, false, reqresp.DefaultProgressTimeout, reqresp.PhaseResponse},
		{"behind it", 3 * wait, true, 2 * wait, reqresp.PhaseFirstByte},
		{"behind both", 4*wait - late, true, 0, 0},
		{"as before", wait + late, true, wait, reqresp.PhaseFirstByte},
		{"half an answer again", 0, false, reqresp.DefaultProgressTimeout, reqresp.PhaseResponse},
		{"behind that", 2*wait - late, true, 0, 0},
	}
	patient := reqresp.NewUnary[Text, Text](family,
		"patient", 1).WithLimits(reqresp.Limits{Timeouts: reqresp.Timeouts{Total: time.Hour}})
	simulate(t, func(t *testing.T, s *simulation) {
		next := make(chan int, 1)
		serveRaw(t, s.Server, patient.Spec().Protocols()[0], func(stream network.Stream) {
			step := steps[<-next]
			drain(stream)
			sleep(t, step.answer)
			answer := append([]byte{0}, message(100)...)
			if !step.whole {
				answer = answer[:50]
			}
			_, _ = stream.Write(answer)
			if step.whole {
				_ = stream.Close()
			}
		})
		s.Connect(t)
		client := reqresp.NewClient(s.Client, nil)
		for i, step := range steps {
			next <- i
			start := time.Now()
			_, err := patient.Call(t.Context(), client, s.Server.ID(), new(Text("")))
			took := time.Since(start)
			if step.after == 0 {
				if err != nil {
					t.Errorf("%s: %v after %v", step.name, err, took)
				}
				continue
			}
			wantFailure(t, err, step.phase, reqresp.ErrTimeout)
			if took < step.after || took > step.after+late/2 {
				t.Errorf("%s: timed out after %v, want %v", step.name, took, step.after)
			}
		}
	})
}

// A verdict on a request that was not read to its end reaches a caller who is still
// writing.
func TestAnswerToHalfARequest(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		large := reqresp.NewUnary[Text, Text](family, "large", 1).WithLimits(reqresp.Limits{MaxRequest: 8 << 20})
		refuse := func(reqresp.HandlerFunc) reqresp.HandlerFunc {
			return func(context.Context, *reqresp.Inbound) error {
				return reqresp.Errorf(reqresp.CodeResourceUnavailable, "not now")
			}
		}
		serve(t, s.Server, &reqresp.ServerOptions{Middleware: []reqresp.Middleware{refuse}}, large.Serve(echoed))
		s.Connect(t)
		c := reqresp.NewClient(s.Client, nil)
		for range 5 {
			_, err := large.Call(t.Context(), c, s.Server.ID(), new(Text(make([]byte, 8<<20))))
			wantVerdict(t, "refusal", err, reqresp.Error{Code: 3, Message: "not now"})
		}
	})
}

// Without an answer it is what it looks like.
func TestResetInTheMiddleOfTheRequest(t *testing.T) {
	large := reqresp.NewUnary[Text, Text](family, "stall", 1).WithLimits(reqresp.Limits{MaxRequest: 8 << 20})
	for name, end := range map[string]func(network.Stream) error{
		"reset": network.Stream.Reset,
		"reset with a code": func(stream network.Stream) error {
			return stream.ResetWithError(network.StreamGarbageCollected)
		},
		"stopped": network.Stream.CloseRead,
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T, s *simulation) {
				serveRaw(t, s.Server, stalledID, func(stream network.Stream) {
					time.Sleep(time.Second)
					_ = end(stream)
				})
				s.Connect(t)
				_, err := large.Call(t.Context(), reqresp.NewClient(s.Client, nil), s.Server.ID(), new(Text(make([]byte, 8<<20))))
				if name == "stopped" {
					wantFailure(t, err, reqresp.PhaseRequest, reqresp.ErrTimeout)
				} else {
					wantFailure(t, err, reqresp.PhaseRequest, network.ErrReset)
				}
			})
		})
	}
}
