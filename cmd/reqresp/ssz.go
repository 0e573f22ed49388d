package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
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
	return &cli.Command{
		Name: "ssz", Usage: "hash, print or check an encoded object", Description: sszDescription,
		Commands: []*cli.Command{
			a.sszCommand("root", "print the hash tree root of an object", a.sszRoot).cli(),
			a.sszCommand("json", "print an object as JSON", a.sszJSON).cli(),
			a.sszCommand("check", "check whether an object is well formed", a.sszCheck).cli(),
		},
		HideHelpCommand: true, Action: noCommand, OnUsageError: onUsageError,
	}
}

func (a *app) sszCommand(name, usage string, do func(*ssz.Shape, []byte) error) command {
	preset, fork, typeName, isHex := ssz.MainnetPreset, ssz.Phase0, "", false
	return command{
		name: name, usage: usage, args: "FILE", least: 1, description: sszDescription,
		flags: settings.Table{
			settings.New("", "preset", settings.Parsed(&preset, ssz.ParsePreset, ssz.Preset.String),
				"`PRESET` of the object: mainnet, minimal or gnosis"),
			settings.New("", "fork", settings.Parsed(&fork, ssz.ParseFork, func(ssz.Fork) string { return "" }),
				"`FORK` of the object, from phase0 to heze"),
			settings.New("", "type", settings.Text(&typeName, nil), "name of the object's `TYPE`"),
			settings.New("", "hex", settings.Switch(&isHex), "FILE is hexadecimal, with or without 0x"),
		},
		run: func(ctx context.Context, in *invocation) error {
			for _, flag := range []string{"fork", "type"} {
				if !in.flags.Given(flag) {
					return in.usagef("--%s is missing", flag)
				}
			}
			// What types are is decided by the preset, and the limits of requests by the configuration.
			network, err := ssz.NewNetwork(ssz.DefaultConfig(preset), time.Unix(0, 0), ssz.Root{})
			if err != nil {
				return err
			}
			shape, err := network.ShapeOf(fork, typeName)
			if err != nil {
				return in.usagef("%w", err)
			}
			b, err := a.readObject(ctx, in.arg(0), isHex)
			if err != nil {
				return err
			}
			return do(shape, b)
		},
	}
}

// maxObject bounds the bytes of a file. What is exchanged, also in hexadecimal, is a fraction of it.
const maxObject = 64 << 20

// readObject reads a file.
func (a *app) readObject(ctx context.Context, name string, isHex bool) ([]byte, error) {
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
	case isHex:
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
