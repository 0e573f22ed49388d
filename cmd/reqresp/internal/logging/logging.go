// Package logging logs with a level for each module.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// moduleKey is the attribute by which loggers tell whose they are.
const moduleKey = "module"

// Modules are those that may have a level of their own:
//
//   - service: starting, stopping, what operators change
//   - peers: whom the node dials, and how they are looked after
//   - discovery: what is found, and this node's record
//   - beacon: exchanges, and what peers say and are told
//   - sync: retries and rewinds
//   - node: the go-ethereum node and its RPC servers, at error unless told otherwise
func Modules() []string { return []string{"service", "peers", "discovery", "beacon", "sync", "node"} }

// Formats are those of lines.
func Formats() []string { return []string{"text", "json"} }

// Levels are the least levels that are logged.
type Levels struct {
	base     slog.Level
	byModule map[string]slog.Level
}

// Parse reads levels as in "info,sync=debug": the level of all modules, and then those of single
// ones. The error tells what is allowed.
func Parse(text string) (Levels, error) {
	parts := strings.Split(text, ",")
	base, err := parseLevel(parts[0])
	if err != nil {
		return Levels{}, err
	}
	l := Levels{base, map[string]slog.Level{"node": max(base, slog.LevelError)}}
	for _, part := range parts[1:] {
		module, name, _ := strings.Cut(part, "=")
		if !slices.Contains(Modules(), module) {
			return Levels{}, fmt.Errorf("module %q: want LEVEL,MODULE=LEVEL,… where MODULE is one of %s",
				module, strings.Join(Modules(), ", "))
		}
		if l.byModule[module], err = parseLevel(name); err != nil {
			return Levels{}, err
		}
	}
	return l, nil
}

var levels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

func parseLevel(text string) (slog.Level, error) {
	for _, level := range levels {
		if text == Name(level) {
			return level, nil
		}
	}
	return 0, fmt.Errorf("level %q: want debug, info, warn or error", text)
}

// Name returns the name of one of the four levels.
func Name(level slog.Level) string { return strings.ToLower(level.String()) }

// New returns a handler that writes lines of a format to w, at the levels given.
func New(w io.Writer, format string, l Levels) slog.Handler {
	least := l.base
	for level := range maps.Values(l.byModule) {
		least = min(least, level)
	}
	opts := &slog.HandlerOptions{Level: least, ReplaceAttr: inWords}
	var next slog.Handler = slog.NewTextHandler(w, opts)
	if format == "json" {
		next = slog.NewJSONHandler(w, opts)
	}
	return &handler{next: next, levels: l, level: l.base}
}

// inWords has JSON say what text does of what has words for itself, such as 2h0m0s for a time.
func inWords(_ []string, attr slog.Attr) slog.Attr {
	switch v := attr.Value.Any().(type) {
	case error, time.Time, slog.Level: // These have.
	case fmt.Stringer:
		attr.Value = slog.StringValue(fmt.Sprint(v))
	}
	return attr
}

// A handler drops what is below its module's level.
type handler struct {
	next   slog.Handler
	levels Levels
	level  slog.Level
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error { return h.next.Handle(ctx, r) }

// WithAttrs implements slog.Handler. The attribute "module" chooses the level.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	level := h.level
	for _, attr := range attrs {
		if attr.Key != moduleKey {
			continue
		}
		level = h.levels.base
		if own, ok := h.levels.byModule[attr.Value.String()]; ok {
			level = own
		}
	}
	return &handler{h.next.WithAttrs(attrs), h.levels, level}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.next.WithGroup(name), h.levels, h.level}
}
