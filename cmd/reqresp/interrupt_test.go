package main

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestInterruptedRunsFailAndLeaveTheStoreUsable(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file, network, datadir := linesFile(t, blocks(t)), devNetwork(t), t.TempDir()
	left := entries(t, dir)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"demo"}, "demo: interrupted"},
		{append([]string{"import", "--datadir", datadir, file}, network...), "canceled"},
		{append([]string{"sync", "--datadir", datadir, somebody}, network...), "the same command goes on"},
		{append([]string{"call", somebody, "ping"}, network...), "canceled"},
	} {
		var stderr strings.Builder
		code := run(ctx, append([]string{"reqresp"}, test.args...), nil, new(strings.Builder), &stderr)
		if code != exitFailed || !strings.Contains(stderr.String(), test.want) {
			t.Errorf("%v: exit code %d: %s, want %q", test.args, code, &stderr, test.want)
		}
	}
	if now := entries(t, dir); now != left {
		t.Errorf("%d temporary files, before there were %d", now, left)
	}
	succeed(t, append([]string{"import", "--datadir", datadir, file}, network...)...)
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
