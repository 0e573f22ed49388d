// Command reqresp serves, downloads and inspects beacon chain blocks over the consensus layer's
// Req/Resp domain. Its help tells how:
//
//	go run github.com/seed-2dd5877b/reqresp/cmd/reqresp@latest --help
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/libp2p/go-libp2p/gologshim"
)

func main() {
	// What libp2p has to say beyond its errors, which we report, is for nobody here.
	gologshim.SetDefaultHandler(slog.DiscardHandler)
	// A reader of our output that goes away is an error like any other, not the end: a node
	// says goodbye to its peers.
	signal.Ignore(syscall.SIGPIPE)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // Under nohup it is.
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// The first signal ends what is under way in good order. From then on signals do again what
	// they do by default: the second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}
