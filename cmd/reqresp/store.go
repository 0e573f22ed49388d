package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const verifyDescription = `Reads all of a store, whose node must not run, and verifies that nothing is missing or
damaged: each block is decoded and hashed anew, and has to be what is recorded of it, and a child of the one
before. It tells what is damaged, a line each on standard error, and fails if anything is.

Damaged blocks are not served; all others are. History is in flat files beside the database, which
has their index. With --repair, that index is made anew from the files first: if it is damaged, or
lost with the database. Remove a database that cannot be opened first, and give the network of the
store by --network then. What is damaged in the files themselves stays so: fill such a store anew
by 'reqresp sync' or 'reqresp import', after removing what the last line names.

Signatures are not checked. The root of a block does not cover its signature, and to check that
takes the chain's state.

With --json it prints one object: blocks (that are as they should be), damaged (a list of slot, root
and error), what the store holds, as serve has it, and signatures, which is "unchecked".`

func (a *app) verify() command {
	asJSON, repair := false, false
	return command{
		name: "verify", usage: "find out what of a store is missing or damaged", description: verifyDescription,
		configured: []string{"node.data_dir", "network"},
		flags: settings.Table{
			jsonFlag(&asJSON, "print the outcome as one JSON object"),
			settings.New("", "repair", settings.Switch(&repair), "make the index of the flat files anew first"),
		},
		run: func(ctx context.Context, in *invocation) error { return a.runVerify(ctx, in, asJSON, repair) },
	}
}

// verifyResult is the JSON of verify.
type verifyResult struct {
	Blocks  uint64    `json:"blocks"`
	Damaged []damaged `json:"damaged"`
	holdings
}

// damaged is what is wrong with a block. Its root is null if that is not known.
type damaged struct {
	Slot  ssz.Slot  `json:"slot"`
	Root  *ssz.Root `json:"root"`
	Error string    `json:"error"`
}

func (a *app) runVerify(ctx context.Context, in *invocation, asJSON, repair bool) (err error) {
	dir, err := in.datadir()
	if err != nil {
		return err
	}
	network, err := in.network()
	if err != nil {
		return err
	}
	s, done, err := in.openExistingStore(dir)
	if err != nil {
		return err
	}
	defer done(&err)
	if repair {
		if err := a.repairStore(ctx, s, network); err != nil {
			return in.explainStore(err)
		}
	}
	result, err := a.verifyStore(ctx, s)
	if err != nil {
		return in.explainStore(err)
	}
	if asJSON {
		err = a.stdout.printJSON(result)
	} else {
		a.stdout.printf("verified %d blocks, %v\n", result.Blocks, &result.holdings)
	}
	if n := len(result.Damaged); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d damaged: %s", n, howToRepair(dir)))
	}
	return err
}

// repairStore makes the index of a store's flat files anew.
func (a *app) repairStore(ctx context.Context, s *store.Store, network *store.Network) error {
	m := a.meter()
	defer m.end()
	blocks, err := s.Repair(ctx, network, func(done, all int) {
		m.show(uint64(done), uint64(all), "flat files: period %d of %d is indexed", done, all)
	})
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		return err
	}
	m.end()
	a.note("%d blocks of flat files are indexed", blocks)
	return nil
}

// verifyStore reads all of a store, and prints what is damaged as it is found.
func (a *app) verifyStore(ctx context.Context, s *store.Store) (verifyResult, error) {
	result := verifyResult{Damaged: []damaged{}, holdings: holdingsOf(s)}
	m := a.meter()
	defer m.end()
	for ref, err := range s.Verify(ctx) {
		corrupt, ok := errors.AsType[*store.CorruptError](err)
		switch {
		case ctx.Err() != nil:
			return result, errors.New("interrupted")
		case ok:
			d := damaged{Slot: corrupt.Slot, Error: corrupt.Error()}
			if corrupt.Root != (ssz.Root{}) {
				d.Root = &corrupt.Root
			}
			result.Damaged = append(result.Damaged, d)
			m.end()
			a.note("%v", corrupt)
		case err != nil:
			return result, err
		default:
			result.Blocks++
		}
		m.show(uint64(ref.Slot), uint64(result.HeadSlot), "slot %d of %d: %d blocks verified, %d damaged",
			ref.Slot, result.HeadSlot, result.Blocks, len(result.Damaged))
	}
	return result, nil
}

// datadir returns the directory that a command needs.
func (in *invocation) datadir() (string, error) {
	if in.config.DataDir == "" {
		return "", in.usagef("a datadir is missing: want --datadir DIR, REQRESP_DATADIR, " +
			"or data_dir below [node] in a --config FILE")
	}
	return in.config.DataDir, nil
}

// openStore opens the store in a datadir without a service. The function closes it, and joins what that fails with to
// an error.
func openStore(datadir string) (s *store.Store, done func(*error), err error) {
	stack, err := newNode(nodeConfig(datadir))
	if err != nil {
		return nil, nil, err
	}
	s, db, err := plugin.OpenStore(stack, plugin.DefaultName)
	if err != nil {
		return nil, nil, errors.Join(err, stack.Close())
	}
	return s, func(err *error) { *err = errors.Join(*err, s.Close(), db.Close(), stack.Close()) }, nil
}

