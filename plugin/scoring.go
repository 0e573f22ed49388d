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

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/chainsync"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

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
				logger.Info("peer behaves badly", "peer", c.Peer, "score", c.After, "action", c.Action, "reason", c.Reason)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("plugin: Config.Scores: %w", err)
	}
	return &scores{Book: book, configured: cfg.Peers.Trusted}, nil
}

// addr returns the address that counts for a peer's prefix.
func (s *Service) addr(id peer.ID) netip.Addr {
	if s.cfg.Addr != nil {
		return s.cfg.Addr(id)
	}
	h := s.Host()
	if h == nil {
		return netip.Addr{}
	}
	return limits.HostAddr(h)(id)
}

// A scoreProvider tells the manager of the peers what a book says of them.
type scoreProvider struct{ book *score.Book }

func (p scoreProvider) Score(id peer.ID) float64 { return p.book.Score(id) }
func (p scoreProvider) Bad(id peer.ID) bool      { return p.book.Action(id) != score.Keep }
func (p scoreProvider) Banned(id peer.ID) bool   { return p.book.Action(id) == score.Ban }
func (p scoreProvider) Trusted(id peer.ID) bool  { return p.book.IsTrusted(id) }

// saveInterval is how often scores are written to the file. Bans by hand are at once.
const saveInterval = time.Minute

// A scoresFile has a book written to a file as long as the service runs. Without a path it does nothing.
type scoresFile struct {
	book *score.Book
	path string
	log  *slog.Logger
	stop func() error // of writing it regularly

	mu sync.Mutex // is held while the file is written
}

// open restores the book, the first time, and begins to save it.
func (s *scores) open(path string, logger *slog.Logger) (*scoresFile, error) {
	f := &scoresFile{book: s.Book, path: path, log: logger}
	if !s.restored {
		if err := f.restore(); err != nil {
			// To go on without would let in whom an operator has banned: leave the choice to the user.
			return nil, fmt.Errorf("plugin: scores and bans in %s are unreadable, restore or remove it: %w", path, err)
		}
		s.restored = true
	}
	f.stop = every(saveInterval, func() {
		if err := f.save(); err != nil {
			logger.Warn("scores and bans were not kept", "err", err)
		}
	})
	return f, nil
}

// close saves the book a last time.
func (f *scoresFile) close() error { return errors.Join(f.stop(), f.save()) }

// maxScoresFile bounds what is read. A score of the most there may be takes less.
const maxScoresFile = 1 << 29

func (f *scoresFile) restore() error {
	if f.path == "" {
		return nil
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Size() > maxScoresFile {
		err = fmt.Errorf("%d bytes are too many", info.Size())
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	var s score.Snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s.IsFuture() {
		f.log.Warn("scores and bans are of the future, as a clock was wrong: bans go on for as long as they had left",
			"file", f.path, "taken", s.Taken)
	}
	// A ban that there is already, of a caller's own or made before the start, is newer than the file.
	s.Scores = slices.DeleteFunc(s.Scores, func(e score.Entry) bool { return f.book.Action(e.Peer) == score.Ban })
	return f.book.Restore(s)
}

// saveNow saves what an operator has changed at once. The error tells what is so although it was not written.
func (f *scoresFile) saveNow(changed string) error {
	if err := f.save(); err != nil {
		return fmt.Errorf("%s, but that could not be written: %w", changed, err)
	}
	return nil
}

func (f *scoresFile) save() error {
	if f.path == "" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := json.Marshal(f.book.Snapshot())
	if err != nil {
		return fmt.Errorf("plugin: keeping scores and bans: %w", err)
	}
	if err := atomicfile.Write(f.path, text); err != nil {
		return fmt.Errorf("plugin: keeping scores and bans: %w", err)
	}
	return nil
}

// trace returns the hooks that score what peers ask, as score.Book.Trace does, and what they answer.
func (s *scores) trace() *reqresp.Trace {
	return reqresp.JoinTraces(s.Trace(), &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if x.Inbound {
			return
		}
		if class, what := faultOf(x.Spec.Name(), x.Err); what != "" {
			s.Penalize(x.Peer, class, fmt.Sprintf("%s: %s", what, x.Spec.Name()))
		}
	}})
}

// faultOf returns what a peer did wrong that was asked by a method, and how grave that is: nothing
// if it is not to blame. A peer that says it was asked too much never is, nor one that finds a request
// invalid, as some say the same by that and without a word. What breaks the protocol is not
// fatal, for it may be this node that does not know a fork as it should.
func faultOf(method string, err error) (score.Class, string) {
	if err == nil || beacon.IsRateLimited(err) || method == "goodbye" {
		return 0, "" // Many hang up in place of an answer to a goodbye.
	}
	switch reqresp.ReasonOf(err) {
	case reqresp.ReasonViolation:
		return score.LowTolerance, "invalid answer"
	case reqresp.ReasonTimeout:
		// Neither a deadline of the caller's nor a dial, which may fail for many reasons.
		f, ok := errors.AsType[*reqresp.Failure](err)
		if ok && f.Phase > reqresp.PhaseDial && errors.Is(err, reqresp.ErrTimeout) {
			return score.HighTolerance, "no answer in time"
		}
	case reqresp.ReasonReset:
		// A server that stops says so, as this module's does.
		if s, ok := errors.AsType[*network.StreamError](err); !ok || s.ErrorCode != network.StreamShutdown {
			return score.HighTolerance, "answer broken off"
		}
	case reqresp.ReasonErrorResponse:
		if e, ok := errors.AsType[*reqresp.Error](err); ok && e.Code == reqresp.CodeServerError {
			return score.HighTolerance, "server error"
		}
	default:
		// The connection or this node is to blame, or it cannot be told.
	}
	return 0, ""
}

// unnegotiated bans a peer that leaves streams without a protocol, again and again. No honest peer does: it
// sends the protocol with the stream's first bytes.
func (s *scores) unnegotiated(id peer.ID) {
	s.Penalize(id, score.Fatal, "streams left in negotiation")
}

// answered scores an answer to a sync by the blocks that were good enough to be stored.
func (s *scores) answered(from peer.ID, stored uint64) {
	if stored > 0 {
		s.Reward(from, "blocks stored")
	}
}

// synced scores a peer by how a sync with it ended. That it leaves out blocks shows only beside what is
// stored, and may be a reorganisation of its chain for a few tries.
func (s *scores) synced(from peer.ID, err error) {
	switch {
	case errors.Is(err, rangesync.ErrGap):
		s.Penalize(from, score.MidTolerance, "left out blocks")
	case errors.Is(err, chainsync.ErrWrongSidecar):
		s.Penalize(from, score.LowTolerance, "wrong sidecar")
	}
}
