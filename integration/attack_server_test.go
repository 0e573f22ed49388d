//go:build attack

package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
)

// attackedServer and attackingPeers are set in the environments of the processes of an attack: to an attackedSetup and
// to an attackOrder.
const (
	attackedServer = "REQRESP_ATTACKED_SERVER"
	attackingPeers = "REQRESP_ATTACKING_PEERS"
)

func init() {
	servers[attackedServer] = serveAttacked
	servers[attackingPeers] = runAttackers
}

// An attackedSetup says how the service under attack is set up.
type attackedSetup struct {
	Memory   int64
	Prefixes int // that attackers' addresses are of, see addrOf; zero leaves addresses as they are
}

// An attackedState is what the service under attack says of its peers.
type attackedState struct {
	Connected, Banned, Penalized []peer.ID
}

// isAttacker tells attackers from honest peers by their IDs, which newPeer chooses.
func isAttacker(id peer.ID) bool { return id[len(id)-1]%4 == 0 }

// addrOf returns an address for a peer of a test, all of whose peers are at loopback addresses: honest peers have a
// prefix each, attackers share some.
func addrOf(id peer.ID, prefixes int) netip.Addr {
	a, b := id[len(id)-2], id[len(id)-3]
	if isAttacker(id) {
		return netip.AddrFrom4([4]byte{198, 51, byte(int(a) % prefixes), 7})
	}
	return netip.AddrFrom4([4]byte{203, a, b, 7})
}

// serveAttacked is the process that is attacked. It runs the service with every setting at its default but
// those of its setup, tells its addresses, and then for each line its state.
func serveAttacked(text string) error {
	var setup attackedSetup
	if err := json.Unmarshal([]byte(text), &setup); err != nil {
		return err
	}
	var addr func(peer.ID) netip.Addr
	if setup.Prefixes > 0 {
		addr = func(id peer.ID) netip.Addr { return addrOf(id, setup.Prefixes) }
	}
	dir, err := os.MkdirTemp("", "reqresp-attacked")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stack, err := node.New(&node.Config{Name: "attacked", DataDir: dir, P2P: p2p.Config{NoDiscovery: true, NoDial: true}})
	if err != nil {
		return err
	}
	defer stack.Close()
	service, err := plugin.New(stack, nil, plugin.Config{
		Genesis: &store.Network{
			Config:                devchain.Config(),
			GenesisTime:           devchain.GenesisTime,
			GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
		},
		Listen: []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"},
		Memory: setup.Memory,
		Addr:   addr,
		Now:    benchNow,
	})
	if err != nil {
		return err
	}
	if err := stack.Start(); err != nil {
		return err
	}
	if err := service.Store().Append(context.Background(), newBenchChain().batch()...); err != nil {
		return err
	}
	debug.FreeOSMemory()
	return tellState(service)
}

func tellState(service *plugin.Service) error {
	h, answer := service.Host(), json.NewEncoder(os.Stdout)
	if err := answer.Encode(peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}); err != nil {
		return err
	}
	for questions := bufio.NewScanner(os.Stdin); questions.Scan(); {
		state := attackedState{Connected: h.Network().Peers()}
		for _, s := range service.Scores().Snapshot().Scores {
			if s.Score < 0 {
				state.Penalized = append(state.Penalized, s.Peer)
			}
		}
		for _, ban := range service.Scores().Bans() {
			state.Banned = append(state.Banned, ban.Peer)
		}
		if err := answer.Encode(state); err != nil {
			return err
		}
	}
	return nil
}

// A process is one of the test binary's roles. It ends with its input.
type process struct {
	cmd    *exec.Cmd
	ask    *os.File
	answer *json.Decoder
	end    func() error
}

// startProcess runs a role of the test binary until the test ends, or the process is ended.
func startProcess(t *testing.T, role, order string) *process {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0])
	cmd.Env = append(os.Environ(), role+"="+order)
	cmd.Stderr = os.Stderr
	in, ask, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = in
	answer, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	p := &process{cmd: cmd, ask: ask, answer: json.NewDecoder(bufio.NewReader(answer))}
	p.end = sync.OnceValue(func() error {
		_ = ask.Close()
		kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		return cmd.Wait()
	})
	t.Cleanup(func() {
		if err := p.end(); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	})
	return p
}

// tell sends the process a line and decodes what it answers.
func (p *process) tell(into any) error {
	if _, err := p.ask.WriteString("\n"); err != nil {
		return err
	}
	return p.answer.Decode(into)
}

// resident returns how much memory the process takes: nothing where the system does not say.
func (p *process) resident() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
