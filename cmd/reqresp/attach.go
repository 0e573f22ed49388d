package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
)

// codeNoMethod is JSON-RPC's for a method that there is not.
const codeNoMethod = -32601

// A remote is a command that asks a running node.
type remote struct {
	name, usage, args, description string
	least, most                    int // arguments
	flags                          []cli.Flag
	run                            func(ctx context.Context, cmd *cli.Command, c *client.Client) error
}

const attachDescription = `

The node is a running 'reqresp serve' or 'reqresp sync': the one of the --datadir, over its IPC
socket, or the one at --attach, the path of an IPC socket or a URL like http://127.0.0.1:8545.`

func (r remote) command() *cli.Command {
	attach := &cli.StringFlag{Name: "attach", Usage: "`ENDPOINT` of the node", Sources: env("attach")}
	return &cli.Command{
		Name:        r.name,
		Usage:       r.usage,
		ArgsUsage:   r.args,
		Category:    "of a running node",
		Description: r.description + attachDescription,
		Flags:       append(append(flagsOf(datadirSettings()), attach), r.flags...),
		Action:      r.action,
	}
}

func (r remote) action(ctx context.Context, cmd *cli.Command) error {
	if n := cmd.Args().Len(); n < r.least || n > r.most {
		if r.args == "" {
			return usagef(cmd, "%s takes no arguments, not %q", r.name, cmd.Args().First())
		}
		return usagef(cmd, "%d arguments are given: want %s", n, r.args)
	}
	endpoint, err := endpointOf(cmd)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	c, err := client.Dial(ctx, endpoint)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, noNode(endpoint, err))
	}
	defer c.Close()
	if err := r.run(ctx, cmd, c); err != nil {
		return fmt.Errorf("%s: %w", r.name, explainCall(endpoint, err))
	}
	return nil
}

// endpointOf returns where the node can be asked.
func endpointOf(cmd *cli.Command) (string, error) {
	if endpoint := cmd.String("attach"); endpoint != "" {
		return endpoint, nil
	}
	c, err := settings(cmd)
	if err != nil {
		return "", err
	}
	if c.Node.DataDir == "" {
		return "", usagef(cmd, "which node? Want its --datadir DIR or REQRESP_DATADIR, or --attach ENDPOINT")
	}
	nc := nodeConfig(c.Node.DataDir)
	nc.IPCPath = c.Node.IPCPath
	return nc.IPCEndpoint(), nil
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
		return fmt.Errorf("%w: the node does not expose it there; IPC has all, HTTP what the node's --http.api names, such as %s",
			err, api.AdminNamespace)
	}
	return err
}
