package plugin_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func builtIn(t *testing.T, name string) *ssz.BuiltIn {
	t.Helper()
	b, err := ssz.BuiltInNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withoutGloas is sepolia as it was before it had scheduled Gloas.
func withoutGloas(t *testing.T) *store.Network {
	t.Helper()
	n := store.BuiltIn(builtIn(t, "sepolia"))
	before, after, ok := strings.Cut(n.Config, "GLOAS_FORK_VERSION: 0x90000076\nGLOAS_FORK_EPOCH: 353024\n")
	if !ok {
		t.Fatal("sepolia has no Gloas")
	}
	n.Config = before + after
	return &n
}

// serviceOn makes a service with its files in a directory: on a node, or without one.
type serviceOn func(t *testing.T, dir string, cfg plugin.Config) (s *plugin.Service, start, stop func() error)

var servicesOn = map[string]serviceOn{
	"a node": func(t *testing.T, dir string, cfg plugin.Config) (*plugin.Service, func() error, func() error) {
		stack := newNode(t, nodeConfig(dir))
		s, err := plugin.New(stack, nil, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s, stack.Start, stack.Close
	},
	"no node": func(t *testing.T, dir string, cfg plugin.Config) (*plugin.Service, func() error, func() error) {
		s, err := plugin.NewStandalone(dir, nil, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Stop() })
		return s, s.Start, s.Stop
	},
}

// A store that was made before a fork was scheduled is served with the digest of that fork.
func TestOldStoresAreServedWithTodaysSchedule(t *testing.T) {
	now := builtIn(t, "sepolia").Network().TimeAt(353024*32 + 5)
	const dead, alive = "0x74d01459", "0x669e6c11"
	for name, on := range servicesOn {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			run := func(genesis *store.Network, digest string, logged, silent string) {
				t.Helper()
				var log bytes.Buffer
				s, start, stop := on(t, dir, plugin.Config{
					Genesis: genesis, Listen: loopback, Now: func() time.Time { return now },
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				if err := start(); err != nil {
					t.Fatal(err)
				}
				status, err := s.Server().Status(t.Context())
				if err != nil || status.ForkDigest.String() != digest {
					t.Errorf("fork digest %v, error %v, want %s", status.ForkDigest, err, digest)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
				if !strings.Contains(log.String(), logged) || silent != "" && strings.Contains(log.String(), silent) {
					t.Errorf("log %s, want %q and not %q", log.String(), logged, silent)
				}
			}
			const change = `GLOAS_FORK_EPOCH is 353024, was not scheduled`
			run(withoutGloas(t), dead, `level=WARN msg="the network's schedule lacks what the one that is built in has`,
				"another schedule")
			run(nil, alive, `msg="the store's network has another schedule now" module=service changes="`+change+`"`,
				"level=WARN")
			run(nil, alive, "", change) // It is remembered.
		})
	}
}

// A schedule that differs in what has been is refused by name and value.
func TestAnotherPastIsRefused(t *testing.T) {
	for name, on := range servicesOn {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, start, stop := on(t, dir, devConfig())
			if err := start(); err != nil {
				t.Fatal(err)
			}
			fill(t, s.Store())
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			cfg := devConfig()
			cfg.Genesis.Config = strings.Replace(devchain.Config(), "FULU_FORK_EPOCH: 2", "FULU_FORK_EPOCH: 3", 1)
			_, start, _ = on(t, dir, cfg)
			err := start()
			if _, ok := errors.AsType[*store.NetworkError](err); !ok ||
				!strings.Contains(err.Error(), "FULU_FORK_EPOCH is 3, was 2") {
				t.Errorf("error %v, want a NetworkError with both values", err)
			}
		})
	}
}

// What is wrong with the schedule of a built-in network is said when a service starts.
func TestOldSchedulesAreSaid(t *testing.T) {
	mainnet, holesky := builtIn(t, "mainnet"), builtIn(t, "holesky")
	genesis := func(b *ssz.BuiltIn, comment string) *store.Network {
		n := store.BuiltIn(b)
		n.Config += comment
		return &n
	}
	older, err := withoutGloas(t).Parse()
	if err != nil {
		t.Fatal(err)
	}
	cfg := builtIn(t, "sepolia").Network().Config()
	cfg.BlobSchedule = append(cfg.BlobSchedule, ssz.BlobParameters{Epoch: 300000, MaxBlobsPerBlock: 30}) // before Gloas
	newer, err := ssz.NewNetwork(cfg, older.GenesisTime(), older.GenesisValidatorsRoot())
	if err != nil {
		t.Fatal(err)
	}
	const age, retired, behind = "the built-in schedule is old", "the network has been shut down",
		"lacks what the one that is built in has"
	after := func(b *ssz.BuiltIn, months int) time.Time { return b.Date.AddDate(0, months, 1) }
	for name, test := range map[string]struct {
		cfg  plugin.Config
		now  time.Time
		want string // nothing is said if it is empty
	}{
		"after five months":               {plugin.Config{Genesis: genesis(mainnet, "")}, after(mainnet, 5), ""},
		"after six months":                {plugin.Config{Genesis: genesis(mainnet, "")}, after(mainnet, 6), age},
		"a configuration of one's own":    {plugin.Config{Genesis: genesis(mainnet, "# of today")}, after(mainnet, 60), ""},
		"a chain of one's own":            {plugin.Config{Network: mainnet.Network()}, after(mainnet, 6), age},
		"a schedule that knows more":      {plugin.Config{Network: newer}, after(mainnet, 0), ""},
		"a retired network":               {plugin.Config{Genesis: genesis(holesky, "")}, after(mainnet, 0), retired},
		"a chain with an older schedule":  {plugin.Config{Network: older}, after(mainnet, 0), behind},
		"a network that is not built in":  {plugin.Config{Genesis: devGenesis()}, after(mainnet, 60), ""},
		"an older schedule that is given": {plugin.Config{Genesis: withoutGloas(t)}, after(mainnet, 0), behind},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			cfg := test.cfg
			cfg.Listen, cfg.Now = loopback, func() time.Time { return test.now }
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			var s *plugin.Service
			var err error
			if cfg.Network != nil {
				s, err = plugin.NewStandalone("", emptyChain{}, cfg)
			} else {
				s, err = plugin.NewStandalone("", nil, cfg)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
			if got := strings.TrimSpace(log.String()); !strings.Contains(got, test.want) || test.want == "" && got != "" ||
				strings.Contains(got, "\n") {
				t.Errorf("log %q, want %q", got, test.want)
			}
		})
	}
}
