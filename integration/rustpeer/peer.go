package rustpeer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/internal/install"
)

const (
	startTimeout = time.Minute     // for a machine under heavy load
	stopTimeout  = 5 * time.Second // after which the process is killed
)

// Peer is a running program. Its methods may be called concurrently, except [Peer.Next], and fail once it has stopped.
type Peer struct {
	id     string
	kill   context.CancelFunc
	stderr bytes.Buffer // read it after exited
	exited chan struct{}
	exit   error // set before exited is closed

	write sync.Mutex
	stdin io.WriteCloser

	mu       sync.Mutex
	commands uint64
	waiting  map[uint64]chan<- answer
	events   []Event
	arrived  chan struct{} // has room for one: there may be events
}

// Start starts a peer that listens nowhere yet. It builds the program first if need be: see [Install], whose
// errors it returns.
//
// The context bounds the start only. Who starts a peer must Stop it; should the calling process die before,
// the peer ends by itself.
func Start(ctx context.Context, program Program, opts Options) (*Peer, error) {
	path, err := Install(ctx, program)
	if err != nil {
		return nil, err
	}
	argument, err := json.Marshal(opts.argument())
	if err != nil {
		return nil, fmt.Errorf("rustpeer: %w", err)
	}
	p := &Peer{
		exited:  make(chan struct{}),
		waiting: make(map[uint64]chan<- answer),
		arrived: make(chan struct{}, 1),
	}
	if err := p.spawn(path, string(argument)); err != nil {
		return nil, fmt.Errorf("rustpeer: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not up within %v", startTimeout))
	defer cancel()
	started, err := p.Next(ctx)
	if err != nil {
		p.Stop()
		return nil, fmt.Errorf("rustpeer: starting: %w", err)
	}
	p.id = started.Peer
	return p, nil
}

// spawn starts the process, and the goroutine that reads its output and waits for its end.
func (p *Peer) spawn(path, argument string) (err error) {
	ctx, kill := context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			kill()
		}
	}()
	cmd := exec.CommandContext(ctx, path, argument)
	cmd.Stderr = &p.stderr
	install.OwnGroup(cmd)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.stdin, err = cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.kill = kill
	go func() {
		err := p.read(json.NewDecoder(stdout))
		_, _ = io.Copy(io.Discard, stdout) // what follows a line that is no JSON
		err = cmp.Or(cmd.Wait(), err, errors.New("exit status 0"))
		p.exit = fmt.Errorf("the process has ended: %w\n%s", err, install.Tail(p.stderr.Bytes()))
		close(p.exited)
	}()
	return nil
}

// Stop ends the peer by closing its input, and waits until its process is gone. It may be called more than once.
// All its connections end without a word.
func (p *Peer) Stop() {
	p.stdin.Close()
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-p.exited:
	case <-timeout.C:
	}
	p.kill()
	<-p.exited
}

// ID returns the peer's libp2p identity.
func (p *Peer) ID() string { return p.id }
