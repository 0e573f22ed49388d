package main

import (
	"log/slog"
	"os"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/logging"
	"github.com/seed-2dd5877b/reqresp/plugin/discovery"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func jsonFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: usage}
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
func parseRoot(cmd *cli.Command, name string) ssz.Root { return rootOf(cmd.String(name)) }

// rootOf returns a root that was validated, zero if it is empty.
func rootOf(text string) (root ssz.Root) {
	_ = root.UnmarshalText([]byte(text))
	return root
}

// The default levels: loud where the log is what is to be seen, quiet where results say what
// happened.
const (
	loud  = slog.LevelInfo
	quiet = slog.LevelWarn
)

func logSettings(level slog.Level) []setting {
	verbosity := textSetting("verbosity",
		"log from `LEVEL` on: debug, info, warn or error; or, say, info,sync=debug",
		func(c *config.Config) *string { return &c.Log.Verbosity })
	if f, ok := verbosity.flag.(*cli.StringFlag); ok {
		f.Value = logging.Name(level)
	}
	return []setting{
		verbosity,
		textSetting("log.format", "`FORMAT` of the log's lines: text or json", func(c *config.Config) *string { return &c.Log.Format }),
	}
}

// logger returns what logs as the settings, which are valid, say.
func (a *app) logger(c config.Log) *slog.Logger {
	levels, err := logging.Parse(c.Verbosity)
	if err != nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(logging.New(a.stderr, c.Format, levels))
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

// parsePeerID reads the ID argument: a peer id or a node record.
func parsePeerID(cmd *cli.Command, text string) (peer.ID, error) {
	id, err := discovery.ParsePeerID(text)
	if err != nil {
		return "", usagef(cmd, "ID %w", err)
	}
	return id, nil
}
