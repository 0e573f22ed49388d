package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

type blockJSON struct {
	Slot       ssz.Slot       `json:"slot,string"`
	Root       ssz.Root       `json:"root"`
	ParentRoot ssz.Root       `json:"parent_root"`
	Fork       string         `json:"fork"`
	ForkDigest ssz.ForkDigest `json:"fork_digest"`
	Size       int            `json:"size,string"`
	Signature  string         `json:"signature"` // what is known of it
	SSZ        string         `json:"ssz"`
}

func (c *caller) blocksByRange(ctx context.Context) error {
	first, count := ssz.Slot(c.cmd.Uint64("start-slot")), c.cmd.Uint64("count")
	n, err := c.printBlocks(c.host.Server().Client().BlocksByRange(ctx, c.to, first, count))
	switch {
	case err != nil:
		return err
	case n == 0 && c.cmd.Bool("ssz") && !c.cmd.IsSet("out"):
		return fmt.Errorf("the peer has no block in slot %d", first)
	case n == 0:
		c.app.note("the peer has no blocks in these slots")
	}
	return nil
}

func (c *caller) blocksByRoot(ctx context.Context) error {
	roots, err := parseRoots(c.cmd.StringSlice("root"))
	if err != nil {
		return err
	}
	n, err := c.printBlocks(c.host.Server().Client().BlocksByRoot(ctx, c.to, roots))
	if err == nil && n < len(roots) {
		err = fmt.Errorf("the peer has %d of the %d blocks asked for", n, len(roots))
	}
	return err
}

func (c *caller) blocksByHead(ctx context.Context) error {
	roots, err := parseRoots(c.cmd.StringSlice("root"))
	if err != nil {
		return err
	}
	n, err := c.printBlocks(c.client().BlocksByHead(ctx, c.to, roots[0], c.cmd.Uint64("count")))
	if err == nil && n == 0 {
		err = fmt.Errorf("the peer does not have block %v", roots[0])
	}
	return err
}

// printBlocks prints blocks as they arrive, and returns how many came.
func (c *caller) printBlocks(blocks iter.Seq2[*beacon.Block, error]) (n int, err error) {
	dir := c.cmd.String("out")
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return 0, err
		}
	}
	for block, err := range blocks {
		if err != nil {
			return n, err
		}
		switch {
		case dir != "":
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.ssz", block.Slot)), block.SSZ, 0o644)
		case c.cmd.Bool("ssz"):
			_, err = c.app.stdout.Write(block.SSZ)
		default:
			err = c.app.stdout.printJSON(blockJSONOf(block))
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func blockJSONOf(b *beacon.Block) blockJSON {
	return blockJSON{
		Slot:       b.Slot,
		Root:       b.Root,
		ParentRoot: b.ParentRoot,
		Fork:       b.Fork.String(),
		ForkDigest: b.Digest,
		Size:       len(b.SSZ),
		Signature:  unchecked,
		SSZ:        fmt.Sprintf("%#x", b.SSZ),
	}
}
