package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/call"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// serveFullChain serves the chain of package beacontest, whose head is in the slot of now. It returns
// the address and the flags of the network.
func serveFullChain(t *testing.T, chain *beacontest.Chain) (peer string, network []string) {
	t.Helper()
	peer, network, _ = serveChainAt(t, chain, beacontest.Head, nil)
	return peer, network
}

// serveChainAt serves a chain whose head is in the slot of now, and stays there: inclusion lists are
// to be had for two slots only. It returns the host too, and tells of every exchange.
func serveChainAt(t *testing.T, chain *beacontest.Chain, head ssz.Slot, trace *reqresp.Trace) (peer string, network []string, _ host.Host) {
	t.Helper()
	n := beacontest.NetworkSince(time.Now().Add(-beacontest.Network().TimeAt(head).Sub(beacontest.Network().GenesisTime())).Truncate(time.Second))
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics(), libp2p.DisableRelay())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	began := time.Now()
	srv := beacon.NewServer(h, n, chain, &beacon.ServerOptions{Trace: trace, Now: func() time.Time { return began }})
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop(t.Context()) })
	config := "PRESET_BASE: minimal\nGENESIS_FORK_VERSION: 0x00000001\n"
	for f := ssz.Altair; f <= ssz.Heze; f++ {
		config += fmt.Sprintf("%[1]s_FORK_EPOCH: %[2]d\n%[1]s_FORK_VERSION: 0x%02[2]x000001\n", strings.ToUpper(f.String()), uint8(f))
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return addressOf(h), []string{
		"--network.config", file, "--genesis-time", strconv.FormatInt(n.GenesisTime().Unix(), 10),
		"--genesis-validators-root", beacontest.GenesisValidatorsRoot.String(),
	}, h
}

func addressOf(h host.Host) string { return fmt.Sprintf("%v/p2p/%v", h.Addrs()[0], h.ID()) }

func TestCallKnowsEveryMethod(t *testing.T) {
	t.Parallel()
	chain := beacontest.New()
	peer, network := serveFullChain(t, chain)
	slot := func(s ssz.Slot) string { return strconv.FormatUint(uint64(s), 10) }
	blob, column, envelope, boot := chain.Blobs[3], chain.Columns[6], chain.Envelopes[2], chain.Bootstraps[9]
	list := chain.Lists[len(chain.Lists)-16+5]
	called := map[string]bool{"status": true, "ping": true, "metadata": true, "goodbye": true, "blocks-by-range": true, "blocks-by-root": true}
	for _, test := range []struct {
		args string
		name string // of the type
		want *beacontest.Item
	}{
		{"blob-sidecars-by-root --index 1 --root " + blob.Root.String(), "BlobSidecar", blob},
		{"data-column-sidecars-by-range --index 2 --start-slot " + slot(column.Slot), "DataColumnSidecar", column},
		{"data-column-sidecars-by-root --index 2 --root " + column.Root.String(), "DataColumnSidecar", column},
		{"light-client-bootstrap --root " + boot.Root.String(), "LightClientBootstrap", boot},
		{"light-client-updates-by-range --start-period 1", "LightClientUpdate", chain.Updates[1]},
		{"light-client-finality-update", "LightClientFinalityUpdate", chain.Finality},
		{"light-client-optimistic-update", "LightClientOptimisticUpdate", chain.Optimistic},
		{"execution-payload-envelopes-by-range --start-slot " + slot(envelope.Slot), "SignedExecutionPayloadEnvelope", envelope},
		{"execution-payload-envelopes-by-root --root " + envelope.Root.String(), "SignedExecutionPayloadEnvelope", envelope},
		{"inclusion-lists-by-indices --index 5 --root " + chain.Dependent.String() + " --start-slot " + slot(list.Slot), "SignedInclusionList", list},
	} {
		args := append([]string{"call", peer}, strings.Fields(test.args)...)
		called[args[2]] = true
		fork := chain.Fork(test.want.Slot)
		shape, err := beacontest.Network().ShapeOf(fork, test.name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := shape.AppendJSON(nil, test.want.SSZ)
		if err != nil {
			t.Fatal(err)
		}
		digest := beacontest.Network().DigestAt(ssz.Epoch(fork))
		want := fmt.Sprintf(`{"version":"%v","fork_digest":"%v","size":"%d","data":%s}`+"\n", fork, digest, len(test.want.SSZ), data)
		if got := succeed(t, append(args, network...)...); got != want {
			t.Errorf("%s: got %.300s\nwant %.300s", test.args, got, want)
		}
	}

	dir := t.TempDir()
	args := append([]string{"call", peer, "blob-sidecars-by-range", "--start-slot", slot(blob.Slot), "--ssz", "--out", dir}, network...)
	succeed(t, args...)
	called["blob-sidecars-by-range"] = true
	got, err := os.ReadFile(filepath.Join(dir, slot(blob.Slot)+"-1.ssz"))
	if err != nil || !bytes.Equal(got, blob.SSZ) {
		t.Errorf("%d bytes in the file of a blob, %v", len(got), err)
	}

	head := chain.Blocks[len(chain.Blocks)-1]
	lines := strings.Count(succeed(t, append([]string{"call", peer, "blocks-by-head", "--root", head.Root.String(), "--count", "9"}, network...)...), "\n")
	called["blocks-by-head"] = true
	if lines != 9 {
		t.Errorf("%d blocks by head, want 9", lines)
	}
	for _, name := range call.Methods() {
		if short := strings.ReplaceAll(strings.TrimPrefix(name, "beacon_"), "_", "-"); !called[short] {
			t.Errorf("%s was not called", name)
		}
	}
	fail(t, exitFailed, "the peer has 0 of the 1 blocks asked for", append([]string{"call", peer, "blocks-by-head", "--root", ssz.Root{9}.String()}, network...)...)
	fail(t, exitOK, "none of what was asked for", append([]string{"call", peer, "light-client-updates-by-range", "--start-period", "9"}, network...)...)
	fail(t, exitUsage, "--index 16: want 0 to 15", append([]string{"call", peer, "inclusion-lists-by-indices", "--index", "16", "--root", head.Root.String(), "--start-slot", "1"}, network...)...)
	fail(t, exitUsage, "at least one --index", append([]string{"call", peer, "blob-sidecars-by-root", "--root", head.Root.String()}, network...)...)
}
