package reqresp_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func TestMistakesAtSetupPanic(t *testing.T) {
	declare := func(f reqresp.Family, l reqresp.Limits, name string, versions ...int) func() {
		return func() { reqresp.NewUnary[Text, Text](f, name, versions...).WithLimits(l) }
	}
	simulate(t, func(t *testing.T, s *simulation) {
		srv := serve(t, s.Server, nil, echo.Serve(echoed))
		fresh := reqresp.NewServer(s.Server, nil)
		fresh.Register(echo.Serve(echoed))
		mistakes := map[string]func(){
			"no codec":             declare(reqresp.Family{Prefix: "/x"}, reqresp.Limits{}, "a", 1),
			"bad prefix":           declare(reqresp.Family{Prefix: "x", Codec: textCodec{}}, reqresp.Limits{}, "a", 1),
			"prefix with slash":    declare(reqresp.Family{Prefix: "/x/", Codec: textCodec{}}, reqresp.Limits{}, "a", 1),
			"no name":              declare(family, reqresp.Limits{}, "", 1),
			"no version":           declare(family, reqresp.Limits{}, "a"),
			"negative limit":       declare(family, reqresp.Limits{MaxRequest: -1}, "a", 1),
			"huge limit":           declare(family, reqresp.Limits{MaxResponse: math.MaxInt}, "a", 1),
			"negative timeout":     declare(family, reqresp.Limits{Timeouts: reqresp.Timeouts{Dial: -1}}, "a", 1),
			"negative concurrency": func() { reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxCallsPerPeer: -1}) },
			"negative streams":     func() { reqresp.NewServer(s.Client, &reqresp.ServerOptions{MaxStreams: -1}) },
			"negative memory":      func() { reqresp.NewServer(s.Client, &reqresp.ServerOptions{MaxMemory: -1}) },
			"registered already":   func() { srv.Register(echo.Serve(echoed)) },
			"no protocol ID":       func() { echo.WithProtocols() },
			"empty protocol ID":    func() { echo.WithProtocols("/a", "") },
			"negative queue":       func() { reqresp.NewClient(s.Client, &reqresp.ClientOptions{MaxQueued: -1}) },
			"negative call timeout": func() {
				reqresp.NewClient(s.Client, nil).With(reqresp.CallOptions{Timeouts: reqresp.Timeouts{Total: -1}})
			},
			"negative items": func() { reqresp.NewClient(s.Client, nil).With(reqresp.CallOptions{Items: -1}) },
			"register twice": func() { fresh.Register(echo.Serve(echoed)) },
			"no spec":        func() { fresh.Register(reqresp.Handler{Serve: received}) },
			"no handler":     func() { fresh.Register(reqresp.Handler{Spec: counter.Spec()}) },
			"nil unary":      func() { fresh.Register(reqresp.NewUnary[Text, Text](family, "a", 1).Serve(nil)) },
			"nil stream":     func() { fresh.Register(counter.Serve(nil)) },
			"nil one-way":    func() { fresh.Register(reqresp.NewOneWay[Text](family, "a", 1).Serve(nil)) },
		}
		for name, mistake := range mistakes {
			wantPanic(t, name, mistake)
		}
	})
}

// Who is to mend a setting is told which it is, and what it may be.
func TestSettingsOutsideTheirRangeAreNamed(t *testing.T) {
	declare := func(l reqresp.Limits) func() {
		return func() { reqresp.NewUnary[Text, Text](family, "a", 1).WithLimits(l) }
	}
	for want, mistake := range map[string]func(){
		"ServerOptions.MaxStreamsPerConn is -2: want at least 1, or 0 for the default": func() {
			reqresp.NewServer(nil, &reqresp.ServerOptions{MaxStreamsPerConn: -2})
		},
		"ClientOptions.MaxQueued is -3: want at least 1, or 0 for the default": func() {
			reqresp.NewClient(nil, &reqresp.ClientOptions{MaxQueued: -3})
		},
		`protocol "a": Limits.MaxChunks is -5: want 1 to 2147483647, or 0 for the default`: declare(reqresp.Limits{MaxChunks: -5}),
		`protocol "a": Timeouts.Total is -6s: want more than 0, or 0 for the default`: declare(reqresp.Limits{
			Timeouts: reqresp.Timeouts{Total: -6 * time.Second},
		}),
		"CallOptions.Items is -7: want at least 1, or 0 for 1": func() {
			new(reqresp.Client).With(reqresp.CallOptions{Items: -7})
		},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); strings.TrimPrefix(got, "reqresp: ") != want {
					t.Errorf("got %v, want %q", got, want)
				}
			}()
			mistake()
		}()
	}
}

