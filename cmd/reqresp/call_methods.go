package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v3"
)

// A method is what can be called. Flags are those of its request and its answer; each of those in
// needs has to be given.
type method struct {
	flags, needs []string
	single       bool // exactly one object answers
	call         func(*caller, context.Context) error
}

// methods are named for the protocols.
var methods = map[string]method{
	"status":   {single: true, call: (*caller).status},
	"ping":     {single: true, call: (*caller).ping},
	"metadata": {single: true, call: (*caller).metadata},
	"goodbye":  {single: true, call: (*caller).goodbye},

	"blocks-by-range": {[]string{"start-slot", "count", "out"}, []string{"start-slot"}, false, (*caller).blocksByRange},
	"blocks-by-root":  {[]string{"root", "out"}, []string{"root"}, false, (*caller).blocksByRoot},
	"blocks-by-head":  {[]string{"root", "count", "out"}, []string{"root"}, false, (*caller).blocksByHead},

	"blob-sidecars-by-range": {[]string{"start-slot", "count", "out"}, []string{"start-slot"}, false, (*caller).blobsByRange},
	"blob-sidecars-by-root":  {[]string{"root", "index", "out"}, []string{"root", "index"}, false, (*caller).blobsByRoot},
	"data-column-sidecars-by-range": {
		[]string{"start-slot", "count", "index", "out"}, []string{"start-slot", "index"}, false, (*caller).columnsByRange,
	},
	"data-column-sidecars-by-root": {[]string{"root", "index", "out"}, []string{"root", "index"}, false, (*caller).columnsByRoot},

	"light-client-bootstrap":         {[]string{"root"}, []string{"root"}, true, (*caller).bootstrap},
	"light-client-updates-by-range":  {[]string{"start-period", "count", "out"}, []string{"start-period"}, false, (*caller).updatesByRange},
	"light-client-finality-update":   {single: true, call: (*caller).finalityUpdate},
	"light-client-optimistic-update": {single: true, call: (*caller).optimisticUpdate},

	"execution-payload-envelopes-by-range": {[]string{"start-slot", "count", "out"}, []string{"start-slot"}, false, (*caller).envelopesByRange},
	"execution-payload-envelopes-by-root":  {[]string{"root", "out"}, []string{"root"}, false, (*caller).envelopesByRoot},
	"inclusion-lists-by-indices": {
		[]string{"start-slot", "root", "index", "out"}, []string{"start-slot", "root", "index"}, false, (*caller).inclusionLists,
	},
}

// methodFlags are all flags that some methods know.
var methodFlags = []string{"start-slot", "start-period", "count", "root", "index", "out"}

// ofOneRoot are the methods that ask about one block.
var ofOneRoot = []string{"blocks-by-head", "light-client-bootstrap", "inclusion-lists-by-indices"}

// checkFlags refuses flags that are of no effect, and finds those that lack.
func checkFlags(cmd *cli.Command, name string, m method) error {
	for _, flag := range methodFlags {
		if cmd.IsSet(flag) && !slices.Contains(m.flags, flag) {
			return usagef(cmd, "--%s is of no effect with %s", flag, name)
		}
	}
	for _, flag := range m.needs {
		switch {
		case cmd.IsSet(flag):
		case flag == "root" || flag == "index":
			return usagef(cmd, "%s needs at least one --%s", name, flag)
		default:
			return usagef(cmd, "%s needs --%s", name, flag)
		}
	}
	switch {
	case slices.Contains(ofOneRoot, name) && len(cmd.StringSlice("root")) > 1:
		return usagef(cmd, "%s takes one --root, not %d", name, len(cmd.StringSlice("root")))
	case slices.Contains(m.flags, "count") && cmd.Uint64("count") == 0:
		return usagef(cmd, "%s needs a --count of at least 1", name)
	case cmd.IsSet("out") && !cmd.Bool("ssz"):
		return usagef(cmd, "--out needs --ssz: JSON goes to standard output")
	case cmd.Bool("ssz") && !cmd.IsSet("out") && !m.single && (!isBlocks(name) || blocksAsked(cmd, m) > 1):
		return usagef(cmd, "--ssz of more than one object needs --out DIR")
	}
	return nil
}

func isBlocks(name string) bool {
	return slices.Contains([]string{"blocks-by-range", "blocks-by-root", "blocks-by-head"}, name)
}

// blocksAsked returns how many blocks the answer may have, of a method for blocks.
func blocksAsked(cmd *cli.Command, m method) uint64 {
	if slices.Contains(m.flags, "count") {
		return cmd.Uint64("count")
	}
	return uint64(len(cmd.StringSlice("root")))
}
