package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/multiformats/go-multiaddr"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

func datadirFlag() cli.Flag {
	return &cli.StringFlag{
		Name:     "datadir",
		Usage:    "`DIR` of the store and of this node's identity",
		Required: true,
	}
}

func jsonFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: usage}
}

func verbosityFlag(level slog.Level) cli.Flag {
	return &cli.StringFlag{
		Name:      "verbosity",
		Usage:     "log to standard error from `LEVEL` on: debug, info, warn or error",
		Value:     levelName(level),
		Validator: func(text string) error { _, err := parseLevel(text); return err },
	}
}

func listenFlag(addrs []string) cli.Flag {
	return &cli.StringSliceFlag{
		Name:  "listen",
		Usage: "`MULTIADDR` to listen on; may be repeated",
		Value: addrs,
		Validator: func(addrs []string) error {
			for _, addr := range addrs {
				if _, err := multiaddr.NewMultiaddr(addr); err != nil {
					return fmt.Errorf("%q is no multiaddr (like /ip4/0.0.0.0/udp/9000/quic-v1): %w", addr, err)
				}
			}
			return nil
		},
	}
}

// rootFlag is a flag whose value parseRoot returns.
func rootFlag(name, usage string) cli.Flag {
	return &cli.StringFlag{
		Name:      name,
		Usage:     usage,
		Validator: func(text string) error { return new(ssz.Root).UnmarshalText([]byte(text)) },
	}
}

// parseRoot returns the value of a flag that was validated, zero if it is not set.
func parseRoot(cmd *cli.Command, name string) (root ssz.Root) {
	_ = root.UnmarshalText([]byte(cmd.String(name)))
	return root
}

// quiet is the logger's default level where results say what happened.
const quiet = slog.LevelWarn

func (a *app) logger(cmd *cli.Command) *slog.Logger {
	level, _ := parseLevel(cmd.String("verbosity"))
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

func parseLevel(text string) (level slog.Level, err error) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if text == levelName(level) {
			return level, nil
		}
	}
	return 0, fmt.Errorf("level %q: want debug, info, warn or error", text)
}

func levelName(level slog.Level) string {
	switch level {
	case slog.LevelDebug:
		return "debug"
	case slog.LevelInfo:
		return "info"
	case slog.LevelWarn:
		return "warn"
	default:
		return "error"
	}
}

// isTerminal reports whether somebody may be watching what is written to w.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
