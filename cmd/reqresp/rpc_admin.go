package main

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/score"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// admins are the commands that change something.
func (a *app) admins() []command {
	return []command{
		a.limit(),
		print(a, command{
			name: "connect", usage: "have the node dial a peer", args: "PEER", least: 1,
			description: "Has the node dial a PEER, a multiaddr with the peer's id or a node record (enr:…), and exchange\n" +
				"statuses with it. From then on it is a peer as any other; for one that is always dialed again, see\n" +
				"--staticnodes of 'reqresp serve'.",
		}, connectPeer, a.showStatus),
		a.about("disconnect", "have the node leave a peer",
			"Has the node say goodbye to a peer and hang up. The peer may come back.", "left", (*client.Client).Disconnect),
		a.ban(),
		a.about("unban", "end a ban", "Ends the ban of a peer, which need not be banned, and forgets its score.",
			"no longer banned", func(c *client.Client, ctx context.Context, id peer.ID) error {
				_, err := c.Unban(ctx, id)
				return err
			}),
		a.about("trust", "never ban a peer",
			"Has a peer never be penalised, banned or left for lack of room, until the node ends. For longer,\n"+
				"name it in trusted_nodes below [p2p] in a configuration file.",
			"trusted, until the node ends unless its configuration says so", (*client.Client).Trust),
		a.about("untrust", "treat a peer as any other",
			"Has a peer be treated as any other, until the node ends: one that the\n"+
				"configuration names is trusted again then.", "not trusted", (*client.Client).Untrust),
	}
}

// about is a command that does something about a peer, and says so.
func (a *app) about(
	name, usage, description, done string, do func(*client.Client, context.Context, peer.ID) error,
) command {
	return command{
		name: name, usage: usage, args: "ID", least: 1, description: description,
	}.rpc(func(ctx context.Context, in *invocation, c *client.Client) error {
		id, err := in.peerID()
		if err != nil {
			return err
		}
		if err := do(c, ctx, id); err != nil {
			return err
		}
		a.stdout.printf("%v: %s\n", id, done)
		return nil
	})
}

func (a *app) ban() command {
	d, reason := 24*time.Hour, "by the operator"
	return command{
		name: "ban", usage: "keep a peer out", args: "ID", least: 1,
		description: "Keeps a peer out for a time, also over restarts, and leaves it if it is connected.",
		flags: settings.Table{
			settings.New("", "for", settings.Duration(&d, time.Second, score.MaxBan), "`TIME`, like 30m or 24h"),
			settings.New("", "reason", settings.Text(&reason, nil), "`WHY`, for people to read"),
		},
	}.rpc(func(ctx context.Context, in *invocation, c *client.Client) error {
		id, err := in.peerID()
		if err != nil {
			return err
		}
		if err := c.Ban(ctx, id, d, reason); err != nil {
			return err
		}
		a.stdout.printf("%v: banned for %v\n", id, d)
		return nil
	})
}

const limitDescription = `Changes what each peer may use of a METHOD, at once and for exchanges in flight too. What is
not given stays as it is. It lasts until the node ends; for longer, set it in a configuration file, as in

   [limits.methods.beacon_blocks_by_range]
   peer = { items = "64/10s+128" }

A RATE is N/TIME+BURST: 128/10s+256 is 128 every ten seconds, in bursts of 256, and 128/s is 128 every
second. Bytes may have a unit, as in 2MiB/s+24MiB.

Once a burst is used a request waits for up to 4 s, and a chunk for up to 8 s, and then goes on overdraft. When
two bursts are owed it is refused. A rate that does not refill as fast as that is set with a warning.`

func (a *app) limit() command {
	var change api.LimitChange
	return print(a, command{
		name: "limit", usage: "change what each peer may use of a method", args: "METHOD", least: 1,
		description: limitDescription,
		flags: settings.Table{
			settings.New("", "requests", rate[limits.Rate](&change.Requests), "`RATE` of requests"),
			settings.New("", "items", rate[limits.Rate](&change.Items), "`RATE` of response chunks"),
			settings.New("", "bytes", rate[limits.ByteRate](&change.Bytes), "`RATE` of bytes on the wire"),
		},
	}, func(ctx context.Context, in *invocation, c *client.Client) (api.Limit, error) {
		method, err := config.ParseMethod(in.arg(0))
		if err != nil {
			return api.Limit{}, in.usagef("%w", err)
		}
		if change == (api.LimitChange{}) {
			return api.Limit{}, in.usagef("nothing is to change: want --requests, --items or --bytes")
		}
		l, err := c.SetLimit(ctx, method, change)
		if err != nil {
			return api.Limit{}, err
		}
		for _, warning := range l.Warnings() {
			a.note("warning: %v", warning)
		}
		return l, nil
	}, func(l api.Limit) *table { return a.showLimits([]api.Limit{l}) })
}

// rate is a rate that need not be set.
func rate[R any, P interface {
	*R
	UnmarshalText(text []byte) error
}](to **R) settings.Value {
	return settings.Parsed(to, func(text string) (*R, error) {
		r := new(R)
		err := P(r).UnmarshalText([]byte(text))
		return r, err
	}, func(*R) string { return "" })
}

func connectPeer(ctx context.Context, in *invocation, c *client.Client) (beacon.Status, error) {
	if _, err := in.peer(); err != nil {
		return beacon.Status{}, err
	}
	return c.Connect(ctx, in.arg(0))
}

func (a *app) showStatus(s beacon.Status) *table {
	t := newTable(a.stdout)
	statusRows(t, &s)
	return t
}
