package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const demoDescription = `Runs two nodes in this process and has one download from the other, over QUIC on this
machine, what a real development chain holds: 204 blocks of the forks deneb, electra and fulu, with 18
blob sidecars and 1408 data columns, made by a production client and bundled with this program. Then it
verifies every root and every KZG proof anew from what was stored, and compares all of it with what is
bundled. It succeeds only if everything matches.

With --json it prints one object, such as
{"blocks":204,"bytes":469505,"sidecars":1426,"mismatches":0,"seconds":0.4}: bytes are those of the
blocks' SSZ, seconds those of handshake and download.`

func (a *app) demo() command {
	asJSON := false
	return command{
		name: "demo", usage: "sync a bundled chain between two nodes in this process, and check every block",
		description: demoDescription, configured: []string{"log"}, verbosity: quiet,
		flags: settings.Table{jsonFlag(&asJSON, "print the outcome as one JSON object")},
		run:   func(ctx context.Context, in *invocation) error { return a.runDemo(ctx, in, asJSON) },
	}
}

// A demo is what the demo has found.
type demo struct {
	server, client peer.ID
	addr           string // where the server was dialed
	chain          []*beacon.Block
	status         beacon.Status // what the server told
	result         rangesync.Result
	blobs, columns int           // that were downloaded
	sidecarBytes   uint64        // of their SSZ
	elapsed        time.Duration // of handshake and downloads
	mismatches     int
}

// demoResult is the demo's JSON.
type demoResult struct {
	Blocks     uint64  `json:"blocks"`
	Bytes      uint64  `json:"bytes"`
	Sidecars   int     `json:"sidecars"`
	Mismatches int     `json:"mismatches"`
	Seconds    float64 `json:"seconds"`
}

func (a *app) runDemo(ctx context.Context, in *invocation, asJSON bool) error {
	d, err := a.playDemo(ctx, a.logger(in.config))
	if ctx.Err() != nil {
		return errors.New("interrupted, nothing is left of it")
	}
	if err != nil {
		return err
	}
	if asJSON {
		err = a.stdout.printJSON(demoResult{
			d.result.Blocks, d.result.Bytes, d.blobs + d.columns, d.mismatches, seconds(d.elapsed),
		})
	} else {
		d.print(a.stdout)
	}
	if d.mismatches > 0 {
		err = errors.Join(err, fmt.Errorf("%d objects are not what they should be", d.mismatches))
	}
	return err
}

