package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/quota"
)

// scoresFile is where a service keeps scores and bans.
func scoresFile(name string) string { return name + "-scores.json" }

// scores are a book that is kept in a file.
type scores struct {
	*score.Book
	configured []peer.ID // who is trusted by the configuration
	restored   bool      // from the file; the book is newer than it since
}

func newScores(cfg *Config) (*scores, error) {
	if cfg.Book != nil {
		for _, id := range cfg.Peers.Trusted {
			cfg.Book.Trust(id, true)
		}
		return &scores{Book: cfg.Book, configured: cfg.Book.Trusted()}, nil
	}
	logger := cfg.Logger.With("module", "service")
	book, err := score.New(&score.Options{
		Config:  cfg.Scores,
		Trusted: cfg.Peers.Trusted,
		Observe: func(c score.Change) {
			if c.First {
				logger.Info("peer behaves badly", "peer", c.Peer, "score", c.After, "verdict", c.Verdict, "reason", c.Reason)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("plugin: Config.Scores: %w", err)
	}
	return &scores{Book: book, configured: cfg.Peers.Trusted}, nil
}

// limiterOptions are those of the configuration, with what peers are scored and where they are.
func (s *Service) limiterOptions() *limits.Options {
	var o limits.Options
	if s.cfg.Limits != nil {
		o = *s.cfg.Limits
	}
	if o.Config.Methods == nil {
		o.Config.Methods = quota.Served()
	}
	o.Scores = s.scores
	o.Addr = s.addr
	return &o
}

// addr returns the address that counts for a peer's prefix.
func (s *Service) addr(id peer.ID) netip.Addr {
	if l := s.cfg.Limits; l != nil && l.Addr != nil {
		return l.Addr(id)
	}
	h := s.Host()
	if h == nil {
		return netip.Addr{}
	}
	return limits.HostAddr(h)(id)
}

// A judge has the manager of the peers do what a book says of them.
type judge struct{ book *score.Book }

func (j judge) Score(id peer.ID) float64 { return j.book.Score(id) }
func (j judge) Bad(id peer.ID) bool      { return j.book.Verdict(id) != score.Keep }
func (j judge) Banned(id peer.ID) bool   { return j.book.Verdict(id) == score.Ban }
func (j judge) Trusted(id peer.ID) bool  { return j.book.IsTrusted(id) }

// keepInterval is how often scores are written to the file. Bans by hand are at once.
const keepInterval = time.Minute

// A keeper writes a book to its file as long as the service runs. Without a path it does nothing.
type keeper struct {
	book *score.Book
	path string
	log  *slog.Logger
	end  chan struct{}
	done sync.WaitGroup

	mu sync.Mutex // is held while the file is written
}

// open restores the book, the first time, and begins to keep it.
func (s *scores) open(path string, log *slog.Logger) (*keeper, error) {
	k := &keeper{book: s.Book, path: path, log: log, end: make(chan struct{})}
	if path == "" {
		return k, nil
	}
	if !s.restored {
		if err := k.restore(); err != nil {
			// To go on without would let in whom an operator has banned: leave the choice to the user.
			return nil, fmt.Errorf("plugin: scores and bans in %s are unreadable, restore or remove it: %w", path, err)
		}
		s.restored = true
	}
	k.done.Go(k.run)
	return k, nil
}

// maxScoresFile bounds what is read. A score of the most there may be takes less.
const maxScoresFile = 1 << 29

func (k *keeper) restore() error {
	info, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Size() > maxScoresFile {
		err = fmt.Errorf("%d bytes are too many", info.Size())
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(k.path)
	if err != nil {
		return err
	}
	var s score.Snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s.IsFuture() {
		k.log.Warn("scores and bans are of the future, as a clock was wrong: bans go on for as long as they had left",
			"file", k.path, "taken", s.Taken)
	}
	// A ban that there is already, of a caller's own or made before the start, is newer than the file.
	s.Scores = slices.DeleteFunc(s.Scores, func(e score.Entry) bool { return k.book.Verdict(e.Peer) == score.Ban })
	return k.book.Restore(s)
}

func (k *keeper) run() {
	tick := time.NewTicker(keepInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := k.save(); err != nil {
				k.log.Warn("scores and bans were not kept", "err", err)
			}
		case <-k.end:
			return
		}
	}
}

// stop keeps the book a last time.
func (k *keeper) stop() error {
	close(k.end)
	k.done.Wait()
	return k.save()
}

// keep saves what an operator has changed at once. The error tells what is so although it was not written.
func (k *keeper) keep(changed string) error {
	if err := k.save(); err != nil {
		return fmt.Errorf("%s, but that could not be written: %w", changed, err)
	}
	return nil
}

func (k *keeper) save() error {
	if k.path == "" {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	text, err := json.Marshal(k.book.Snapshot())
	if err != nil {
		return fmt.Errorf("plugin: keeping scores and bans: %w", err)
	}
	if err := atomicfile.Write(k.path, text); err != nil {
		return fmt.Errorf("plugin: keeping scores and bans: %w", err)
	}
	return nil
}
