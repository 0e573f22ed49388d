package plugin_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/node"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/simtest"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A logBuffer keeps what is logged. Its methods may be called concurrently.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: level}))
}

// fillAsBefore fills the store in a node's own database, as earlier versions did.
func fillAsBefore(t *testing.T, cfg *node.Config) {
	t.Helper()
	stack := newNode(t, cfg)
	db, err := stack.OpenDatabase(plugin.DatabaseName, 16, 16, "", false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(db, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetNetwork(t.Context(), *devGenesis()); err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
}

// flipMiddle damages the byte in the middle of a file.
func flipMiddle(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil || len(content) == 0 {
		t.Fatalf("%s: %d bytes, %v", path, len(content), err)
	}
	content[len(content)/2] ^= 0xff
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func filesBelow(t *testing.T, dir, pattern string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		ok, err := filepath.Match(pattern, entry.Name())
		if info, infoErr := entry.Info(); ok && infoErr == nil && info.Size() > 0 {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s below %s: %v", pattern, dir, err)
	}
	return paths
}

// There is nothing of ours in the freezer that earlier versions have left beside the database.
func TestDamageToAFreezerIsNoneOfTheStore(t *testing.T) {
	dir := t.TempDir()
	fillAsBefore(t, nodeConfig(dir))
	for _, path := range filesBelow(t, filepath.Join(dir, "test", plugin.DatabaseName, "ancient"), "*") {
		flipMiddle(t, path)
	}
	_, service := start(t, dir, devConfig())
	if _, root, ok := service.Store().Head(); !ok || root != devchain.HeadRoot() {
		t.Errorf("head %v, %t", root, ok)
	}
}

// History that is in the database moves to segment files as the service runs.
func TestHistoryMovesToSegmentFiles(t *testing.T) {
	dir := t.TempDir()
	fillAsBefore(t, nodeConfig(dir))
	_, service := start(t, dir, devConfig())
	simtest.WaitFor(t, "the segment file", func() bool {
		_, err := os.Stat(filepath.Join(dir, "test", plugin.DatabaseName+"-segments", "blocks-00000000.e2s"))
		return err == nil
	})
	if _, root, ok := service.Store().Head(); !ok || root != devchain.HeadRoot() {
		t.Errorf("head %v, %t", root, ok)
	}
}

func TestAStoreInLevelDBGoesOn(t *testing.T) {
	dir := t.TempDir()
	old := nodeConfig(dir)
	old.DBEngine = rawdb.DBLeveldb
	fillAsBefore(t, old)
	stack, service := start(t, dir, devConfig())
	if _, root, ok := service.Store().Head(); !ok || root != devchain.HeadRoot() {
		t.Errorf("head %v, %t", root, ok)
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	for engine, want := range map[string]string{rawdb.DBPebble: "is a leveldb database", "bolt": `DBEngine "bolt"`} {
		cfg := nodeConfig(dir)
		cfg.DBEngine = engine
		stack := newNode(t, cfg)
		if _, _, err := plugin.OpenStore(stack, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("engine %s: error %v, want %q", engine, err, want)
		}
		if err := stack.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A block that is damaged on the disk is not served, which the operator gets to know once a minute at most. All others
// are, and the stop is as clean as any.
func TestADamagedBlockIsLoggedAndTheRestIsServed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	dir := t.TempDir()
	stack, service := start(t, dir, devConfig())
	fill(t, service.Store())
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range filesBelow(t, filepath.Join(dir, "test", plugin.DatabaseName), "*.sst") {
		flipMiddle(t, path)
	}
	cfg := devConfig()
	var log logBuffer
	cfg.Logger = log.logger(slog.LevelInfo)
	stack, service = start(t, dir, cfg)
	other, asking := start(t, t.TempDir(), devConfig())
	to := peer.AddrInfo{ID: service.Host().ID(), Addrs: service.Host().Addrs()}
	if err := asking.Host().Connect(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	served, damaged := 0, 0
	for _, want := range blocks {
		for got, err := range asking.Server().Client().BlocksByRange(t.Context(), to.ID, want.Slot, 1) {
			if e, ok := errors.AsType[*reqresp.Error](err); ok && e.Code == reqresp.CodeServerError {
				damaged++
				continue
			}
			if err != nil {
				t.Fatalf("slot %d: %v", want.Slot, err)
			}
			if got.Root != want.Root || !bytes.Equal(got.SSZ, want.SSZ) {
				t.Errorf("slot %d is not what it was", want.Slot)
			}
			served++
		}
	}
	if damaged == 0 || damaged > 4 || served+damaged != len(blocks) {
		t.Errorf("%d blocks are served, and %d damaged, want all but a few", served, damaged)
	}
	for _, stack := range []*node.Node{other, stack} {
		if err := stack.Close(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	}
	if n := strings.Count(log.String(), "what is damaged on the disk is not served"); n != 1 ||
		!strings.Contains(log.String(), "slot ") {
		t.Errorf("%d lines on damage in\n%s", n, log.String())
	}
}

func TestADatabaseThatCannotBeOpenedIsDamaged(t *testing.T) {
	dir := t.TempDir()
	stack, service := start(t, dir, devConfig())
	fill(t, service.Store())
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	// All that there is twice is mended otherwise.
	for _, pattern := range []string{"MANIFEST-*", "OUTLINE"} {
		for _, path := range filesBelow(t, filepath.Join(dir, "test", plugin.DatabaseName), pattern) {
			if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	stack = newNode(t, nodeConfig(dir))
	if _, _, err := plugin.OpenStore(stack, ""); !errors.Is(err, store.ErrCorrupt) ||
		!strings.Contains(err.Error(), plugin.DatabaseName) {
		t.Errorf("error %v, want %v and the path", err, store.ErrCorrupt)
	}
}

func TestABanThatCannotBeWrittenIsToldOf(t *testing.T) {
	dir := t.TempDir()
	stack, service := start(t, dir, devConfig())
	id := somebodyID(t)
	// What is written goes there first.
	partial := filepath.Join(dir, "test", "reqresp-scores.json.tmp")
	if err := os.MkdirAll(filepath.Join(partial, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := client.New(stack.Attach())
	defer c.Close()
	err := c.Ban(t.Context(), id, time.Hour, "test")
	if want := "the ban is in force until the node ends, but that could not be written"; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	if bans := service.Scores().Bans(); len(bans) != 1 {
		t.Errorf("bans %v", bans)
	}
	if _, err := c.Unban(t.Context(), id); err == nil || !strings.Contains(err.Error(), "could not be written") {
		t.Errorf("unban: error %v", err)
	}
	if err := os.RemoveAll(partial); err != nil {
		t.Fatal(err)
	}
}

// However many strangers come and go, the log has a line a minute.
func TestTheLogHasALineAMinuteForAllStrangers(t *testing.T) {
	simulate(t, devchain.HeadSlot+1, func(t *testing.T, server, stranger host.Host) {
		var log logBuffer
		s, err := plugin.NewStandalone("", nil, plugin.Config{
			Genesis: devGenesis(), Host: server, Peers: peers.Config{NoDial: true}, Logger: log.logger(slog.LevelInfo),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		fill(t, s.Store())
		asking := beacon.NewClient(stranger, beacon.NewFamily(devchain.Network()), nil)
		began := time.Now()
		for i := range 20 {
			if err := stranger.Connect(t.Context(), *host.InfoFromHost(server)); err != nil {
				t.Fatal(err)
			}
			switch i % 3 {
			case 0: // is of another network, and left for it
				_, _ = asking.Status(t.Context(), server.ID(), beacon.Status{ForkDigest: [4]byte{1}})
			case 1: // says goodbye
				_ = asking.Goodbye(t.Context(), server.ID(), beacon.GoodbyeTooManyPeers)
			default: // says nothing
			}
			time.Sleep(9 * time.Second)
			_ = stranger.Network().ClosePeer(server.ID())
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if want := int(time.Since(began) / time.Minute); len(lines) != want {
			t.Errorf("%d lines, want %d:\n%s", len(lines), want, log.String())
		}
		for _, line := range lines {
			for _, want := range []string{
				"msg=status", "peers=", "inbound=", "banned=", "requests=", "failed=", "chunks=",
				"bytes=", "head=142",
			} {
				if !strings.Contains(line, want) {
					t.Errorf("no %q in %s", want, line)
				}
			}
		}
	})
}
