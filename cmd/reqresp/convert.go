package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

const convertDescription = `Moves the history of a store, whose node must not run, from its database to flat files
beside it. Earlier versions kept all blocks in the database; it now has only those that are not final.

It is optional: 'reqresp serve' does the same while it serves, and 'reqresp sync' some of it with
each batch of blocks. Earlier versions of reqresp refuse a store once anything is written to it.

Blocks are history once they are final. It fails if no finalized block is known: 'reqresp sync'
records one, and so does 'reqresp import' with --finalized-root and --finalized-epoch.

It needs about 512 MiB of free space. If it is interrupted, the next run goes on from there.`

func (a *app) convert() command {
	return command{
		name: "convert", usage: "move the history of a store to flat files", description: convertDescription,
		configured: []string{"node.data_dir"},
		run:        a.runConvert,
	}
}

func (a *app) runConvert(ctx context.Context, in *invocation) (err error) {
	dir, err := in.datadir()
	if err != nil {
		return err
	}
	s, done, err := in.openExistingStore(dir)
	if err != nil {
		return err
	}
	defer done(&err)
	m := a.meter()
	defer m.end()
	err = s.Convert(ctx, func(slot, last ssz.Slot) {
		m.show(uint64(slot), uint64(last), "slot %d of %d is in flat files", slot, last)
	})
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		return in.explainStore(err)
	}
	m.end()
	if s.Info().Final == 0 {
		return fmt.Errorf("nothing was moved, as no finalized block of the store in %s is known: record one by "+
			"'reqresp sync', or by 'reqresp import' with --finalized-root and --finalized-epoch", dir)
	}
	a.stdout.printf("all history is in flat files\n")
	return nil
}
