// Package call asks a peer one thing and prints what it answers, by any method of the consensus specs. The table of
// methods says how the flags of a call become a request; which answers there are, and how many, the protocol's row of
// package beacon says.
package call

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Request is what the flags of a call are set to.
type Request struct {
	// Method is the name in the specs of what is called.
	Method string
	// StartSlot, StartPeriod, Count, Roots and Indices are of the request, as far as the method's has them.
	StartSlot, StartPeriod, Count uint64
	Roots                         []ssz.Root
	Indices                       []uint64
	// SSZ prints raw SSZ in place of JSON, into files in the directory Out unless that is empty.
	SSZ bool
	Out string

	flags settings.Table
}

// Settings returns the flags of a call, which set the request.
func (r *Request) Settings() settings.Table {
	r.Count = 1
	r.flags = settings.Table{
		settings.New("", "start-slot", settings.Uint(&r.StartSlot, 0), "first `SLOT`"),
		settings.New("", "start-period", settings.Uint(&r.StartPeriod, 0), "first sync committee `PERIOD`"),
		settings.New("", "count", settings.Uint(&r.Count, 1), "`NUMBER` of slots, periods or blocks"),
		settings.New("", "root", settings.ListOf(&r.Roots, parseRoot, ssz.Root.String), "block `ROOT`; may be repeated"),
		settings.New("", "index", settings.Numbers(&r.Indices), "`INDEX` of a blob, a column or a member; may be repeated"),
		settings.New("", "ssz", settings.Switch(&r.SSZ), "write raw SSZ in place of JSON"),
		settings.New("", "out", settings.Text(&r.Out, nil), "`DIR` to write objects to, with --ssz; made if need be"),
	}
	return r.flags
}

func parseRoot(text string) (root ssz.Root, err error) {
	err = root.UnmarshalText([]byte(text))
	return root, err
}

// Check returns an error for flags that the method does not take or lacks, and for what no peer would answer: more than
// the row of its protocol allows in one answer.
func (r *Request) Check(f *beacon.Family) error {
	m := methods[r.Method]
	row := r.row(f)
	if err := r.checkFlags(m, row); err != nil {
		return err
	}
	if r.flags.Given("count") && max(r.StartSlot, r.StartPeriod) > math.MaxUint64-(r.Count-1) {
		flag := m.flags[slices.IndexFunc(m.flags, func(f string) bool { return strings.HasPrefix(f, "start-") })]
		return fmt.Errorf("--%s %d and --count %d: there are no such %ss", flag, max(r.StartSlot, r.StartPeriod), r.Count,
			strings.TrimPrefix(flag, "start-"))
	}
	for _, index := range r.Indices {
		if m.indices > 0 && index >= m.indices {
			return fmt.Errorf("--index %d: want 0 to %d", index, m.indices-1)
		}
	}
	if m.counted == nil {
		return nil
	}
	n := f.Network()
	fork := n.ForkAt(n.EpochOf(n.SlotAt(time.Now())))
	request := m.counted(r)
	if asked, most := row.Asked(request), row.MaxItems(fork); asked > most {
		return fmt.Errorf("%s: up to %d objects are asked for, of which the network allows at most %d in one answer",
			r.asked(m), asked, most)
	}
	if roots, most := uint64(len(r.Roots)), n.MaxRequestBlocks(n.EpochOf(n.SlotAt(time.Now()))); roots > most {
		return fmt.Errorf("%d times --root: the network allows at most %d", roots, most)
	}
	return nil
}

func (r *Request) checkFlags(m method, row *beacon.Protocol) error {
	single := row.Spec().Kind() != reqresp.KindStream
	for _, s := range r.flags {
		switch takes := slices.Contains(m.flags, s.Flag) || s.Flag == "ssz" || s.Flag == "out" && !single; {
		case s.Given() && !takes:
			return fmt.Errorf("--%s is of no effect with %s", s.Flag, r.Method)
		case takes && !s.Given() && (s.Flag == "root" || s.Flag == "index"):
			return fmt.Errorf("%s needs at least one --%s", r.Method, s.Flag)
		case takes && !s.Given() && strings.HasPrefix(s.Flag, "start"):
			return fmt.Errorf("%s needs --%s", r.Method, s.Flag)
		}
	}
	roots := len(r.Roots)
	atMostOne := single || m.oneEach && roots <= 1 && r.Count == 1
	switch {
	case roots > 1 && !m.roots:
		return fmt.Errorf("%s takes one --root, not %d", r.Method, roots)
	case r.Out != "" && !r.SSZ:
		return fmt.Errorf("--out needs --ssz: JSON goes to standard output")
	case r.SSZ && r.Out == "" && !atMostOne:
		return fmt.Errorf("--ssz of more than one object needs --out DIR")
	}
	return nil
}

// asked spells out the flags that say how much is asked for.
func (r *Request) asked(m method) string {
	text := fmt.Sprintf("%d times --root", len(r.Roots))
	if slices.Contains(m.flags, "count") {
		text = fmt.Sprintf("--count %d", r.Count)
	}
	if indices := len(r.Indices); indices > 0 {
		text += fmt.Sprintf(" and %d times --index", indices)
	}
	return text
}

// row returns the row of the method's protocol, in its preferred version.
func (r *Request) row(f *beacon.Family) *beacon.Protocol {
	rows := f.Protocols()
	return rows[slices.IndexFunc(rows, func(p *beacon.Protocol) bool { return p.Name == r.Method })]
}
