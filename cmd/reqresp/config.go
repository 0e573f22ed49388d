package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"
)

const configDescription = `Prints the settings in effect as a TOML file, which --config reads. A setting is taken from

   1. its flag,
   2. its environment variable, which is the flag's name in capitals: REQRESP_HTTP_PORT,
   3. the file that --config or REQRESP_CONFIG names,
   4. its default.

A file need not be complete. Keys that do not exist and values that are not allowed are errors.
Boot nodes that are built in are not printed: no BootstrapNodesV5 stands for them.
A file to begin with:

   reqresp config --datadir DIR --network mainnet > reqresp.toml
   reqresp serve --config reqresp.toml`

func (a *app) config() *cli.Command {
	return &cli.Command{
		Name:        "config",
		Usage:       "print the settings in effect as a configuration file",
		Description: configDescription,
		Flags:       flagsOf(allSettings()),
		Action:      a.runConfig,
	}
}

func (a *app) runConfig(_ context.Context, cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usagef(cmd, "config takes no arguments, not %q", cmd.Args().First())
	}
	c, err := settings(cmd)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return c.Write(a.stdout)
}

func configFlag() cli.Flag {
	return &cli.StringFlag{
		Name:      "config",
		Usage:     "TOML `FILE` with settings; see 'reqresp config --help'",
		TakesFile: true,
		Sources:   env("config"),
	}
}
