package main

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/top"
	"github.com/seed-2dd5877b/reqresp/plugin/client"
)

const topDescription = `Shows what a node does, live: what it serves and asks each second, by method; how much of it waits
for a budget (throttled is how many exchanges wait, on average); and the peers, those first that
have the least left of a budget.

It needs a terminal. For scripts there are 'reqresp methods --json' and others.`

// minEvery keeps a view from keeping its node busy.
const minEvery = 100 * time.Millisecond

func (a *app) top() *cli.Command {
	return remote{
		name: "top", usage: "show what a node does, live", description: topDescription,
		flags: []cli.Flag{&cli.DurationFlag{Name: "every", Usage: "`TIME` between two looks", Value: time.Second}},
		run:   a.runTop,
	}.command()
}

func (a *app) runTop(ctx context.Context, cmd *cli.Command, c *client.Client) error {
	every := cmd.Duration("every")
	if every < minEvery {
		return usagef(cmd, "--every %v: want %v or more", every, minEvery)
	}
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
}