func TestErrorKeepsWhatItWraps(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	one := reqresp.Errorf(reqresp.CodeServerError, "one: %w", a)
	two := reqresp.Errorf(reqresp.CodeServerError, "two: %w, %w", a, b)
	if !errors.Is(one, a) || !errors.Is(two, a) || !errors.Is(two, b) || errors.Unwrap(reqresp.Errorf(2, "none")) != nil {
		t.Error("causes are lost or made up")
	}
	if c := two.WithCause(b); errors.Is(c, a) || !errors.Is(two, a) || c.Message != two.Message {
		t.Error("WithCause changed its receiver, or not its copy")
	}
	for want, err := range map[string]error{
		"reqresp: server error: one: a":                  one,
		"reqresp: code 200: no (hidden)":                 reqresp.Errorf(200, "no").WithCause(errors.New("hidden")),
		`reqresp: peer answered invalid request: "\x00"`: &reqresp.Error{Code: 1, Message: "\x00", Remote: true},
		"reqresp: peer answered server error":            &reqresp.Error{Code: 2, Remote: true},
		"reqresp: /x with 1 failed in phase dial: no": &reqresp.Failure{
			Peer: "\x00", Protocol: "/x",
			Phase: reqresp.PhaseDial, Err: errors.New("no"),
		},
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestExchangeAfterClose(t *testing.T) {
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		c := reqresp.NewClient(s.Client, nil)
		out, err := c.Open(t.Context(), s.Server.ID(), echo.Spec())
		if err != nil {
			t.Fatal(err)
		}
		out.Close()
		out.Close()
		wantFailure(t, out.Send(new(Text(""))), reqresp.PhaseResponse, reqresp.ErrClosed)
		wantFailure(t, out.Receive(new(Text)), reqresp.PhaseResponse, reqresp.ErrClosed)
	})
}

// Steps that are out of turn fail at once, and leave the exchange as it was.
func TestExchangeOutOfTurn(t *testing.T) {
	other := reqresp.NewUnary[Text, Text](family, "other", 1)
	simulate(t, func(t *testing.T, s *simulation) {
		serve(t, s.Server, nil, echo.Serve(echoed))
		out, err := reqresp.NewClient(s.Client, nil).Open(t.Context(), s.Server.ID(), echo.Spec())
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		start := time.Now()
		wantFailure(t, out.Receive(new(Text)), reqresp.PhaseRequest)
		_, err = other.Exchange(out, new(Text("no")))
		wantFailure(t, err, reqresp.PhaseRequest)
		if d := time.Since(start); d != 0 {
			t.Errorf("mistakes were found after %v", d)
		}
		if err := out.Send(new(Text("yes"))); err != nil {
			t.Fatal(err)
		}
		wantFailure(t, out.Send(new(Text("again"))), reqresp.PhaseRequest)
		var got Text
		if err := out.Receive(&got); err != nil || got != "yes" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestNamesOfUnknownValues(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"phase(99)": reqresp.Phase(99), "kind(99)": reqresp.Kind(99), "code 99": reqresp.Code(99),
		"first byte": reqresp.PhaseFirstByte, "stream": reqresp.KindStream,
		"resource unavailable": reqresp.CodeResourceUnavailable,
	} {
		if got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
