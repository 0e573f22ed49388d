package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const importDescription = `Adds blocks from files to a store. A FILE is one of

  - JSON lines: one object a line with ssz_hex, a SignedBeaconBlock in SSZ, and optionally what
    it is meant to be: slot (a number), block_root_hex and context_hex, its fork digest. All
    hexadecimal is with or without 0x. Other fields are ignored.
  - raw SSZ: one SignedBeaconBlock, as the beacon API has it and 'reqresp call --ssz' writes it.
    If all files are of this kind their order does not matter.
  - an era file, whose name ends with .era. DIR stands for all those of the network in a directory.
    Each block has to have the root that the era's state has. It is stored in the frames that it has
    in the file. Blocks that are stored already are not even read.

The first two may be compressed with gzip; - is standard input. Blocks come in the order of their slots.
Each has to be well-formed, what it is meant to be, and a child of the one before. Blocks that are
stored already are passed over, so that an import can be repeated.

With --finalized-root and --finalized-epoch, which go together, you vouch for a finalized
checkpoint that the chain has to contain. It becomes the one that peers are told, and all blocks
up to it count as verified: by their hashes, not their signatures, which these do not cover.
Without it the store has no finalized checkpoint.

A new store needs to know its network, and remembers it.

With --json it prints one object: blocks, bytes (of SSZ), seconds and known (blocks that were
stored already), and what the store holds, as serve has it.`

// A checkpoint is a finalized one that the user vouches for.
type checkpoint struct {
	root  ssz.Root
	epoch uint64
}

func (a *app) imports() command {
	vouched, asJSON := new(checkpoint), false
	return command{
		name: "import", usage: "add blocks from files to a store", args: "FILE|DIR...", least: 1,
		description: importDescription,
		configured:  []string{"node.data_dir", "network"},
		flags: settings.Table{
			settings.New("", "finalized-root", rootValue(&vouched.root), "`ROOT` of the finalized checkpoint's block"),
			settings.New("", "finalized-epoch", settings.Uint(&vouched.epoch, 0), "`EPOCH` of the finalized checkpoint"),
			jsonFlag(&asJSON, "print the outcome as one JSON object"),
		},
		run: func(ctx context.Context, in *invocation) error {
			if in.flags.Given("finalized-root") != in.flags.Given("finalized-epoch") {
				return in.usagef("--finalized-root and --finalized-epoch go together: a checkpoint is both")
			}
			if !in.flags.Given("finalized-root") {
				vouched = nil
			}
			return a.runImport(ctx, in, vouched, asJSON)
		},
	}
}

// importResult is the JSON of import.
type importResult struct {
	Blocks  uint64  `json:"blocks"`
	Bytes   uint64  `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Known   uint64  `json:"known"`
	holdings
}

func (a *app) runImport(ctx context.Context, in *invocation, vouched *checkpoint, asJSON bool) (err error) {
	dir, err := in.datadir()
	if err != nil {
		return err
	}
	genesis, err := in.network()
	if err != nil {
		return err
	}
	s, done, err := openStore(dir)
	if err != nil {
		return in.explainStore(err)
	}
	defer done(&err)
	i, err := newImporter(ctx, s, genesis)
	if err != nil {
		return in.explainStore(err)
	}
	if len(i.changes) > 0 {
		_, _ = fmt.Fprintf(a.stderr, "import: the store's network has another schedule now: %s\n",
			strings.Join(i.changes, "; "))
	}
	began := time.Now()
	if err := a.importAll(ctx, in.args, i, vouched); err != nil {
		if ctx.Err() != nil {
			err = interrupted(i.blocks)
		}
		return err
	}
	return a.reportImport(asJSON, i, time.Since(began))
}

func (a *app) importAll(ctx context.Context, args []string, i *importer, vouched *checkpoint) error {
	var files []string
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			inDir, err := eraFiles(arg, i.network.Config().Name)
			if err != nil {
				return err
			}
			files = append(files, inDir...)
			continue
		}
		files = append(files, arg)
	}
	paths, err := sortPaths(files)
	if err != nil {
		return err
	}
	if vouched != nil {
		i.store.SetFinal(i.network.StartSlot(ssz.Epoch(vouched.epoch)))
	}
	m := a.meter()
	defer m.end()
	i.watch(m, paths)
	for _, path := range paths {
		if err := i.file(ctx, path, a.stdin); err != nil {
			return err
		}
	}
	if err := i.flush(ctx); err != nil {
		return err
	}
	if vouched != nil {
		return i.finalize(ctx, vouched.root, ssz.Epoch(vouched.epoch))
	}
	return nil
}

// finalize records a checkpoint.
func (i *importer) finalize(ctx context.Context, root ssz.Root, epoch ssz.Epoch) error {
	slot, held, err := i.store.SlotOf(ctx, root)
	if err != nil {
		return err
	}
	start := i.network.StartSlot(epoch)
	switch {
	case !held:
		return fmt.Errorf("--finalized-root %v is not that of a block in the store: the blocks stay, unverified", root)
	case slot > start:
		return fmt.Errorf("--finalized-epoch %d begins at slot %d, but the block of --finalized-root is of slot %d, after it",
			epoch, start, slot)
	}
	headSlot, headRoot, _ := i.store.Head()
	if start > max(headSlot, i.network.SlotAt(time.Now())) {
		return fmt.Errorf("--finalized-epoch %d begins at slot %d, which is yet to come: the blocks stay, unverified",
			epoch, start)
	}
	// The block of a checkpoint is the last up to the begin of its epoch.
	for later, err := range i.store.BlocksByRange(ctx, slot+1, uint64(min(start, headSlot)-slot)) {
		if err != nil {
			return err
		}
		return fmt.Errorf("--finalized-epoch %d begins at slot %d, but the block of --finalized-root is of slot %d, "+
			"and that of slot %d is between", epoch, start, slot, later.Slot)
	}
	err = i.store.SetSource(ctx, beacon.Status{
		ForkDigest:            i.network.DigestAt(i.network.EpochOf(headSlot)),
		FinalizedRoot:         root,
		FinalizedEpoch:        epoch,
		HeadRoot:              headRoot,
		HeadSlot:              headSlot,
		EarliestAvailableSlot: i.store.Info().Earliest,
	})
	if err != nil {
		return err
	}
	return i.store.SetAnchor(ctx, store.Anchor{Root: root, Slot: slot, Origin: store.Given})
}

func (a *app) reportImport(asJSON bool, i *importer, elapsed time.Duration) error {
	held := holdingsOf(i.store)
	if asJSON {
		return a.stdout.printJSON(importResult{i.blocks, i.bytes, seconds(elapsed), i.known, held})
	}
	a.stdout.printf("imported %d blocks, %s of SSZ, in %.1f s; %d were stored already\n",
		i.blocks, size(i.bytes), elapsed.Seconds(), i.known)
	a.stdout.printf("held     %v\n", &held)
	return nil
}
