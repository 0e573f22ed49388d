package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const eraExportDescription = `Writes eras of a store to era files. An era file ends with the state after the era,
which a store does not have: each STATE names an era by the state that ends it. It is a file with the
SSZ of a BeaconState, as the beacon API serves it by /eth/v2/debug/beacon/states/SLOT, of a slot that
8192 divides; or an era file, whose states are taken. The store must have all blocks of the era. Its
node must not run.

Each file is verified as by 'reqresp era check' before it gets its name, so that a file of that name is
whole. One that is there already is left alone. A state is in memory as a whole, hundreds of MiB on
mainnet.

With --json it prints one object: files, a list of file, era, blocks, bytes and written, which is false
for those that were there already.`

// eraExportResult is the JSON of era export.
type eraExportResult struct {
	Files []exportedEra `json:"files"`
}

type exportedEra struct {
	File    string `json:"file"`
	Era     uint64 `json:"era"`
	Blocks  int    `json:"blocks"`
	Bytes   int64  `json:"bytes"`
	Written bool   `json:"written"`
}

func (a *app) eraExport() command {
	asJSON, out := false, "."
	return command{
		name: "export", usage: "write era files from a store and states", args: "STATE...", least: 1,
		description: eraExportDescription, configured: []string{"node.data_dir"},
		flags: settings.Table{
			settings.New("", "out", settings.Text(&out, nil), "`DIR` to write to"),
			jsonFlag(&asJSON, "print what was written as one JSON object"),
		},
		run: func(ctx context.Context, in *invocation) error { return a.runEraExport(ctx, in, out, asJSON) },
	}
}

func (a *app) runEraExport(ctx context.Context, in *invocation, out string, asJSON bool) (err error) {
	dir, err := in.datadir()
	if err != nil {
		return err
	}
	s, done, err := in.openExistingStore(dir)
	if err != nil {
		return err
	}
	defer done(&err)
	e := &exporter{store: s, out: out}
	if stored, ok := s.Network(); !ok {
		return fmt.Errorf("the store in %s is empty", dir)
	} else if e.network, err = stored.Parse(); err != nil {
		return err
	}
	if e.network.Config().Name == "" {
		return errors.New("the network's configuration has no CONFIG_NAME, which the names of era files begin with")
	}
	result := eraExportResult{Files: []exportedEra{}}
	for _, path := range in.args {
		for frames, err := range e.states(ctx, path) {
			var written exportedEra
			if err == nil {
				written, err = e.export(ctx, frames)
			}
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			result.Files = append(result.Files, written)
			if !asJSON {
				a.printExported(written)
			}
		}
	}
	if asJSON {
		return a.stdout.printJSON(result)
	}
	return nil
}

func (a *app) printExported(e exportedEra) {
	if !e.Written {
		a.stdout.printf("%s: is there already\n", e.File)
		return
	}
	a.stdout.printf("%s: era %d, %d blocks, %s\n", e.File, e.Era, e.Blocks, size(uint64(e.Bytes)))
}

// An exporter writes era files of the blocks of a store.
type exporter struct {
	store   *store.Store
	network *ssz.Network
	out     string // the directory
}

// states returns the frames of the states of a file, which is an era file or a state.
func (e *exporter) states(ctx context.Context, path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if filepath.Ext(path) != eraExtension {
			encoded, err := os.ReadFile(path)
			yield(snappy.AppendFrames(nil, encoded), err)
			return
		}
		f, err := era.Open(ctx, path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = f.Close() }()
		for _, g := range f.Groups() {
			if frames, err := g.StateFrames(ctx, nil); !yield(frames, err) || err != nil {
				return
			}
		}
	}
}

// export writes the era file that a state ends.
func (e *exporter) export(ctx context.Context, state []byte) (exportedEra, error) {
	file, err := os.CreateTemp(e.out, "*"+eraExtension+".tmp")
	if err != nil {
		return exportedEra{}, err
	}
	defer func() { _ = os.Remove(file.Name()) }() // unless it has got its name
	defer func() { _ = file.Close() }()           // an error is that of Sync
	to := bufio.NewWriterSize(file, 1<<20)
	w := era.NewWriter(to, e.network)
	blocks, err := e.blocks(ctx, w, state)
	if err == nil {
		err = w.State(state)
	}
	if err == nil {
		err = to.Flush()
	}
	if err != nil {
		return exportedEra{}, err
	}
	name, _ := w.Name()
	written := exportedEra{File: filepath.Join(e.out, name.String()), Era: name.Era, Blocks: blocks}
	if info, err := os.Stat(written.File); err == nil {
		written.Bytes = info.Size()
		return written, nil
	}
	return e.publish(ctx, file, written)
}

// blocks writes the blocks of the era that a state ends, and returns their number.
func (e *exporter) blocks(ctx context.Context, w *era.Writer, state []byte) (blocks int, err error) {
	const slotAt = 8 + 32 // after genesis time and genesis validators root
	var slot [8]byte
	r, err := snappy.NewReaderAt(state)
	if err == nil {
		_, err = r.ReadAt(slot[:], slotAt)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", era.ErrState, err)
	}
	end, perEra := ssz.Slot(binary.LittleEndian.Uint64(slot[:])), era.SlotsPerEra(e.network)
	if end%perEra != 0 {
		return 0, fmt.Errorf("%w: it is that of slot %d, not after an era of %d slots", era.ErrState, end, perEra)
	}
	if end == 0 {
		return 0, nil
	}
	for ref, err := range e.store.BlocksByRange(ctx, max(end-perEra, e.store.Info().Earliest), uint64(perEra)) {
		if err != nil || ref.Slot >= end {
			return blocks, err
		}
		frames, err := e.store.AppendFrames(ctx, ref, nil)
		if err != nil {
			return blocks, err
		}
		if err := w.Block(frames); err != nil {
			return blocks, err
		}
		blocks++
	}
	return blocks, nil
}

// publish verifies a file and gives it its name.
func (e *exporter) publish(ctx context.Context, file *os.File, written exportedEra) (exportedEra, error) {
	info, err := file.Stat()
	if err != nil {
		return written, err
	}
	f, err := era.NewFile(ctx, e2store.NewSource(io.NewSectionReader(file, 0, info.Size()), info.Size()),
		filepath.Base(written.File))
	if err != nil {
		return written, err
	}
	if _, err := f.Check(ctx, e.network); err != nil {
		return written, err
	}
	if err := errors.Join(file.Chmod(0o644), file.Sync()); err != nil {
		return written, err
	}
	if err := atomicfile.Rename(file.Name(), written.File); err != nil {
		return written, err
	}
	written.Bytes, written.Written = info.Size(), true
	return written, nil
}
