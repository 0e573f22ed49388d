package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// numberOfColumns is NUMBER_OF_COLUMNS of the specs.
const numberOfColumns = 128

// checkAsked refuses a call that asks for more objects than one answer may have, by the row of its
// protocol. The specs limit the answer in every row; of lists by root they limit the request as well.
func checkAsked(cmd *cli.Command, name string, n *ssz.Network) error {
	request := requestOf(cmd, name)
	if request == nil {
		return nil
	}
	if err := checkRange(cmd, name); err != nil {
		return err
	}
	if err := checkColumns(cmd, name, n); err != nil {
		return err
	}
	row := rowOf(n, name)
	asked, most := row.Asked(request), row.MaxItems(n.ForkAt(n.EpochOf(n.SlotAt(time.Now()))))
	if asked <= most {
		return nil
	}
	return usagef(cmd, "%s: up to %d objects are asked for, of which the network allows at most %d in one answer",
		flagsAsked(cmd, methods[name]), asked, most)
}

// checkRange refuses a range that goes beyond the last slot or period of all, which peers find invalid.
func checkRange(cmd *cli.Command, name string) error {
	for _, flag := range []string{"start-slot", "start-period"} {
		start, count := cmd.Uint64(flag), cmd.Uint64("count")
		if cmd.IsSet(flag) && slices.Contains(methods[name].flags, "count") && start > math.MaxUint64-(count-1) {
			return usagef(cmd, "--%s %d and --count %d: there are no such %ss", flag, start, count, strings.TrimPrefix(flag, "start-"))
		}
	}
	return nil
}

// checkColumns refuses columns that there are not, and a list of more blocks than a request for columns may have,
// however few are asked for of each.
func checkColumns(cmd *cli.Command, name string, n *ssz.Network) error {
	if !strings.HasPrefix(name, "data-column") {
		return nil
	}
	for _, index := range cmd.Uint64Slice("index") {
		if index >= numberOfColumns {
			return usagef(cmd, "--index %d: a block has the columns 0 to %d", index, numberOfColumns-1)
		}
	}
	roots, most := len(cmd.StringSlice("root")), n.Config().MaxRequestBlocksDeneb
	if uint64(roots) > most {
		return usagef(cmd, "%d times --root: the network allows at most %d", roots, most)
	}
	return nil
}

// flagsAsked spells out the flags that tell how much is asked for.
func flagsAsked(cmd *cli.Command, m method) string {
	var flags []string
	if slices.Contains(m.flags, "count") {
		flags = append(flags, fmt.Sprintf("--count %d", cmd.Uint64("count")))
	} else {
		flags = append(flags, fmt.Sprintf("%d times --root", len(cmd.StringSlice("root"))))
	}
	if indices := len(cmd.Uint64Slice("index")); indices > 0 {
		flags = append(flags, fmt.Sprintf("%d times --index", indices))
	}
	return strings.Join(flags, " and ")
}

// rowOf returns the row of a method's protocol, in its preferred version.
func rowOf(n *ssz.Network, name string) *beacon.Protocol {
	protocol := strings.ReplaceAll(name, "-", "_")
	if isBlocks(name) {
		protocol = "beacon_" + protocol
	}
	rows := beacon.NewFamily(n).Protocols()
	return rows[slices.IndexFunc(rows, func(p *beacon.Protocol) bool { return p.Name == protocol })]
}

// requestOf returns the request of a method for objects of which there may be many, nil for others.
func requestOf(cmd *cli.Command, name string) any {
	start, count := ssz.Slot(cmd.Uint64("start-slot")), cmd.Uint64("count")
	roots := make([]ssz.Root, len(cmd.StringSlice("root"))) // how many is all that counts
	columns := cmd.Uint64Slice("index")
	switch name {
	case "blocks-by-range":
		return &ssz.BeaconBlocksByRangeRequest{StartSlot: start, Count: count, Step: 1}
	case "blocks-by-root":
		return (*ssz.BeaconBlocksByRootRequest)(&roots)
	case "blocks-by-head":
		return &ssz.BeaconBlocksByHeadRequest{Count: count}
	case "blob-sidecars-by-range":
		return &ssz.BlobSidecarsByRangeRequest{StartSlot: start, Count: count}
	case "blob-sidecars-by-root":
		return new(make(ssz.BlobSidecarsByRootRequest, len(roots)*len(columns)))
	case "data-column-sidecars-by-range":
		return &ssz.DataColumnSidecarsByRangeRequest{StartSlot: start, Count: count, Columns: columns}
	case "data-column-sidecars-by-root":
		ids := make(ssz.DataColumnSidecarsByRootRequest, len(roots))
		for i := range ids {
			ids[i].Columns = columns
		}
		return &ids
	case "light-client-updates-by-range":
		return &ssz.LightClientUpdatesByRangeRequest{Count: count}
	case "execution-payload-envelopes-by-range":
		return &ssz.ExecutionPayloadEnvelopesByRangeRequest{StartSlot: start, Count: count}
	case "execution-payload-envelopes-by-root":
		return (*ssz.ExecutionPayloadEnvelopesByRootRequest)(&roots)
	}
	return nil
}
