package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/urfave/cli/v3"
)

// A usageError is a mistake in the arguments.
type usageError struct {
	command string // whose help to see
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef returns a mistake in the arguments of cmd.
func usagef(cmd *cli.Command, format string, args ...any) error {
	return &usageError{cmd.FullName(), fmt.Errorf(format, args...)}
}

// What the library says of a mistake: the flag's name, the value and the cause are all there is of it.
var (
	unknownFlag    = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	badFlag        = regexp.MustCompile(`(?s)^invalid value (".*") for flag -([^ ]+): (.*)$`)
	badEnvironment = regexp.MustCompile(`(?s)^could not parse (".*") as [^ ]+ value from environment variable "(\w+)" for flag ([^ ]+): (.*)$`)
)

func onUsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil {
		return usagef(cmd, "there is no flag --%s", m[1])
	}
	if m := badFlag.FindStringSubmatch(err.Error()); m != nil {
		return usagef(cmd, "--%s %s: %s", m[2], m[1], wantOf(cmd, m[2], m[3]))
	}
	return usagef(cmd, "%w", err)
}

// explainEnvironment tells what the environment may say. The library asks nobody what to make of it.
func explainEnvironment(root *cli.Command, err error) error {
	m := badEnvironment.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	return errors.New(m[2] + " " + m[1] + ": " + wantOf(root, m[3], m[4]))
}

// wantOf tells what is allowed in place of a flag's value, or the cause if that does.
func wantOf(cmd *cli.Command, name, cause string) string {
	for _, c := range append(slices.Clone(cmd.Commands), cmd) {
		for _, f := range c.Flags {
			if !slices.Contains(f.Names(), name) {
				continue
			}
			switch f.(type) {
			case *cli.IntFlag:
				return "want a whole number"
			case *cli.Uint64Flag, *cli.Uint64SliceFlag:
				return "want a whole number from 0 to 18446744073709551615"
			case *cli.BoolFlag:
				return "want true or false"
			case *cli.FloatFlag:
				return "want a number"
			case *cli.DurationFlag:
				if c.Name == "ban" {
					return wantBan
				}
				return "want a time like 10s, 30m or 24h"
			}
		}
	}
	return cause
}
