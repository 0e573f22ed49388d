package lightclient_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/lightclient"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The files have what a production client served of a development chain of the mainnet preset, which stays in one sync
// committee period. The chain of package beacontest is of the minimal preset, and has four.
var (
	//go:embed testdata/mainnet.jsonl.gz
	mainnetObjects []byte
	//go:embed testdata/mainnet.yaml
	mainnetConfig []byte
)

// A recording is what a chain's node has served, and the chain's network.
type recording struct {
	network                                   *ssz.Network
	bootstraps, updates, finality, optimistic []beacon.Chunk         // by ascending slots
	finalized                                 lightclient.Checkpoint // by the last finality update
}

var mainnetRecording = sync.OnceValue(func() *recording {
	cfg, err := ssz.ParseConfig(mainnetConfig)
	must(err)
	genesis := rootOf("83431ec7fcf92cfc44947fc0418e831c25e1d0806590231c439830db7ad54fda")
	n, err := ssz.NewNetwork(*cfg, time.Unix(1796081606, 0), genesis)
	must(err)
	r := record(n, mainnetObjects)
	r.finalized = lightclient.Checkpoint{
		Epoch: 6, Root: rootOf("536c6b88c0ef2bfe67b43449e835b8d0f70bb76207f7a5b119651c99d970345e"),
	}
	return r
})

var minimalRecording = sync.OnceValue(func() *recording {
	chain := beacontest.Fulu()
	status, err := chain.Status(context.Background())
	must(err)
	of := func(items []*beacontest.Item) (chunks []beacon.Chunk) {
		for _, i := range items {
			chunks = append(chunks, beacon.Chunk{Fork: chain.Fork(i.Slot), SSZ: i.SSZ, Frames: i.Frames})
		}
		return chunks
	}
	return &recording{
		network: beacontest.FuluNetwork(), bootstraps: of(chain.Bootstraps), updates: of(chain.Updates),
		finality: of(beacontest.FuluFinalityUpdates()), optimistic: of(beacontest.FuluOptimisticUpdates()),
		finalized: lightclient.Checkpoint{Epoch: status.FinalizedEpoch, Root: status.FinalizedRoot},
	}
})

func record(n *ssz.Network, file []byte) *recording {
	z, err := gzip.NewReader(bytes.NewReader(file))
	must(err)
	r := &recording{network: n}
	for lines := json.NewDecoder(z); ; {
		var line struct {
			Kind, Fork string
			SSZ        string `json:"ssz_hex"`
		}
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			return r
		} else if err != nil {
			panic(err)
		}
		fork, err := ssz.ParseFork(line.Fork)
		must(err)
		b, err := hex.DecodeString(line.SSZ)
		must(err)
		c := beacon.Chunk{Fork: fork, SSZ: b}
		switch line.Kind {
		case "bootstrap":
			r.bootstraps = append(r.bootstraps, c)
		case "update":
			r.updates = append(r.updates, c)
		case "finality_update":
			r.finality = append(r.finality, c)
		case "optimistic_update":
			r.optimistic = append(r.optimistic, c)
		}
	}
}

func rootOf(s string) (r ssz.Root) {
	must(r.UnmarshalText([]byte(s)))
	return r
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func bootstrapOf(t testing.TB, n *ssz.Network, c beacon.Chunk) *lightclient.Bootstrap {
	t.Helper()
	b, err := lightclient.DecodeBootstrap(n, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func updateOf(t testing.TB, n *ssz.Network, kind beacon.Kind, c beacon.Chunk) *lightclient.Update {
	t.Helper()
	u, err := lightclient.DecodeUpdate(n, kind, c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// storeOf returns the store of a bootstrap, which is trusted.
func storeOf(t testing.TB, n *ssz.Network, c beacon.Chunk) *lightclient.Store {
	t.Helper()
	b := bootstrapOf(t, n, c)
	s, err := lightclient.NewStore(n, b.Header.Root, b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all returns all updates of a recording by ascending attested slot.
func (r *recording) all(t testing.TB) (updates []*lightclient.Update) {
	t.Helper()
	for kind, chunks := range map[beacon.Kind][]beacon.Chunk{
		beacon.KindLightClientUpdate:           r.updates,
		beacon.KindLightClientFinalityUpdate:   r.finality,
		beacon.KindLightClientOptimisticUpdate: r.optimistic,
	} {
		for _, c := range chunks {
			updates = append(updates, updateOf(t, r.network, kind, c))
		}
	}
	slices.SortFunc(updates, func(a, b *lightclient.Update) int {
		return cmp.Or(cmp.Compare(a.Attested.Slot, b.Attested.Slot), cmp.Compare(a.Kind, b.Kind))
	})
	return updates
}

const endOfTime = ssz.Slot(1 << 40)
