package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

const sszDescription = `Reads one encoded object from FILE, or from standard input if FILE is -, and prints

   root    its hash tree root, in hexadecimal without 0x
   json    the object as JSON in the spelling of the beacon API
   check   "valid"

or says why it is not the encoding of an object: which field, and what is wrong with it.

Types have the names of the consensus specs, like SignedBeaconBlock, DataColumnSidecar or
LightClientUpdate; parts of them, like Attestation, have theirs. Messages have the name of their
version, like StatusV2 and MetadataV3, and requests are named for their protocol, like
BeaconBlocksByRootRequest. A type that a fork has not changed is that of the fork before. Lists
have the limits that the specs' own configuration of the preset sets.

For Heze nobody has published test vectors: its roots are unverified.`

func (a *app) ssz() *cli.Command {
	cmd := &cli.Command{
		Name:        "ssz",
		Usage:       "hash, print or check an encoded object",
		Description: sszDescription,
		Commands: []*cli.Command{
			a.sszCommand("root", "print the hash tree root of an object", (*app).sszRoot),
			a.sszCommand("json", "print an object as JSON", (*app).sszJSON),
			a.sszCommand("check", "check whether an object is well formed", (*app).sszCheck),
		},
		Action: noSSZCommand,
	}
	for _, sub := range cmd.Commands {
		sub.OnUsageError = onUsageError
		sub.HideHelpCommand = true
	}
	return cmd
}

// noSSZCommand is what happens if the argument after ssz is none of its commands.
func noSSZCommand(_ context.Context, cmd *cli.Command) error {
	if name := cmd.Args().First(); name != "" {
		return usagef(cmd, "ssz has no command %q: want root, json or check", name)
	}
	return cli.ShowSubcommandHelp(cmd)
}

func (a *app) sszCommand(name, usage string, do func(*app, *ssz.Shape, []byte) error) *cli.Command {
	return &cli.Command{
		Name:        name,
		Usage:       usage,
		ArgsUsage:   "FILE",
		Description: sszDescription,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "preset", Usage: "`PRESET` of the object: mainnet, minimal or gnosis", Value: "mainnet"},
			&cli.StringFlag{Name: "fork", Usage: "`FORK` of the object, from phase0 to heze", Required: true},
			&cli.StringFlag{Name: "type", Usage: "name of the object's `TYPE`", Required: true},
			&cli.BoolFlag{Name: "hex", Usage: "FILE is hexadecimal, with or without 0x"},
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			shape, err := shapeOf(cmd)
			if err != nil {
				return err
			}
			b, err := a.readObject(ctx, cmd)
			if err == nil {
				err = do(a, shape, b)
			}
			if err != nil {
				return fmt.Errorf("ssz: %w", err)
			}
			return nil
		},
	}
}

// shapeOf returns the shape that the flags name.
func shapeOf(cmd *cli.Command) (*ssz.Shape, error) {
	preset, err := ssz.ParsePreset(cmd.String("preset"))
	if err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	fork, err := ssz.ParseFork(cmd.String("fork"))
	if err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	// What types are is decided by the preset, and the limits of requests by the configuration.
	network, err := ssz.NewNetwork(ssz.DefaultConfig(preset), time.Unix(0, 0), ssz.Root{})
	if err != nil {
		return nil, err
	}
	shape, err := network.ShapeOf(fork, cmd.String("type"))
	if err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	return shape, nil
}

// maxObject bounds the bytes of a file. What is exchanged, also in hexadecimal, is a fraction of it.
const maxObject = 64 << 20

// readObject reads the file that the argument names.
func (a *app) readObject(ctx context.Context, cmd *cli.Command) ([]byte, error) {
	name := cmd.Args().First()
	switch {
	case name == "":
		return nil, usagef(cmd, "FILE is missing: want one with an encoded object, or - for standard input")
	case cmd.Args().Len() > 1:
		return nil, usagef(cmd, "%s takes one FILE, not %q beside it", cmd.Name, cmd.Args().Get(1))
	}
	file, err := openInput(ctx, name, a.stdin)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, maxObject+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxObject:
		return nil, fmt.Errorf("%s has more than %d bytes, which no object has that is exchanged", name, maxObject)
	case cmd.Bool("hex"):
		return decodeHex(b)
	}
	return b, nil
}

// decodeHex decodes text in place.
func decodeHex(text []byte) ([]byte, error) {
	text = bytes.TrimPrefix(bytes.TrimSpace(text), []byte("0x"))
	n, err := hex.Decode(text, text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ssz.ErrHex, err)
	}
	return text[:n], nil
}

func (a *app) sszRoot(shape *ssz.Shape, b []byte) error {
	root, err := shape.Root(b)
	if err == nil {
		a.stdout.printf("%x\n", root)
	}
	return err
}

func (a *app) sszJSON(shape *ssz.Shape, b []byte) error {
	text, err := shape.AppendJSON(nil, b)
	if err == nil {
		_, err = a.stdout.Write(append(text, '\n'))
	}
	return err
}

func (a *app) sszCheck(shape *ssz.Shape, b []byte) error {
	err := shape.Check(b)
	if err == nil {
		a.stdout.printf("valid\n")
	}
	return err
}
