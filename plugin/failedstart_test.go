package plugin_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// inTheWay puts a file where a service wants to have something else.
func inTheWay(t *testing.T, path string) (undo func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() { os.Remove(path) }
}

// labelled runs f, and returns how to count the goroutines that come of it, whatever else goes on in the process.
// Pebble leaves one behind, of the watch over its disk, when it cannot open a database: that is not ours.
func labelled(t *testing.T, f func(context.Context)) (count func() int) {
	t.Helper()
	pprof.Do(t.Context(), pprof.Labels("test", t.Name()), f)
	return func() int {
		var profile strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		n := 0
		for stack := range strings.SplitSeq(profile.String(), "\n\n") {
			if strings.Contains(stack, strconv.Quote(t.Name())) && !strings.Contains(stack, "diskHealthCheckingFS") {
				n++
			}
		}
		return n
	}
}

// Wherever a start fails, it says why and leaves nothing open: once the cause is gone, the same service starts.
func TestAStartThatFailsIsUndone(t *testing.T) {
	for _, test := range []struct {
		name string
		// spoil has the start fail, and returns what makes up for that and what the error names.
		spoil func(t *testing.T, dir string, cfg *plugin.Config) (undo func(), want string)
	}{
		{"the directory is a file", func(t *testing.T, dir string, _ *plugin.Config) (func(), string) {
			return inTheWay(t, dir), dir
		}},
		{"the directory is in use", func(t *testing.T, dir string, _ *plugin.Config) (func(), string) {
			other := startStandalone(t, dir, devConfig())
			return func() { _ = other.Stop() }, "in use by another service"
		}},
		{"scores are unreadable", func(t *testing.T, dir string, _ *plugin.Config) (func(), string) {
			path := filepath.Join(dir, "reqresp-scores.json")
			return inTheWay(t, path), path
		}},
		{"the store is no database", func(t *testing.T, dir string, _ *plugin.Config) (func(), string) {
			path := filepath.Join(dir, "beaconchain")
			return inTheWay(t, path), path
		}},
		{"the store is of another network", func(t *testing.T, dir string, cfg *plugin.Config) (func(), string) {
			full := startStandalone(t, dir, devConfig())
			fill(t, full.Store())
			if err := full.Stop(); err != nil {
				t.Fatal(err)
			}
			cfg.Genesis.GenesisValidatorsRoot = ssz.Root{1}
			return func() { os.RemoveAll(dir) }, "network"
		}},
		{"the identity is unreadable", func(t *testing.T, dir string, _ *plugin.Config) (func(), string) {
			path := filepath.Join(dir, "reqresp-nodekey")
			return inTheWay(t, path), path
		}},
		{"the TCP port is taken", func(t *testing.T, _ string, cfg *plugin.Config) (func(), string) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			cfg.Listen = []string{"/ip4/127.0.0.1/tcp/" + portOf(l.Addr())}
			return func() { l.Close() }, cfg.Listen[0]
		}},
		{"the TCP port is another service's", func(t *testing.T, _ string, cfg *plugin.Config) (func(), string) {
			other := startStandalone(t, t.TempDir(), devConfig())
			cfg.Listen = nil
			for _, addr := range other.Host().Addrs() {
				if port, err := addr.ValueForProtocol(multiaddr.P_TCP); err == nil {
					cfg.Listen = []string{"/ip4/127.0.0.1/tcp/" + port}
				}
			}
			return func() { _ = other.Stop() }, cfg.Listen[0]
		}},
		{"the QUIC port is taken", func(t *testing.T, _ string, cfg *plugin.Config) (func(), string) {
			l, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			cfg.Listen = []string{"/ip4/127.0.0.1/udp/" + portOf(l.LocalAddr()) + "/quic-v1"}
			return func() { l.Close() }, cfg.Listen[0]
		}},
		{"one of two ports is taken", func(t *testing.T, _ string, cfg *plugin.Config) (func(), string) {
			l, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			quic := "/ip4/127.0.0.1/udp/" + portOf(l.LocalAddr()) + "/quic-v1"
			cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0", quic}
			return func() { l.Close() }, quic
		}},
		{"the host serves already", func(t *testing.T, _ string, cfg *plugin.Config) (func(), string) {
			h, err := libp2p.New(libp2p.NoListenAddrs)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { h.Close() })
			const ping = "/eth2/beacon_chain/req/ping/1/ssz_snappy"
			h.SetStreamHandler(ping, func(s network.Stream) { _ = s.Reset() })
			cfg.Listen, cfg.Host, cfg.Discovery = nil, h, nil
			return func() { h.RemoveStreamHandler(ping) }, "Config.Host"
		}},
		{"the port of discovery is taken", func(t *testing.T, _ string, cfg *plugin.Config) (func(), string) {
			l, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			cfg.Discovery.Listen = l.LocalAddr().String()
			return func() { l.Close() }, cfg.Discovery.Listen
		}},
		{"the nodes that are known are no database", func(t *testing.T, dir string, _ *plugin.Config) (func(), string) {
			path := filepath.Join(dir, "reqresp-nodes")
			return inTheWay(t, path), path
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, cfg := filepath.Join(t.TempDir(), "data"), discoverable()
			undo, want := test.spoil(t, dir, &cfg)
			s := standalone(t, dir, cfg)
			left := labelled(t, func(context.Context) {
				if err := s.Start(); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one that names %s", err, want)
				}
			})
			if s.Host() != nil || s.Peers() != nil || s.Server() != nil || s.Store() != nil || s.Record() != "" {
				t.Error("a service that failed to start has parts")
			}
			simtest.WaitFor(t, "goroutines to end", func() bool { return left() == 0 })
			undo()
			if err := s.Start(); err != nil {
				t.Errorf("once the cause is gone: %v", err)
			}
		})
	}
}
