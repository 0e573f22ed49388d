package plugin_test

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// onOwnHost starts a service on a host of the test's.
func onOwnHost(t *testing.T, dir string, gater connmgr.ConnectionGater, book *score.Book) *plugin.Service {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings(loopback...), libp2p.ConnectionGater(gater))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	cfg := devConfig()
	cfg.Listen, cfg.Host, cfg.Book = nil, h, book
	return startStandalone(t, dir, cfg)
}

func newBook(t *testing.T) *score.Book {
	t.Helper()
	book, err := score.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// A host that does not keep banned peers out has them connect, but they get nothing, and are left.
func TestBannedPeersAreLeftOnAHostWithoutTheGater(t *testing.T) {
	server, other := onOwnHost(t, "", nil, nil), startStandalone(t, "", devConfig())
	id := other.Host().ID()
	// Its own client would leave a server alone for a while that has refused it.
	impatient := beacon.NewClient(other.Host(), beacon.NewFamily(devchain.Network()), nil)
	join(t, other, server)
	if err := server.Scores().Ban(id, time.Hour, "spam"); err != nil {
		t.Fatal(err)
	}
	gone := func() bool { return len(server.Host().Network().ConnsToPeer(id)) == 0 }
	simtest.WaitFor(t, "the banned peer to go", gone)
	for range 3 {
		if err := other.Host().Connect(t.Context(), *host.InfoFromHost(server.Host())); err != nil {
			continue // It was left before it was done.
		}
		if _, err := impatient.Ping(t.Context(), server.Host().ID(), 0); err == nil {
			t.Error("a banned peer was served")
		}
		simtest.WaitFor(t, "the banned peer to go again", gone)
	}
	server.Scores().Forgive(id)
	simtest.WaitFor(t, "the peer that was forgiven to be served", func() bool {
		_ = other.Host().Connect(t.Context(), *host.InfoFromHost(server.Host()))
		_, err := impatient.Ping(t.Context(), server.Host().ID(), 0)
		return err == nil
	})
}

func TestBannedPeersAreKeptOutOfAHostWithTheGater(t *testing.T) {
	dir := t.TempDir()
	book := newBook(t)
	server, other := onOwnHost(t, dir, book.Gater(nil), book), startStandalone(t, "", devConfig())
	if server.Scores() != book {
		t.Fatal("the service has another book")
	}
	id := other.Host().ID()
	join(t, other, server)
	if err := book.Ban(id, time.Hour, "spam"); err != nil {
		t.Fatal(err)
	}
	simtest.WaitFor(t, "the banned peer to go", func() bool { return len(server.Host().Network().ConnsToPeer(id)) == 0 })
	if err := server.Host().Connect(t.Context(), *host.InfoFromHost(other.Host())); err == nil {
		t.Error("a banned peer was dialed")
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	// A book that is new learns of the ban as the service starts.
	again := newBook(t)
	server = onOwnHost(t, dir, again.Gater(nil), again)
	if err := other.Host().Connect(t.Context(), *host.InfoFromHost(server.Host())); err == nil {
		// The dialer may learn of it only when it uses the connection.
		if _, err := other.Server().Client().Ping(t.Context(), server.Host().ID(), 0); err == nil {
			t.Error("a banned peer was served")
		}
	}
	if n := len(server.Host().Network().ConnsToPeer(id)); n > 0 {
		t.Errorf("a banned peer has %d connections", n)
	}
}

func TestPeersAreTrustedInABookThatIsGiven(t *testing.T) {
	cfg := devConfig()
	cfg.Book = newBook(t)
	cfg.Peers.Trusted = append(cfg.Peers.Trusted, somebodyID(t))
	startStandalone(t, "", cfg)
	if err := cfg.Book.Ban(somebodyID(t), time.Hour, ""); err == nil {
		t.Error("a trusted peer was banned")
	}
}

// Trust is the book's alone: the manager of the peers has no other.
func TestPeersThatTheBookTrustsAreNotLeft(t *testing.T) {
	server, other := startStandalone(t, "", devConfig()), startStandalone(t, "", devConfig())
	id := other.Host().ID()
	join(t, other, server)
	for _, want := range []bool{true, false} {
		server.Scores().Trust(id, want)
		simtest.WaitFor(t, "the manager to follow the book", func() bool {
			info, ok := server.Peers().Peer(id)
			return ok && info.Trusted == want && server.Host().ConnManager().IsProtected(id, "reqresp/peers") == want
		})
	}
}

// Whom a book of the caller's trusts from the beginning is trusted by the configuration.
func TestPeersThatABookTrustsAreNotMarked(t *testing.T) {
	somebody := somebodyID(t)
	book, err := score.New(&score.Options{Trusted: []peer.ID{somebody}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := devConfig()
	cfg.Book = book
	calls := standalone(t, "", cfg).APIs()[0].Service.(*plugin.API)
	if got := calls.Trusted(); len(got) != 1 || got[0].PeerID != somebody || got[0].Changed {
		t.Errorf("trusted are %v, want the peer of the book, not marked", got)
	}
}
