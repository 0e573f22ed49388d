package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// knowsMore tells whether n has another schedule than other, and one that is no older: without fewer forks, or
// fewer changes of the blob parameters.
func knowsMore(n, other *ssz.Network) bool {
	ours, theirs := n.Config(), other.Config()
	return !slices.EqualFunc(n.Periods(), other.Periods(), sameBegin) &&
		forksOf(&ours) >= forksOf(&theirs) && len(ours.BlobSchedule) >= len(theirs.BlobSchedule)
}

// forksOf counts the forks that are scheduled.
func forksOf(c *ssz.Config) (n int) {
	for _, f := range c.Forks {
		if f.Epoch != ssz.FarFutureEpoch {
			n++
		}
	}
	return n
}

// HasSchedule tells whether n has the forks and the changes of the blob parameters that other has scheduled up to an
// epoch. It may have more.
func HasSchedule(n, other *ssz.Network, until ssz.Epoch) bool {
	ours, theirs := n.Config(), other.Config()
	for f, fork := range theirs.Forks {
		if fork.Epoch <= until && fork.Epoch != ssz.FarFutureEpoch && ours.Forks[f] != fork {
			return false
		}
	}
	return !slices.ContainsFunc(theirs.BlobSchedule, func(b ssz.BlobParameters) bool {
		return b.Epoch <= until && !slices.Contains(ours.BlobSchedule, b)
	})
}

// Differences names the values of a network that decide its fork digests and are others than those of the network
// before, such as "GLOAS_FORK_EPOCH is 353024, was not scheduled".
func Differences(network, before *ssz.Network) (all []string) {
	n, b := network.Config(), before.Config()
	add := func(key string, is, was any) {
		if is, was := fmt.Sprint(is), fmt.Sprint(was); is != was {
			all = append(all, fmt.Sprintf("%s is %s, was %s", key, is, was))
		}
	}
	add("genesis time", network.GenesisTime().Unix(), before.GenesisTime().Unix())
	add("genesis validators root", network.GenesisValidatorsRoot(), before.GenesisValidatorsRoot())
	add("PRESET_BASE", n.Preset, b.Preset)
	for f := range n.Forks {
		is, was := n.Forks[f], b.Forks[f]
		prefix := strings.ToUpper(ssz.Fork(f).String())
		if f == int(ssz.Phase0) {
			prefix = "GENESIS"
		}
		add(prefix+"_FORK_EPOCH", epoch(is.Epoch), epoch(was.Epoch))
		if is.Epoch != ssz.FarFutureEpoch && was.Epoch != ssz.FarFutureEpoch {
			add(prefix+"_FORK_VERSION", is.Version, was.Version)
		}
	}
	add("MAX_BLOBS_PER_BLOCK_ELECTRA", n.MaxBlobsPerBlockElectra, b.MaxBlobsPerBlockElectra)
	add("BLOB_SCHEDULE", blobSchedule(n.BlobSchedule), blobSchedule(b.BlobSchedule))
	return all
}

func differences(n, before *network) []string { return Differences(n.parsed, before.parsed) }

func epoch(e ssz.Epoch) string {
	if e == ssz.FarFutureEpoch {
		return "not scheduled"
	}
	return fmt.Sprint(uint64(e))
}

func blobSchedule(entries []ssz.BlobParameters) string {
	if len(entries) == 0 {
		return "empty"
	}
	texts := make([]string, len(entries))
	for i, e := range entries {
		texts[i] = fmt.Sprintf("%d blobs from epoch %d", e.MaxBlobsPerBlock, e.Epoch)
	}
	return strings.Join(texts, " and ")
}
