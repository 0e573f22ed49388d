package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const verifyDescription = `Reads all of a store, whose node must not run, and verifies that nothing is missing or damaged:
each block is decoded and hashed anew, and has to be what is recorded of it, and a child of the one
before. It tells what is damaged, a line each on standard error, and fails if anything is.

Damaged blocks are not served; all others are. To repair a store, remove its database, which the
last line names, or restore a copy of it, and fill it anew by 'reqresp sync' or 'reqresp import'.

Signatures are not checked. The root of a block does not cover its signature, and to check that
takes the chain's state.

With --json it prints one object: blocks (that are as they should be), damaged (a list of slot, root
and error), what the store holds, as serve has it, and signatures, which is "unchecked".`

func (a *app) verify() *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Usage:       "find out what of a store is missing or damaged",
		Description: verifyDescription,
		Flags:       append([]cli.Flag{jsonFlag("print the outcome as one JSON object")}, flagsOf(datadirSettings())...),
		Action:      a.runVerify,
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

func (a *app) runVerify(ctx context.Context, cmd *cli.Command) (err error) {
	if cmd.Args().Present() {
		return usagef(cmd, "verify takes no arguments, not %q", cmd.Args().First())
	}
	c, err := settingsWithDatadir(cmd)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := checkStoreExists(c.Node.DataDir); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	stack, err := newNode(nodeConfig(c.Node.DataDir))
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	s, db, err := plugin.OpenStore(stack, plugin.DefaultName)
	if err != nil {
		return fmt.Errorf("verify: %w", explainStore(cmd, c.Node.DataDir, err))
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	result, err := a.verifyStore(ctx, s)
	if err != nil {
		return fmt.Errorf("verify: %w", explainStore(cmd, c.Node.DataDir, err))
	}
	if cmd.Bool("json") {
		err = a.stdout.printJSON(result)
	} else {
		a.stdout.printf("verified %d blocks, %v\n", result.Blocks, &result.holdings)
	}
	if n := len(result.Damaged); n > 0 {
		err = errors.Join(err, fmt.Errorf("verify: %d damaged: %s", n, howToRepair(c.Node.DataDir)))
	}
	return err
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

// explainStore tells what to do about a store that cannot be used.
func explainStore(cmd *cli.Command, datadir string, err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		return fmt.Errorf("%w: %s", err, howToRepair(datadir))
	}
	return explainNetwork(cmd, datadir, err)
}

// howToRepair tells what to do about a store that is damaged.
func howToRepair(datadir string) string {
	return fmt.Sprintf("to repair it, remove %s, or restore a copy, and fill it anew by 'reqresp sync' or 'reqresp import'",
		nodeConfig(datadir).ResolvePath(plugin.DatabaseName))
}
