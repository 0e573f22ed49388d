package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const eraIndexDescription = `Writes an index of the blocks of a directory of era files by their roots into that
directory: NETWORK-roots.e2s, 16 bytes for each block. With it 'reqresp serve --era' answers requests by
root for all blocks; without it, for those of the newest era and of the eras that were asked for last.
The index has to be written anew when files are added. A node reads it when it starts. It may be copied
to wherever the same files are.

The index is made from the states in the files. Roots are not computed: a block is verified when it is
served.

With --json it prints one object: file, first_slot, end_slot (the one after the last) and bytes.`

// eraIndexResult is the JSON of era index.
type eraIndexResult struct {
	File      string   `json:"file"`
	FirstSlot ssz.Slot `json:"first_slot"`
	EndSlot   ssz.Slot `json:"end_slot"`
	Bytes     int      `json:"bytes"`
}

func (a *app) eraIndex() command {
	asJSON := false
	return command{
		name: "index", usage: "index the blocks of era files by root", args: "DIR", least: 1,
		description: eraIndexDescription, configured: []string{"network"},
		flags: settings.Table{jsonFlag(&asJSON, "print what was indexed as one JSON object")},
		run:   func(ctx context.Context, in *invocation) error { return a.runEraIndex(ctx, in, asJSON) },
	}
}

func (a *app) runEraIndex(ctx context.Context, in *invocation, asJSON bool) error {
	n, err := in.networkOrMainnet()
	if err != nil {
		return err
	}
	dir, err := era.OpenDir(ctx, in.args[0], n, nil)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // it has been read only
	r := eraIndexResult{File: filepath.Join(in.args[0], era.RootIndexName(n))}
	if r.FirstSlot, r.EndSlot = dir.Slots(); r.FirstSlot == r.EndSlot {
		return fmt.Errorf("%s has a genesis state and no blocks", in.args[0])
	}
	content, err := dir.RootIndex(ctx, n)
	if ctx.Err() != nil {
		return errors.New("interrupted, nothing was written")
	}
	if err != nil {
		return err
	}
	r.Bytes = len(content)
	if err := atomicfile.Write(r.File, content); err != nil {
		return err
	}
	if err := os.Chmod(r.File, 0o644); err != nil { // so that another user can serve the era files
		return err
	}
	if asJSON {
		return a.stdout.printJSON(r)
	}
	a.stdout.printf("%s: slots %s, %s\n", r.File, spanText(r.FirstSlot, r.EndSlot-1), size(uint64(r.Bytes)))
	return nil
}