// openExistingStore is openStore for a datadir that has a store. Its errors say what to do.
func (in *invocation) openExistingStore(datadir string) (s *store.Store, done func(*error), err error) {
	if err := checkStoreExists(datadir); err != nil {
		return nil, nil, err
	}
	if s, done, err = openStore(datadir); err != nil {
		return nil, nil, in.explainStore(err)
	}
	return s, done, nil
}

// checkStoreExists keeps a mistyped datadir from becoming an empty store.
func checkStoreExists(datadir string) error {
	_, err := os.Stat(nodeConfig(datadir).ResolvePath(""))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no store in %s: fill one by 'reqresp import' or 'reqresp sync'", datadir)
	}
	return err
}

// explainStore tells what to do about a store that cannot be used.
func (in *invocation) explainStore(err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		return fmt.Errorf("%w: %s", err, howToRepair(in.config.DataDir))
	}
	if _, ok := errors.AsType[*store.NetworkError](err); ok {
		return fmt.Errorf("%w: give --network.config with the schedule that the store has, or choose another --datadir", err)
	}
	if errors.Is(err, store.ErrNoNetwork) {
		return in.usagef("the store in %s is new: tell its network by --network NAME, "+
			"or by --network.config, --genesis-time and --genesis-validators-root", in.config.DataDir)
	}
	return err
}

// howToRepair tells what to do about a store that is damaged.
func howToRepair(datadir string) string {
	return fmt.Sprintf("to repair it, run 'reqresp verify --repair'; "+
		"if its database cannot be opened, remove %[1]s first, "+
		"and give --network. If that is not enough, remove %[1]s and %[1]s-segments, or restore copies, "+
		"and fill it anew by 'reqresp sync' or 'reqresp import'",
		nodeConfig(datadir).ResolvePath(plugin.DatabaseName))
}

// holdings is what a store holds and how much of it is verified. It is part of the JSON of import
// and serve.
type holdings struct {
	EarliestSlot   ssz.Slot  `json:"earliest_slot"`
	HeadSlot       ssz.Slot  `json:"head_slot"`
	HeadRoot       ssz.Root  `json:"head_root"`
	FinalizedEpoch ssz.Epoch `json:"finalized_epoch"`
	FinalizedRoot  ssz.Root  `json:"finalized_root"`
	// Verified reports whether the chain contains a root that the user gave.
	Verified bool `json:"verified"`
	// TrustedRoot is the root of a block that the chain was checked to contain, null if none was checked. Unless
	// Verified is set, a peer vouched for it.
	TrustedRoot *ssz.Root `json:"trusted_root"`
	TrustedSlot ssz.Slot  `json:"trusted_slot"`
	// Signatures tells what is known of the blocks' signatures.
	Signatures string `json:"signatures"`

	below bool // TrustedRoot is the root of the block before the first
	empty bool
}

// unchecked is what is known of the signatures of blocks: roots do not cover them, and to check them takes the
// chain's state.
const unchecked = "unchecked"

func holdingsOf(s *store.Store) holdings {
	info := s.Info()
	h := holdings{EarliestSlot: info.Earliest, Signatures: unchecked}
	var ok bool
	h.HeadSlot, h.HeadRoot, ok = s.Head()
	h.empty = !ok
	if info.Source != nil {
		h.FinalizedEpoch, h.FinalizedRoot = info.Source.FinalizedEpoch, info.Source.FinalizedRoot
	}
	if info.AnchorBelow {
		h.TrustedRoot, h.below = &info.Anchor.Root, true
	}
	if info.AnchorHeld {
		h.TrustedRoot, h.TrustedSlot = &info.Anchor.Root, info.Anchor.Slot
		h.Verified = info.Anchor.Origin == store.Given
	}
	return h
}

// servedWith takes the slots and the head of what is served from, which reaches back further than the store.
func (h *holdings) servedWith(s beacon.Status) {
	h.EarliestSlot, h.HeadSlot, h.HeadRoot, h.empty = s.EarliestAvailableSlot, s.HeadSlot, s.HeadRoot, false
}

// String tells it in a sentence.
func (h *holdings) String() string {
	if h.empty {
		return "the store is empty: fill it by 'reqresp import' or 'reqresp sync'"
	}
	held := fmt.Sprintf("slots %d to %d, head %v", h.EarliestSlot, h.HeadSlot, h.HeadRoot)
	switch {
	case h.Verified:
		return fmt.Sprintf("%s: verified up to slot %d, by the trusted root %v and hashes, signatures unchecked",
			held, h.TrustedSlot, *h.TrustedRoot)
	case h.below:
		return fmt.Sprintf("%s: NOT verified, it links to the root %v, that of the block before the first",
			held, *h.TrustedRoot)
	case h.TrustedRoot != nil:
		return fmt.Sprintf("%s: NOT verified, a peer was taken at its word for %v at slot %d",
			held, *h.TrustedRoot, h.TrustedSlot)
	}
	return held + ": NOT verified, no root is known to trust the chain for"
}
