package main

import (
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
)

func TestServePrintsWhereItCanBeDialed(t *testing.T) {
	t.Parallel()
	dir := importChain(t, blocks(t), finalizedFlags()...)
	s := startServe(t, dir, "--listen", "/ip4/127.0.0.1/tcp/0")
	var ids []string
	for range 2 {
		info, err := peer.AddrInfoFromString(s.line(t))
		if err != nil || !strings.HasPrefix(info.Addrs[0].String(), "/ip4/127.0.0.1/") {
			t.Fatalf("%v, error %v", info, err)
		}
		ids = append(ids, info.ID.String())
	}
	o := s.stop()
	if o.code != exitOK {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
	if want := "verified up to slot 64"; !strings.Contains(o.stderr, want) || strings.Contains(o.stderr, "NOT verified") {
		t.Errorf("no %q in %s", want, o.stderr)
	}

	s = startServe(t, dir, "--json", "--verbosity", "error")
	got := decode[serveResult](t, s.line(t))
	held := got.holdings
	if got.PeerID.String() != ids[0] || ids[0] != ids[1] || len(got.Addrs) != 1 || !strings.HasSuffix(got.Addrs[0], "/p2p/"+ids[0]) {
		t.Errorf("peer %v, which was %v, at %v", got.PeerID, ids, got.Addrs)
	}
	if got.Network != "mainnet" || held.HeadSlot != 142 || held.HeadRoot != devchain.HeadRoot() || !held.Verified ||
		held.FinalizedEpoch != 2 || *held.TrustedRoot != devchain.FinalizedRoot() {
		t.Errorf("serves %+v", got)
	}
	if o := s.stop(); o.code != exitOK || o.stderr != "" {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

func TestServeTellsThatTheChainIsNotVerified(t *testing.T) {
	t.Parallel()
	chain, network := blocks(t), devNetwork(t)
	imported := importChain(t, chain)
	server := startServe(t, imported)
	addr := server.line(t)
	synced := t.TempDir()
	succeed(t, append([]string{"sync", "--datadir", synced, addr}, network...)...)
	server.stop()
	for _, test := range []struct {
		name, datadir, want string
	}{
		{"imported", imported, "NOT verified, no root is known"},
		{"synced", synced, "NOT verified, a peer was taken at its word for " + devchain.HeadRoot().String()},
		{"empty", emptyStore(t), "the store is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := startServe(t, test.datadir, "--verbosity", "warn")
			s.line(t)
			if o := s.stop(); o.code != exitOK || !strings.Contains(o.stderr, test.want) {
				t.Errorf("exit code %d: %s, want %q", o.code, o.stderr, test.want)
			}
		})
	}
}

// emptyStore returns the datadir of a store that has a network and no blocks.
func emptyStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	o := runWithInput(t, "none", append([]string{"import", "--datadir", dir, "-"}, devNetwork(t)...)...)
	if o.code != exitFailed || !strings.Contains(o.stderr, "standard input:1: ") {
		t.Fatalf("exit code %d: %s", o.code, o.stderr)
	}
	return dir
}

func TestDatadirInUse(t *testing.T) {
	t.Parallel()
	chain := blocks(t)[:2]
	dir := importChain(t, chain)
	s := startServe(t, dir)
	addr := s.line(t)
	for _, args := range [][]string{
		{"serve", "--datadir", dir},
		{"import", "--datadir", dir, linesFile(t, chain)},
		{"sync", "--datadir", dir, addr},
	} {
		fail(t, exitFailed, dir+" is in use by another process", args...)
	}
	s.stop()
	succeed(t, "import", "--datadir", dir, linesFile(t, chain))
}

func TestServeAnnouncesItsCustody(t *testing.T) {
	t.Parallel()
	dir, network := importChain(t, blocks(t)), devNetwork(t)
	for custody, want := range map[string]string{"": "4", "9": "9", "all": "128"} {
		s := startServe(t, dir, "--custody", custody)
		got := succeed(t, append([]string{"call", s.line(t), "metadata"}, network...)...)
		if want := `"custody_group_count":"` + want + `"`; !strings.Contains(got, want) {
			t.Errorf("--custody %q: %s, want %s", custody, got, want)
		}
		s.stop()
	}
	fail(t, exitFailed, "Custody is 3, want at least 4", "serve", "--datadir", dir, "--custody", "3",
		"--listen", "/ip4/127.0.0.1/tcp/0")
}

func TestServeSaysWhatANodeOfBlocksAloneIsGoodFor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		epochs string // for which blobs have to be served: slots take two seconds, and the chain is of 2026
		want   bool
	}{
		{"with blobs that have to be served", "1000000000", true},
		{"with old blobs", "1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := strings.NewReplacer(
				"BLOB_SIDECARS_REQUESTS: 4096", "BLOB_SIDECARS_REQUESTS: "+tt.epochs,
				"DATA_COLUMN_SIDECARS_REQUESTS: 4096", "DATA_COLUMN_SIDECARS_REQUESTS: "+tt.epochs,
			).Replace(devchain.Config())
			network := devNetwork(t)
			writeFile(t, network[1], []byte(config))
			dir := t.TempDir()
			succeed(t, append([]string{"import", "--datadir", dir, linesFile(t, blocks(t))}, network...)...)
			s := startServe(t, dir)
			s.line(t)
			logged := s.stop().stderr
			if got := strings.Contains(logged, "of no use to clients that sync Fulu history with blobs"); got != tt.want {
				t.Errorf("said is %v, want %v: %s", got, tt.want, logged)
			}
		})
	}
}
