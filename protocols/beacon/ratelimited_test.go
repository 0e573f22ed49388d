package beacon_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

func remote(code reqresp.Code, message string) error {
	return &reqresp.Error{Code: code, Message: message, Remote: true}
}

func TestIsRateLimited(t *testing.T) {
	t.Parallel()
	reset := func(code network.StreamErrorCode, remote bool) error {
		return &network.StreamError{ErrorCode: code, Remote: remote}
	}
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{
			"Lighthouse, too many at once",
			remote(139, "Rate limited. There are already 2 active requests with the same protocol"), true,
		},
		{"Lighthouse, too large", remote(139, "Rate limited. Request too large"), true},
		{"Lighthouse, too soon", remote(139, "Wait 2.8s"), true},
		{"139 without text", remote(139, ""), true},
		{"139 with any text", remote(139, "slow down"), true},
		{"Prysm", remote(1, "rate limited"), true},
		{"Teku", remote(1, "Peer has been rate limited"), true},
		{"Lodestar", remote(2, "REQUEST_ERROR_RATE_LIMITED"), true},
		{"older Lighthouse with code 1", remote(1, "Wait 416.666µs"), true},
		{"reset for rate", reset(network.StreamRateLimited, true), true},
		{"reset for resources", reset(network.StreamResourceLimitExceeded, true), true},
		{"reset within a failure", &reqresp.Failure{Err: reset(network.StreamRateLimited, true)}, true},
		{"verdict within an error", fmt.Errorf("status handshake: %w", remote(1, "rate limited")), true},

		{"nothing", nil, false},
		{"Caplin, which says nothing", remote(1, "\x00"), false},
		{"invalid request", remote(1, "invalid range, step or count"), false},
		{"server error", remote(2, "server error"), false},
		{"unavailable", remote(3, "blocks are not available"), false},
		{"wait within a text", remote(1, "cannot wait for it"), false},
		{"Waiting", remote(2, "Waiting for the database"), false},
		{"own verdict", reqresp.Errorf(1, "rate limited"), false},
		{"own code", reqresp.Errorf(139, "Wait 1s"), false},
		{"own reset", reset(network.StreamRateLimited, false), false},
		{"own resources", reset(network.StreamResourceLimitExceeded, false), false},
		{"reset for a violation", reset(network.StreamProtocolViolation, true), false},
		{"reset without a code", network.ErrReset, false},
		{"timeout", reqresp.ErrTimeout, false},
		{"cancelled", context.Canceled, false},
		{"text alone", errors.New("rate limited"), false},
	}
	for _, tt := range tests {
		if got := beacon.IsRateLimited(tt.err); got != tt.want {
			t.Errorf("%s: got %v for %v", tt.name, got, tt.err)
		}
	}
}

func TestRateLimitsAreRecognisedOnTheWire(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		c := newClient(client)
		answerRaw(t, server, idByRange, func([]byte) []byte { return join(chunks(60), result(1, []byte("rate limited"))) })
		if blocks, err := askByRange(t, c, server); len(blocks) != 1 || !beacon.IsRateLimited(err) {
			t.Errorf("got %d blocks, %v", len(blocks), err)
		}
		server.SetStreamHandler(idByRange, func(stream network.Stream) {
			_ = stream.ResetWithError(network.StreamRateLimited)
		})
		if _, err := askByRange(t, c, server); !beacon.IsRateLimited(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRefusalsAreRecognised(t *testing.T) {
	simulate(t, func(t *testing.T, client, server host.Host) {
		serve(t, server, devChain(), beacon.ServerOptions{Middleware: []reqresp.Middleware{
			func(reqresp.HandlerFunc) reqresp.HandlerFunc {
				return func(context.Context, *reqresp.Inbound) error { return reqresp.ErrRefused }
			},
		}})
		if _, err := askByRange(t, newClient(client), server); !beacon.IsRateLimited(err) ||
			errors.Is(err, reqresp.ErrViolation) {
			t.Errorf("got %v", err)
		}
	})
}
