package main

import (
	"cmp"
	"context"
	"encoding"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/limits/config"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// changes are the commands that change something.
func (a *app) changes() []*cli.Command {
	return []*cli.Command{
		a.limit(),
		look(a, remote{
			name: "connect", usage: "have the node dial a peer", args: "PEER", least: 1, most: 1,
			description: "Has the node dial a PEER, a multiaddr with the peer's id or a node record (enr:…), and exchange statuses\n" +
				"with it. From then on it is a peer as any other; for one that is always dialed again, see --staticnodes of\n" +
				"'reqresp serve'.",
		}, connectPeer, a.showStatus),
		a.about("disconnect", "have the node leave a peer",
			"Has the node say goodbye to a peer and hang up. The peer may come back.", "left", (*client.Client).Disconnect),
		a.ban(),
		a.about("unban", "end a ban", "Ends the ban of a peer, which need not be banned, and forgets its score.", "no longer banned",
			func(c *client.Client, ctx context.Context, id peer.ID) error { _, err := c.Unban(ctx, id); return err }),
		a.about("trust", "never ban a peer", "Has a peer never be penalised, banned or left for lack of room, until the node ends. For longer, name it in\n"+
			"TrustedNodes below [P2P] in a configuration file.", "trusted, until the node ends unless its configuration says so", (*client.Client).Trust),
		a.about("untrust", "treat a peer as any other", "Has a peer be treated as any other, until the node ends: one that the\n"+
			"configuration names is trusted again then.", "not trusted", (*client.Client).Untrust),
	}
}

// about is a command that does something about a peer, and says so.
func (a *app) about(name, usage, description, done string, do func(*client.Client, context.Context, peer.ID) error) *cli.Command {
	return remote{
		name: name, usage: usage, args: "ID", description: description, least: 1, most: 1,
		run: func(ctx context.Context, cmd *cli.Command, c *client.Client) error {
			id, err := parsePeerID(cmd, cmd.Args().First())
			if err != nil {
				return err
			}
			if err := do(c, ctx, id); err != nil {
				return err
			}
			a.stdout.printf("%v: %s\n", id, done)
			return nil
		},
	}.command()
}

// wantBan tells for how long a peer can be banned.
var wantBan = fmt.Sprintf("want a time between 1s and %dh, like 30m or 24h", int(score.MaxBan.Hours()))

// defaultBan is for how long a peer is banned.
const defaultBan = 24 * time.Hour

func (a *app) ban() *cli.Command {
	return remote{
		name: "ban", usage: "keep a peer out", args: "ID", least: 1, most: 1,
		description: "Keeps a peer out for a time, also over restarts, and leaves it if it is connected.",
		flags: []cli.Flag{
			&cli.DurationFlag{Name: "for", Usage: "`TIME`, like 30m or 24h", Value: defaultBan},
			&cli.StringFlag{Name: "reason", Usage: "`WHY`, for people to read", Value: "by the operator"},
		},
		run: func(ctx context.Context, cmd *cli.Command, c *client.Client) error {
			id, err := parsePeerID(cmd, cmd.Args().First())
			if err != nil {
				return err
			}
			d := cmd.Duration("for")
			if d < time.Second || d > score.MaxBan {
				return usagef(cmd, "--for %v: %s", d, wantBan)
			}
			if err := c.Ban(ctx, id, d, cmd.String("reason")); err != nil {
				return err
			}
			a.stdout.printf("%v: banned for %v\n", id, d)
			return nil
		},
	}.command()
}

const limitDescription = `Changes what each peer may use of a METHOD, at once and for exchanges under way too. What is not
given stays as it is. It lasts until the node ends; for longer, set it in a configuration file, as in

   [Limits.methods.beacon_blocks_by_range]
   peer = { items = "64/10s+128" }

A RATE is N/TIME+BURST: 128/10s+256 is 128 every ten seconds, in bursts of 256, and 128/s is 128 every
second. Bytes may have a unit, as in 2MiB/s+24MiB.

Once a burst is used a request waits for up to 4 s, and a chunk for up to 8 s, and then goes on overdraft. When
two bursts are owed it is refused. A rate that does not refill as fast as that is set with a warning.`

func (a *app) limit() *cli.Command {
	return look(a, remote{
		name: "limit", usage: "change what each peer may use of a method", args: "METHOD", least: 1, most: 1,
		description: limitDescription,
		flags: []cli.Flag{
			&cli.StringFlag{Name: "requests", Usage: "`RATE` of requests"},
			&cli.StringFlag{Name: "items", Usage: "`RATE` of response chunks"},
			&cli.StringFlag{Name: "bytes", Usage: "`RATE` of bytes on the wire"},
		},
	}, a.changeLimit, func(l api.Limit) *table { return a.showLimits([]api.Limit{l}) })
}

func (a *app) changeLimit(ctx context.Context, cmd *cli.Command, c *client.Client) (api.Limit, error) {
	if !cmd.IsSet("requests") && !cmd.IsSet("items") && !cmd.IsSet("bytes") {
		return api.Limit{}, usagef(cmd, "nothing is to change: want --requests, --items or --bytes")
	}
	var change api.LimitChange
	var errs [3]error
	change.Requests, errs[0] = rateOf[config.Rate](cmd, "requests")
	change.Items, errs[1] = rateOf[config.Rate](cmd, "items")
	change.Bytes, errs[2] = rateOf[config.ByteRate](cmd, "bytes")
	if err := cmp.Or(errs[:]...); err != nil {
		return api.Limit{}, err
	}
	l, err := c.SetLimit(ctx, cmd.Args().First(), change)
	if err != nil {
		return api.Limit{}, err
	}
	for _, warning := range l.Warnings() {
		a.note("warning: %v", warning)
	}
	return l, nil
}

// rateOf returns the rate that a flag sets, nil if it is not set.
func rateOf[R any, P interface {
	*R
	encoding.TextUnmarshaler
}](cmd *cli.Command, name string) (*R, error) {
	if !cmd.IsSet(name) {
		return nil, nil
	}
	rate := new(R)
	if err := P(rate).UnmarshalText([]byte(cmd.String(name))); err != nil {
		return nil, usagef(cmd, "--%s: %w", name, err)
	}
	return rate, nil
}

func connectPeer(ctx context.Context, cmd *cli.Command, c *client.Client) (beacon.Status, error) {
	name := cmd.Args().First()
	if _, err := parsePeer(cmd, name); err != nil {
		return beacon.Status{}, err
	}
	return c.Connect(ctx, name)
}

func (a *app) showStatus(s beacon.Status) *table {
	t := newTable(a.stdout)
	statusRows(t, &s)
	return t
}
