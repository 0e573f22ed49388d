package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

const demoDescription = `Runs two nodes in this process and has one download from the other, over QUIC on this
machine, what a real development chain holds: 142 blocks of the forks electra and fulu, made by a
production client and bundled with this program. Then it computes every root anew from what was
stored, and compares every block with the bundled one. It succeeds only if all of them match.

With --json it prints one object, such as
{"blocks":142,"bytes":342653,"mismatches":0,"seconds":0.25}: bytes are those of the blocks' SSZ,
seconds those of handshake and download.`

func (a *app) demo() *cli.Command {
	return &cli.Command{
		Name:        "demo",
		Usage:       "sync a bundled chain between two nodes in this process, and check every block",
		Description: demoDescription,
		Flags:       append(flagsOf(logSettings(quiet)), jsonFlag("print the outcome as one JSON object")),
		Action:      a.runDemo,
	}
}

// A demo is what the demo has found.
type demo struct {
	server, client peer.ID
	addr           string // where the server was dialed
	chain          []*beacon.Block
	status         beacon.Status // what the server told
	result         rangesync.Result
	elapsed        time.Duration // of handshake and download
	mismatches     int
}

// demoResult is the demo's JSON.
type demoResult struct {
	Blocks     uint64  `json:"blocks"`
	Bytes      uint64  `json:"bytes"`
	Mismatches int     `json:"mismatches"`
	Seconds    float64 `json:"seconds"`
}

func (a *app) runDemo(ctx context.Context, cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usagef(cmd, "the demo takes no arguments, not %q", cmd.Args().First())
	}
	c, err := settings(cmd)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d, err := a.playDemo(ctx, a.logger(c.Log))
	if ctx.Err() != nil {
		return errors.New("demo: interrupted, nothing is left of it")
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if cmd.Bool("json") {
		err = a.stdout.printJSON(demoResult{d.result.Blocks, d.result.Bytes, d.mismatches, seconds(d.elapsed)})
	} else {
		d.print(a.stdout)
	}
	if d.mismatches > 0 {
		err = errors.Join(err, fmt.Errorf("demo: %d blocks are not what they should be", d.mismatches))
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
	chain, err := devchain.Blocks()
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, server.Store(), chain); err != nil {
		return nil, err
	}
	d = &demo{chain: chain, server: server.Host().ID(), client: client.Host().ID()}
	return d, d.play(ctx, server.Host(), client)
}

// demoConfig is that of both nodes. Their clock stands still shortly after the chain's head, so
// that the demo is the same in every year.
func demoConfig() plugin.Config {
	now := devchain.Network().TimeAt(devchain.HeadSlot + 1)
	return plugin.Config{
		Genesis: &store.Network{
			Config:                devchain.Config(),
			GenesisTime:           devchain.GenesisTime,
			GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
		},
		Listen: []string{"/ip4/127.0.0.1/udp/0/quic-v1"},
		Now:    func() time.Time { return now },
	}
}

func fill(ctx context.Context, s *store.Store, chain []*beacon.Block) error {
	if err := s.Append(ctx, chain...); err != nil {
		return err
	}
	return s.SetSource(ctx, beacon.Status{
		FinalizedRoot:  devchain.FinalizedRoot(),
		FinalizedEpoch: devchain.FinalizedEpoch,
		HeadRoot:       devchain.HeadRoot(),
		HeadSlot:       devchain.HeadSlot,
	})
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
	opts := &rangesync.Options{TrustedRoot: devchain.FinalizedRoot()}
	if d.result, err = rangesync.Run(ctx, from, client.Store(), opts); err != nil {
		return err
	}
	d.elapsed = time.Since(began)
	d.mismatches, err = mismatches(ctx, client.Store(), d.chain)
	return err
}
