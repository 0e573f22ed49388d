package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const eraDescription = `Era files archive the history of a chain: each has the blocks of 8192 slots, an era,
and the state at its end. Of a directory (DIR) those files count that have the name of an era file, like
mainnet-00001-40cf2f3c.era.

   list    what files have, by their indices
   check   whether files are intact, and link
   index   have blocks of a directory found by root
   export  write era files from a store and states

Blocks are read from them by 'reqresp import', or served as they are by 'reqresp serve --era'.`

func (a *app) era() *cli.Command {
	return &cli.Command{
		Name: "era", Usage: "list, check, index and write era files", Description: eraDescription,
		Commands: []*cli.Command{
			a.eraList().cli(), a.eraCheck().cli(), a.eraIndex().cli(), a.eraExport().cli(),
		},
		HideHelpCommand: true, Action: noCommand, OnUsageError: onUsageError,
	}
}

// eraExtension is what the names of era files end with.
const eraExtension = ".era"

// eraFiles returns the era files that an argument names: a file, or those of a network in a directory, in the order of
// their names. A network without a name, which is its CONFIG_NAME, takes all.
func eraFiles(path, network string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		name, err := era.ParseName(entry.Name())
		if err == nil && (network == "" || name.Config == network) {
			files = append(files, filepath.Join(path, entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no era files of %s", path, cmp.Or(network, "any network"))
	}
	return files, nil
}

const eraListDescription = `Prints what era files have, as their indices say: eras, slots, blocks, empty slots
and bytes. It reads nothing else of them, and needs no network.

With --json it prints one object: files, a list of file, first_era, last_era, first_slot, end_slot
(the one after the last), blocks, empty_slots and bytes, with error for a file that cannot be read.`

// eraListResult is the JSON of era list.
type eraListResult struct {
	Files []listedFile `json:"files"`
}

type listedFile struct {
	File       string   `json:"file"`
	FirstEra   uint64   `json:"first_era"`
	LastEra    uint64   `json:"last_era"`
	FirstSlot  ssz.Slot `json:"first_slot"`
	EndSlot    ssz.Slot `json:"end_slot"`
	Blocks     uint64   `json:"blocks"`
	EmptySlots uint64   `json:"empty_slots"`
	Bytes      uint64   `json:"bytes"`
	Error      string   `json:"error,omitempty"`
}

func (a *app) eraList() command {
	asJSON := false
	return command{
		name: "list", usage: "print what era files have", args: "FILE|DIR...", least: 1, description: eraListDescription,
		flags: settings.Table{jsonFlag(&asJSON, "print what files have as one JSON object")},
		run:   func(ctx context.Context, in *invocation) error { return a.runEraList(ctx, in, asJSON) },
	}
}

func (a *app) runEraList(ctx context.Context, in *invocation, asJSON bool) error {
	result := eraListResult{Files: []listedFile{}}
	unreadable := 0
	for _, arg := range in.args {
		files, err := eraFiles(arg, "")
		if err != nil {
			return err
		}
		for _, path := range files {
			l, err := listEra(ctx, path)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				l.Error = strings.TrimPrefix(err.Error(), path+": ")
				unreadable++
			}
			result.Files = append(result.Files, l)
		}
	}
	if err := a.printEraList(result, asJSON); err != nil {
		return err
	}
	if unreadable > 0 {
		return fmt.Errorf("%d of %d files cannot be read", unreadable, len(result.Files))
	}
	return nil
}

// listEra returns what a file has.
func listEra(ctx context.Context, path string) (l listedFile, err error) {
	l.File = path
	f, err := era.Open(ctx, path)
	if err != nil {
		return l, err
	}
	defer func() { _ = f.Close() }()
	info, err := os.Stat(path)
	if err != nil {
		return l, err
	}
	groups := f.Groups()
	l.FirstEra, l.LastEra, l.Bytes = groups[0].Era(), groups[len(groups)-1].Era(), uint64(info.Size())
	l.FirstSlot, l.EndSlot = f.Slots()
	for _, g := range groups {
		for range g.Blocks() {
			l.Blocks++
		}
	}
	l.EmptySlots = uint64(l.EndSlot-l.FirstSlot) - l.Blocks
	return l, nil
}

func (a *app) printEraList(r eraListResult, asJSON bool) error {
	if asJSON {
		return a.stdout.printJSON(r)
	}
	t := newTable(a.stdout, "FILE", "ERAS", "SLOTS", "BLOCKS", "EMPTY", "SIZE")
	for _, l := range r.Files {
		switch {
		case l.Error != "":
			t.row(l.File, l.Error)
		case l.FirstSlot == l.EndSlot:
			t.row(l.File, spanText(l.FirstEra, l.LastEra), "", l.Blocks, l.EmptySlots, size(l.Bytes))
		default:
			t.row(l.File, spanText(l.FirstEra, l.LastEra), spanText(l.FirstSlot, l.EndSlot-1), l.Blocks, l.EmptySlots,
				size(l.Bytes))
		}
	}
	return t.flush()
}

func spanText[T ~uint64](first, last T) string {
	if first == last {
		return fmt.Sprint(uint64(first))
	}
	return fmt.Sprintf("%d-%d", first, last)
}
