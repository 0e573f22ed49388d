package lodestar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/internal/install"
)

// startTimeout is for a machine under heavy load: an idle one needs 5 s.
const startTimeout = 2 * time.Minute

// pollInterval is the time between two questions while waiting for a node.
const pollInterval = 100 * time.Millisecond

// Node is a running Lodestar process. Its methods may be called concurrently, and fail once it has stopped.
type Node struct {
	dir       string // folder of the installation
	node      string // path of Node.js
	url       string // of the REST API, without a slash at its end
	http      *http.Client
	log       string
	peerID    string
	multiaddr string

	kill   context.CancelFunc
	exited chan struct{} // closed when the process is gone and exit is set
	exit   error
}

// Start starts a node, which keeps all its files in the existing folder dir, and returns when its REST API
// answers. It installs Lodestar first if need be: see [Install], whose errors it returns.
//
// All that the node prints goes to the file lodestar.log in dir, and the last lines of it into the error if the node
// does not come up. The context bounds the start only. Who starts a node must Stop it; should the calling
// process die before, the node ends by itself.
func Start(ctx context.Context, dir string, opts Options) (*Node, error) {
	rest, err := freePort()
	if err != nil {
		return nil, err
	}
	args, err := opts.args(rest)
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lodestar: %w", err)
	}
	installed, err := Install(ctx)
	if err != nil {
		return nil, err
	}
	n := &Node{
		dir:    installed,
		url:    "http://127.0.0.1:" + rest,
		http:   &http.Client{Transport: &http.Transport{}},
		log:    filepath.Join(dir, "lodestar.log"),
		exited: make(chan struct{}),
	}
	if err := n.spawn(dir, args); err != nil {
		return nil, err
	}
	if err := n.awaitREST(ctx); err != nil {
		n.Stop()
		out, _ := os.ReadFile(n.log)
		return nil, fmt.Errorf("lodestar: starting: %w\n%s", err, install.Tail(out))
	}
	return n, nil
}

// freePort returns a port of 127.0.0.1 on which nobody listens at the moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("lodestar: no free port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// spawn starts the process, and the goroutine that waits for its end.
func (n *Node) spawn(dir string, args []string) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoNode, err)
	}
	n.node = node
	log, err := os.Create(n.log)
	if err != nil {
		return fmt.Errorf("lodestar: log file: %w", err)
	}
	defer log.Close() // the process has its own descriptor
	ctx, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, node, append([]string{
		"--require", filepath.Join(n.dir, "polyfill.cjs"),
		"--require", filepath.Join(n.dir, "orphan.cjs"),
		filepath.Join(n.dir, entry),
	}, args...)...)
	cmd.Dir = dir // Lodestar writes its genesis state into the working directory
	cmd.Env = append(os.Environ(), "LODESTAR_PRESET=minimal")
	cmd.Stdout, cmd.Stderr = log, log
	install.OwnGroup(cmd)
	if _, err := cmd.StdinPipe(); err != nil { // closes with this process: see orphan.cjs
		kill()
		return fmt.Errorf("lodestar: %w", err)
	}
	if err := cmd.Start(); err != nil {
		kill()
		return fmt.Errorf("lodestar: %w", err)
	}
	n.kill = kill
	go func() {
		n.exit = cmp.Or(cmd.Wait(), errors.New("exit status 0"))
		close(n.exited)
	}()
	return nil
}

// awaitREST returns when the node has said who it is.
func (n *Node) awaitREST(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("no answer within %v", startTimeout))
	defer cancel()
	return n.poll(ctx, func(ctx context.Context) (bool, error) {
		id, err := get[struct {
			PeerID    string   `json:"peer_id"`
			Addresses []string `json:"p2p_addresses"`
		}](ctx, n, "/eth/v1/node/identity")
		if err != nil {
			return false, nil // not listening yet
		}
		for _, addr := range id.Addresses {
			if strings.Contains(addr, "/tcp/") {
				n.peerID, n.multiaddr = id.PeerID, addr
				return true, nil
			}
		}
		return false, fmt.Errorf("no TCP address among %q", id.Addresses)
	})
}

// poll asks until the answer is yes, the question fails, the context ends or the node dies.
func (n *Node) poll(ctx context.Context, ask func(context.Context) (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if done, err := ask(ctx); done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-n.exited:
			return fmt.Errorf("the process has ended: %w", n.exit)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Stop kills the node and waits until its process is gone. It may be called more than once. Lodestar is not
// asked first: on an interrupt it closes its database and then hangs.
func (n *Node) Stop() {
	n.kill()
	<-n.exited
	n.http.CloseIdleConnections()
}

// PeerID returns the node's libp2p identity, which is new with every start.
func (n *Node) PeerID() string { return n.peerID }

// Multiaddr returns the TCP address on which the node accepts libp2p connections, /p2p/ part included.
func (n *Node) Multiaddr() string { return n.multiaddr }

// URL returns where the node's REST API is, without a slash at the end. All namespaces are open.
func (n *Node) URL() string { return n.url }

// LogFile returns the path of the file that has all the node printed.
func (n *Node) LogFile() string { return n.log }
