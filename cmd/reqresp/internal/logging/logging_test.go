package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/logging"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// lines logs at all levels for some modules and returns what is written, as module level pairs.
func lines(t *testing.T, levels string) (got []string) {
	t.Helper()
	l, err := logging.Parse(levels)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	logger := slog.New(logging.New(&b, "json", l))
	for _, module := range []string{"", "sync", "beacon", "node"} {
		of := logger
		if module != "" {
			of = logger.With("module", module).With("peer", "x")
		}
		of.Debug("")
		of.Info("")
		of.Warn("")
	}
	for line := range strings.Lines(b.String()) {
		var record struct{ Level, Module string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got = append(got, record.Module+" "+record.Level)
	}
	return got
}

func TestLevelsPerModule(t *testing.T) {
	for levels, want := range map[string]string{
		"error":                       "",
		"info":                        " INFO, WARN,sync INFO,sync WARN,beacon INFO,beacon WARN",
		"warn,sync=debug":             " WARN,sync DEBUG,sync INFO,sync WARN,beacon WARN",
		"warn,sync=error,node=info":   " WARN,beacon WARN,node INFO,node WARN",
		"debug,beacon=warn,sync=info": " DEBUG, INFO, WARN,sync INFO,sync WARN,beacon WARN",
	} {
		if got := strings.Join(lines(t, levels), ","); got != want {
			t.Errorf("%s logs %q, want %q", levels, got, want)
		}
	}
}

func TestTheModuleOfALoggerIsItsLast(t *testing.T) {
	l, err := logging.Parse("error,sync=info")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	sync := slog.New(logging.New(&b, "text", l)).With("module", "sync")
	sync.With("module", "beacon").Info("no")
	sync.WithGroup("g").Info("yes")
	if got := b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "msg=yes module=sync") {
		t.Errorf("logged %q", got)
	}
}

func TestJSONSaysWhatTextDoes(t *testing.T) {
	l, err := logging.Parse("info")
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"json": `"level":"INFO","msg":"left","for":"2h0m0s","reason":"banned","score":-1.5,"err":"gone"}`,
		"text": `level=INFO msg=left for=2h0m0s reason=banned score=-1.5 err=gone`,
	} {
		var b bytes.Buffer
		slog.New(logging.New(&b, format, l)).Info("left", "for", 2*time.Hour, "reason", beacon.GoodbyeBanned, "score", -1.5, "err", errors.New("gone"))
		if got := b.String(); !strings.HasSuffix(got, want+"\n") {
			t.Errorf("%s: %s, want %s at the end", format, got, want)
		}
	}
}

func TestParseTellsWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"":               `level "": want debug, info, warn or error`,
		"loud":           `level "loud"`,
		"sync=debug":     `level "sync=debug"`,
		"info,":          `module "": want LEVEL,MODULE=LEVEL,… where MODULE is one of service, peers, discovery, beacon, sync, node`,
		"info,sink=info": `module "sink"`,
		"info,sync":      `level ""`,
		"info,sync=loud": `level "loud"`,
	} {
		if _, err := logging.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
