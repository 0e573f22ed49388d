package plugin_test

import (
	"bytes"
	"cmp"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
)

// A service says at its start which limits make requesters wait at the floor.
func TestLowLimitsAreLogged(t *testing.T) {
	t.Parallel()
	low := limits.Method{Peer: limits.Quota{Requests: limits.Rate{N: 1, Per: time.Minute, Burst: 1}}}
	for methods, want := range map[string]string{
		"":     "",
		"ping": "methods.ping.peer.requests: 1/m refills a request in 1m0s",
	} {
		var log bytes.Buffer
		cfg := devConfig()
		cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		if methods != "" {
			cfg.Limits = limits.Config{Methods: map[string]limits.Method{methods: low}}
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

// Limits that are set are merged over the preset, and change no others.
func TestLimitsAreMergedOverThePreset(t *testing.T) {
	t.Parallel()
	rate := limits.Rate{N: 1, Per: time.Second, Burst: 1}
	for _, preset := range []string{"", config.Home, config.None} {
		want, err := config.Preset(cmp.Or(preset, config.Default))
		if err != nil {
			t.Fatal(err)
		}
		cfg := devConfig()
		cfg.Preset = preset
		cfg.Limits.Methods = map[string]limits.Method{"status": {Peer: limits.Quota{Requests: rate}}}
		service, err := plugin.NewStandalone("", nil, cfg)
		if err != nil {
			t.Fatal(err)
		}
		got := service.Limiter().Config()
		status := want.Limits.Method("status")
		status.Peer.Requests = rate
		if want.Limits.Methods["status"] = status; !reflect.DeepEqual(got, want.Limits) {
			t.Errorf("%q: limits %+v\nwant %+v", preset, got, want.Limits)
		}
	}
}

// A limit of a method can be set whatever the configuration says of methods.
func TestLimitIsSetWhereNoMethodHasOne(t *testing.T) {
	t.Parallel()
	service := standalone(t, "", devConfig())
	if err := service.Limiter().Apply(limits.Config{MaxConcurrent: 3}); err != nil {
		t.Fatal(err)
	}
	var want limits.Rate
	if err := want.UnmarshalText([]byte("7/s")); err != nil {
		t.Fatal(err)
	}
	for _, a := range service.APIs() {
		if admin, ok := a.Service.(*plugin.AdminAPI); ok {
			if got, err := admin.SetLimit("status", api.LimitChange{Requests: &want}); err != nil || got.Requests != want {
				t.Errorf("the limit is %v, %v, want %v", got, err, want)
			}
		}
	}
	got := service.Limiter().Config()
	if n := got.Methods["status"].Peer.Requests.N; n != 7 || got.MaxConcurrent != 3 {
		t.Errorf("%d requests and %d at a time, want 7 and 3", n, got.MaxConcurrent)
	}
}