// playDemo runs both nodes, in a directory that it removes.
func (a *app) playDemo(ctx context.Context, logger *slog.Logger) (d *demo, err error) {
	dir, err := os.MkdirTemp("", "reqresp-demo-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := demoConfig()
	cfg.Logger = logger
	server, err := start(filepath.Join(dir, "server"), nil, cfg)
	if err != nil {
		return nil, err
	}
	defer server.close(&err)
	client, err := start(filepath.Join(dir, "client"), nil, cfg)
	if err != nil {
		return nil, err
	}
	defer client.close(&err)
	chain := beacontest.FuluBlocks()[1:] // A sync begins after the genesis block.
	if err := fill(ctx, server.Store(), chain); err != nil {
		return nil, err
	}
	d = &demo{chain: chain, server: server.Host().ID(), client: client.Host().ID()}
	return d, d.play(ctx, server.Host(), client)
}

// demoConfig is that of both nodes, which have all columns in custody. Their clock stands still shortly after the
// chain's head, so that the demo is the same in every year.
func demoConfig() plugin.Config {
	now := beacontest.FuluNetwork().TimeAt(beacontest.FuluHead + 1)
	genesis, root := beacontest.FuluGenesis()
	return plugin.Config{
		Genesis: &store.Network{
			Config:                beacontest.FuluConfig(),
			GenesisTime:           uint64(genesis.Unix()),
			GenesisValidatorsRoot: root,
		},
		Listen:  []string{"/ip4/127.0.0.1/udp/0/quic-v1"},
		Custody: ssz.NumberOfCustodyGroups,
		Now:     func() time.Time { return now },
	}
}

// fill stores a chain with the sidecars that are bundled.
func fill(ctx context.Context, s *store.Store, chain []*beacon.Block) error {
	status, err := beacontest.Fulu().Status(ctx)
	if err != nil {
		return err
	}
	if err := s.SetSource(ctx, status); err != nil {
		return err
	}
	if err := s.Append(ctx, chain...); err != nil {
		return err
	}
	bundled := newSidecars()
	for _, b := range beacontest.Fulu().BlobSidecars() {
		bundled.addBlob(b)
	}
	for _, d := range beacontest.Fulu().DataColumnSidecars() {
		bundled.addColumn(d)
	}
	return s.AppendSidecars(ctx, bundled.list()...)
}

// play has the client greet the server and download, and checks what it has stored.
func (d *demo) play(ctx context.Context, server host.Host, client *instance) (err error) {
	info := *host.InfoFromHost(server)
	d.addr = info.Addrs[0].String()
	began := time.Now()
	if d.status, err = client.handshake(ctx, info); err != nil {
		return err
	}
	from := rangesync.Source{Client: client.Server().Client(), Peer: info.ID, Status: d.status}
	opts := &rangesync.Options{TrustedRoot: d.finalizedRoot()}
	if d.result, err = rangesync.Run(ctx, from, client.Store(), opts); err != nil {
		return err
	}
	if err := d.downloadSidecars(ctx, from, client.Store()); err != nil {
		return err
	}
	d.elapsed = time.Since(began)
	if d.mismatches, err = mismatches(ctx, client.Store(), d.chain); err != nil {
		return err
	}
	differ, err := sidecarMismatches(ctx, client.Store(), beacontest.Fulu())
	d.mismatches += differ
	return err
}

// finalizedRoot returns the root of the finalized block, which the demo trusts.
func (d *demo) finalizedRoot() ssz.Root {
	slot := beacontest.FuluNetwork().StartSlot(beacontest.FuluFinalized)
	i := slices.IndexFunc(d.chain, func(b *beacon.Block) bool { return b.Slot == slot })
	return d.chain[i].Root
}

// print tells what has happened, to somebody who sees it for the first time.
func (d *demo) print(o *output) {
	n := beacontest.FuluNetwork()
	o.printf("Two go-ethereum nodes with the Req/Resp service, in this process:\n")
	o.printf("  server  %v serves %d blocks with their sidecars from its embedded store\n", d.server, len(d.chain))
	o.printf("  client  %v has an empty store and dials %s\n\n", d.client, d.addr)

	o.printf("1. Status handshake. Client and server told each other their view of the chain:\n")
	o.printf("   fork digest  %v, which both have: so they are of one network, in the same fork\n", d.status.ForkDigest)
	o.printf("   finalized    epoch %d, root %v\n", d.status.FinalizedEpoch, d.status.FinalizedRoot)
	o.printf("   head         slot %d, root %v\n\n", d.status.HeadSlot, d.status.HeadRoot)

	o.printf("2. Sync. The client asked for all slots by beacon_blocks_by_range and stored what came:\n")
	o.printf("   %d blocks, %s of SSZ\n", d.result.Blocks, size(d.result.Bytes))
	for _, s := range spans(n, d.chain[0].Slot, d.result.Last) {
		o.printf("   fork digest %v in slots %3d to %3d: blocks of %v\n", s.Digest, s.first, s.last, s.Fork)
	}

	o.printf("\n3. Sidecars. It asked for those by blob_sidecars_by_range and data_column_sidecars_by_range:\n")
	o.printf("   %d blobs of deneb and electra, and %d columns of fulu, %s of SSZ\n", d.blobs, d.columns,
		size(d.sidecarBytes))
	all := d.result.Blocks + uint64(d.blobs+d.columns)
	o.printf("   with blocks: %d objects in %.2f s, %.0f a second, %s/s\n", all, d.elapsed.Seconds(),
		perSecond(all, d.elapsed), size(perSecond(d.result.Bytes+d.sidecarBytes, d.elapsed)))

	o.printf("\n4. Check. Every object was decoded from the client's store and verified anew, with KZG proofs:\n")
	o.printf("   mismatches   %d of %d, in root, parent link, proofs or bytes\n", d.mismatches, all)
	o.printf("   head root    %v at slot %d\n", d.result.Head, d.result.Last)
	o.printf("   trusted root %v at slot %d\n\n", d.result.Trusted, d.result.TrustedSlot)
	o.printf("The trusted root was known beforehand. Each block names its parent by root, so all blocks up to\n")
	o.printf("this one are those that it leads to, whoever sent them; later ones link to it. Blocks commit to their\n")
	o.printf("blobs. Signatures are outside of what roots cover, and unchecked.\n")
	if d.mismatches == 0 {
		o.printf("\nAll of it matches.\n")
	}
}

// A span is the slots of a period that a chain has reached.
type span struct {
	ssz.Period
	first, last ssz.Slot
}

// spans returns the periods of a network that the slots from first to last belong to.
func spans(n *ssz.Network, first, last ssz.Slot) []span {
	var all []span
	for _, p := range n.Periods() {
		s := span{p, max(first, n.StartSlot(p.First)), last}
		if p.Last != ssz.FarFutureEpoch {
			s.last = min(last, n.StartSlot(p.Last+1)-1)
		}
		if s.first <= s.last {
			all = append(all, s)
		}
	}
	return all
}

// mismatches counts the slots in which a store does not hold, byte for byte, the block of a chain, or holds one that is
// damaged or not of the chain, and the sidecars that are damaged. Roots, parent links and proofs are verified anew from
// what is stored.
func mismatches(ctx context.Context, s *store.Store, chain []*beacon.Block) (int, error) {
	differ, sound := 0, make(map[ssz.Slot]beacon.Ref)
	for ref, err := range s.Verify(ctx) {
		if _, corrupt := errors.AsType[*store.CorruptError](err); corrupt {
			if ref.Kind != beacon.KindBlock {
				differ++
			}
			continue // The slot of a block will be missed.
		}
		if err != nil {
			return 0, err
		}
		sound[ref.Slot] = ref
	}
	for _, want := range chain {
		ref, ok := sound[want.Slot]
		if !ok || ref.Root != want.Root || !holds(ctx, s, ref, want.SSZ) {
			differ++
		}
		delete(sound, want.Slot)
	}
	return differ + len(sound), nil
}

// holds reports whether the frames stored for a block are those of its SSZ.
func holds(ctx context.Context, s *store.Store, ref beacon.Ref, want []byte) bool {
	frames, err := s.AppendFrames(ctx, ref, nil)
	if err != nil {
		return false
	}
	got, err := snappy.AppendDecoded(nil, frames, ref.Size)
	return err == nil && bytes.Equal(got, want)
}
