package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/top"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
)

// codeNoMethod is JSON-RPC's for a method that there is not.
const codeNoMethod = -32601

const rpcDescription = `

The node is a running 'reqresp serve' or 'reqresp sync': the one of the --datadir, over its IPC
socket, or the one at --attach, the path of an IPC socket or a URL like http://127.0.0.1:8545.`

// rpc returns a command that asks a running node.
func (c command) rpc(ask func(context.Context, *invocation, *client.Client) error) command {
	attach := ""
	if c.description == "" {
		c.description = strings.ToUpper(c.usage[:1]) + c.usage[1:] + "."
	}
	c.category, c.description = "of a running node", c.description+rpcDescription
	c.configured = []string{"node.data_dir"}
	c.flags = append(settings.Table{
		{Flag: "attach", Env: true, Usage: "`ENDPOINT` of the node", Value: settings.Text(&attach, nil)},
	}, c.flags...)
	c.run = func(ctx context.Context, in *invocation) error {
		if attach == "" {
			if in.config.DataDir == "" {
				return in.usagef("which node? Want its --datadir DIR or REQRESP_DATADIR, or --attach ENDPOINT")
			}
			nc := nodeConfig(in.config.DataDir)
			nc.IPCPath = in.config.IPCPath
			attach = nc.IPCEndpoint()
		}
		c, err := client.Dial(ctx, attach)
		if err != nil {
			return noNode(attach, err)
		}
		defer c.Close()
		return explainCall(attach, ask(ctx, in, c))
	}
	return c
}

func noNode(endpoint string, err error) error {
	return fmt.Errorf("no node answers at %s, is it running? %w", endpoint, err)
}

// explainCall tells what to do about a failure.
func explainCall(endpoint string, err error) error {
	// Over HTTP nothing is dialed before the first call.
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return noNode(endpoint, err)
	}
	if e, ok := errors.AsType[rpc.Error](err); ok && e.ErrorCode() == codeNoMethod {
		return fmt.Errorf("%w: the node does not expose it there; IPC has all, "+
			"HTTP what the node's --http.api names, such as %s", err, api.AdminNamespace)
	}
	return err
}

// print is a command that prints what a node tells: as JSON, as the RPC has it, or as a table.
func print[T any](
	a *app, c command, get func(context.Context, *invocation, *client.Client) (T, error), show func(T) *table,
) command {
	asJSON := false
	c.flags = append(c.flags, jsonFlag(&asJSON, "print it as JSON, on one line"))
	return c.rpc(func(ctx context.Context, in *invocation, c *client.Client) error {
		v, err := get(ctx, in, c)
		if err != nil {
			return err
		}
		if asJSON {
			return a.stdout.printJSON(v)
		}
		return show(v).flush()
	})
}

// all is what to get of a call that is about nothing in particular.
func all[T any](
	call func(*client.Client, context.Context) (T, error),
) func(context.Context, *invocation, *client.Client) (T, error) {
	return func(ctx context.Context, _ *invocation, c *client.Client) (T, error) { return call(c, ctx) }
}

// peerID reads the first argument as an ID: a peer id or a node record.
func (in *invocation) peerID() (peer.ID, error) {
	id, err := discovery.ParsePeerID(in.arg(0))
	if err != nil {
		return "", in.usagef("ID %w", err)
	}
	return id, nil
}

const topDescription = `Shows what a node does, live: what it serves and asks each second, by method; how much
of it waits for a budget (throttled is how many exchanges wait, on average); and the peers, those
first that have the least left of a budget.

It needs a terminal. For scripts there are 'reqresp methods --json' and others.`

// The bounds of the time between two looks. The least keeps a view from keeping its node busy.
const (
	minEvery = 100 * time.Millisecond
	maxEvery = time.Hour
)

func (a *app) top() command {
	every := time.Second
	return command{
		name: "top", usage: "show what a node does, live", description: topDescription,
		flags: settings.Table{
			settings.New("", "every", settings.Duration(&every, minEvery, maxEvery), "`TIME` between two looks"),
		},
	}.rpc(func(ctx context.Context, _ *invocation, c *client.Client) error {
		if !isTerminal(a.stdout.w) || !isTerminal(a.stdin) {
			return errors.New("standard input and output have to be a terminal: see 'reqresp methods --json' for scripts")
		}
		model := top.New(func(ctx context.Context) (top.Snapshot, error) { return top.Take(ctx, c) }, every)
		_, err := tea.NewProgram(model, tea.WithContext(ctx), tea.WithInput(a.stdin), tea.WithOutput(a.stdout.w),
			tea.WithoutSignalHandler()).Run()
		if ctx.Err() != nil || errors.Is(err, tea.ErrInterrupted) {
			return nil // It was ended as it should be.
		}
		return err
	})
}
