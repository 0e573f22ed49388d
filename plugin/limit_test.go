package plugin_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/plugin"
)

// A service says at its start which limits make requesters wait at the floor.
func TestLowLimitsAreLogged(t *testing.T) {
	t.Parallel()
	low := limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: time.Minute, Burst: 1}}}
	for methods, want := range map[string]string{
		"":     "",
		"ping": "methods.ping.peer.requests: 1/1m0s+1 refills a request in 1m0s",
	} {
		var log bytes.Buffer
		cfg := devConfig()
		cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		if methods != "" {
			cfg.Limits = &limits.Options{Config: limits.Config{Methods: map[string]limits.Method{methods: low}}}
		}
		service, err := plugin.NewStandalone(t.TempDir(), nil, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := service.Start(); err != nil {
			t.Fatal(err)
		}
		if err := service.Stop(); err != nil {
			t.Error(err)
		}
		if text := log.String(); !strings.Contains(text, want) || strings.Contains(text, "refills") != (want != "") {
			t.Errorf("logged %q, want %q", text, want)
		}
	}
}
