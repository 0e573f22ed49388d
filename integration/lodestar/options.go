package lodestar

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validators is the number of interop validators in the genesis state of every node.
const validators = 16

// farFuture is the epoch of a fork that never happens.
const farFuture = 1<<64 - 1

// forks are the forks after phase0 that Lodestar 1.5.1 knows and this package schedules.
var forks = []string{"altair", "bellatrix", "capella"}

// Options say what chain a node is on and what it does there. The zero value is a chain of its own. Two nodes are
// on one chain if their GenesisTime, SecondsPerSlot and ForkEpochs are equal.
type Options struct {
	// GenesisTime is when slot 0 begins, in whole seconds. The zero time lets Lodestar choose: 5 s after it
	// has loaded its program, which leaves a busy machine the time to get ready. If it is more than 8 slots in the
	// past, only a node that follows is of use: validators wait for a sync that never comes.
	GenesisTime time.Time

	// SecondsPerSlot is the duration of a slot. Zero means 2.
	SecondsPerSlot uint64

	// ForkEpochs is the first epoch, of 8 slots, of each of the forks altair, bellatrix and capella. A fork that
	// is not in the map never happens. A nil map means altair at epoch 1, bellatrix at 2 and capella at 3;
	// an empty one means phase0 for ever. The order is fixed, no fork can be left out before a later one, and no
	// two can share an epoch. Altair may be at epoch 0.
	ForkEpochs map[string]uint64

	// Follow starts the node without validators of its own: its head stays at genesis until it syncs from a peer.
	// Such a node needs the GenesisTime of the chain it is to follow. By default a node runs all 16
	// validators, and so makes the chain.
	Follow bool
}

// args returns the command line of a node whose REST API is to listen on port rest.
func (o Options) args(rest string) ([]string, error) {
	if o.Follow && o.GenesisTime.IsZero() {
		return nil, fmt.Errorf("lodestar: Options.Follow is set and GenesisTime is not: take it from the chain to follow")
	}
	args := []string{
		"dev",
		"--dataDir", "data",
		"--logFile", "none",
		"--genesisValidators", strconv.Itoa(validators),
		"--listenAddress", "127.0.0.1", "--port", "0",
		"--discv5", "false", "--mdns", "false",
		"--rest.address", "127.0.0.1", "--rest.port", rest, "--rest.namespace", "*",
		"--eth1", "false", "--execution.engineMock", "true",
	}
	if !o.GenesisTime.IsZero() {
		args = append(args, "--genesisTime", strconv.FormatInt(o.GenesisTime.Unix(), 10))
	}
	if o.Follow {
		// The dev command deems itself synced when it is alone, unless told otherwise.
		args = append(args, "--sync.isSingleNode", "false")
	} else {
		args = append(args, "--startValidators", fmt.Sprintf("0..%d", validators-1),
			"--beaconNodes", "http://127.0.0.1:"+rest)
	}
	params, err := o.params()
	return append(args, params...), err
}

// params returns the settings that replace those of the minimal configuration.
func (o Options) params() ([]string, error) {
	epochs := o.ForkEpochs
	if epochs == nil {
		epochs = map[string]uint64{"altair": 1, "bellatrix": 2, "capella": 3}
	}
	if err := checkForks(epochs); err != nil {
		return nil, err
	}
	seconds := o.SecondsPerSlot
	if seconds == 0 {
		seconds = 2
	}
	params := []string{"--params.SECONDS_PER_SLOT", strconv.FormatUint(seconds, 10)}
	for _, name := range forks {
		epoch, ok := epochs[name]
		if !ok {
			epoch = farFuture
		}
		params = append(params, "--params."+strings.ToUpper(name)+"_FORK_EPOCH", strconv.FormatUint(epoch, 10))
	}
	return params, nil
}

// checkForks refuses schedules with which Lodestar makes no blocks from the first wrong fork on.
func checkForks(epochs map[string]uint64) error {
	for _, name := range slices.Sorted(maps.Keys(epochs)) {
		if !slices.Contains(forks, name) {
			return fmt.Errorf("lodestar: Options.ForkEpochs has fork %q, allowed are %s", name, strings.Join(forks, ", "))
		}
	}
	for i, name := range forks[1:] {
		epoch, ok := epochs[name]
		before, scheduled := epochs[forks[i]]
		if ok && (!scheduled || epoch <= before) {
			return fmt.Errorf("lodestar: Options.ForkEpochs has %s at epoch %d, allowed is an epoch after that of %s",
				name, epoch, forks[i])
		}
	}
	return nil
}
