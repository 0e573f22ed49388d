package peers_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// A line is one peer in the file.
type line struct {
	ID    string
	Addrs []string
	Good  time.Time
	Until time.Time
}

func readFile(t *testing.T, path string) (lines []line) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &lines); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestPeersAreRememberedOverRestarts(t *testing.T) {
	simulate(t, afterFork, 4, func(t *testing.T, hosts []host.Host) {
		path := filepath.Join(t.TempDir(), "peers.json")
		n := newNode(t, hosts[0], peers.Options{File: path})
		dialed, inbound := newNode(t, hosts[1], peers.Options{}), newNode(t, hosts[2], peers.Options{})
		n.manager.AddCandidate(infoOf(dialed))
		n.manager.AddCandidate(peer.AddrInfo{ID: hosts[3].ID(), Addrs: hosts[3].Addrs()}) // which says nothing
		connect(t, inbound, n)
		settle()
		n.stop()
		if got := readFile(t, path); len(got) != 2 {
			t.Errorf("remembered are %+v", got)
		}
		// Those that it met dial no more, so that it has to.
		dialed.manager.Stop()
		inbound.manager.Stop()
		time.Sleep(time.Minute)
		n = newNode(t, hosts[0], peers.Options{File: path})
		settle()
		if got := n.known(); len(got) != 2 {
			t.Errorf("after a restart it knows %v", got)
		}
	})
}

func TestABackoffIsRememberedToo(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		path := filepath.Join(t.TempDir(), "peers.json")
		n, b := newNode(t, hosts[0], peers.Options{File: path}), newNode(t, hosts[1], peers.Options{})
		connect(t, n, b)
		settle()
		b.manager.Stop()
		b.server.Disconnect(t.Context(), n.ID(), beacon.GoodbyeBadScore)
		settle()
		n.stop()
		n = newNode(t, hosts[0], peers.Options{File: path})
		time.Sleep(59 * time.Minute)
		if got := n.known(); len(got) != 0 {
			t.Errorf("it dialed %v", got)
		}
		time.Sleep(time.Minute)
		if got := n.known(); len(got) != 1 {
			t.Errorf("it knows %v", got)
		}
	})
}

func TestPeersAreKeptWhileTheyAreConnected(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		path := filepath.Join(t.TempDir(), "peers.json")
		n := newNode(t, hosts[0], peers.Options{File: path})
		newNode(t, hosts[1], peers.Options{})
		connect(t, n, hosts[1])
		time.Sleep(6 * time.Minute) // A process may be killed.
		if got := readFile(t, path); len(got) != 1 || len(got[0].Addrs) != 1 || time.Since(got[0].Good) > 2*time.Minute {
			t.Errorf("remembered are %+v", got)
		}
	})
}

// quietHost listens nowhere.
func quietHost(t testing.TB) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// peerID returns one of many IDs.
func peerID(i int) string {
	id, err := peer.IDFromBytes(append([]byte{0x12, 32}, hash(i)...))
	if err != nil {
		panic(err)
	}
	return id.String()
}

func hash(i int) []byte {
	h := sha256.Sum256([]byte(fmt.Sprint(i)))
	return h[:]
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	simulate(t, afterFork, 2, func(t *testing.T, hosts []host.Host) {
		path := filepath.Join(t.TempDir(), "peers.json")
		var lines []line
		for i := range 1500 {
			l := line{ID: peerID(i), Good: time.Now().Add(-time.Duration(i) * time.Minute), Until: time.Now().Add(time.Hour)}
			for port := range 100 {
				l.Addrs = append(l.Addrs, fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port+1))
			}
			lines = append(lines, l)
		}
		lines[1].Good = time.Now().Add(-31 * 24 * time.Hour)
		lines[2].Good = time.Now().Add(time.Hour)
		lines[3].Addrs = []string{"nowhere"}
		lines[4].Addrs = []string{"/dns4/" + strings.Repeat("a", 300) + "/tcp/1"}
		b, err := json.Marshal(lines)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		n := newNode(t, hosts[0], peers.Options{File: path})
		for i := range 1500 {
			id, err := peer.Decode(peerID(1500 + i))
			if err != nil {
				t.Fatal(err)
			}
			n.manager.AddCandidate(peer.AddrInfo{ID: id, Addrs: hosts[1].Addrs()})
		}
		n.stop()
		got := readFile(t, path)
		if len(got) != 1024 {
			t.Fatalf("%d peers are remembered", len(got))
		}
		// The last ones met are kept; of what was offered, nothing took their place.
		for i, l := range got {
			if len(l.Addrs) != 8 {
				t.Errorf("%d addresses are remembered of %s", len(l.Addrs), l.ID)
			}
			if i > 0 && l.Good.After(got[i-1].Good) {
				t.Errorf("%s was met after the one before", l.ID)
			}
		}
		if got[0].ID != peerID(0) || got[1].ID != peerID(5) {
			t.Errorf("the first are %s and %s", got[0].ID, got[1].ID)
		}
	})
}

// What a file says is never a reason not to start.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`[{"id":"16Uiu2HAmJJA7YPx7hMa3FoQ2NSXDjzCdzxzNSYSeJqLHnbKh4zXp","addrs":["/ip4/1.2.3.4/udp/9000/quic-v1"],"good":"2026-11-24T12:00:00Z"}]`))
	f.Add([]byte(`[{"id":"","addrs":[""]}]`))
	f.Add([]byte(`{`))
	f.Add([]byte(nil))
	h := quietHost(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "peers.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := peers.New(h, &peers.Options{File: path}); err != nil {
			t.Error(err)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	h := quietHost(t)
	for _, tt := range []struct {
		opts peers.Options
		want string
	}{
		{peers.Options{}, ""},
		{peers.Options{Config: peers.Config{Target: -1}}, "Target is -1"},
		{peers.Options{Config: peers.Config{Target: 10_001}}, "Target is 10001"},
		{peers.Options{Config: peers.Config{MinOutbound: 65}}, "MinOutbound is 65"},
		{peers.Options{Config: peers.Config{Target: 100, MinOutbound: 65}}, ""},
		{peers.Options{Config: peers.Config{MinOutbound: -1}}, "MinOutbound is -1"},
		{peers.Options{Config: peers.Config{Static: []peer.AddrInfo{{ID: h.ID()}}}}, "Static"},
		{peers.Options{Config: peers.Config{Static: []peer.AddrInfo{{Addrs: h.Addrs()}}}}, "Static"},
		{peers.Options{Config: peers.Config{Trusted: []peer.ID{""}}}, "Trusted"},
	} {
		_, err := peers.New(h, &tt.opts)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want one that names %q", tt.opts, err, tt.want)
		}
	}
	if _, err := peers.New(h, nil); err != nil {
		t.Error(err)
	}
}
