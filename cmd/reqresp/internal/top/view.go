package top

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/bar"
	"github.com/seed-2dd5877b/reqresp/plugin/api"
)

var (
	bold  = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	alert = lipgloss.NewStyle().Foreground(lipgloss.Red)
	plain = lipgloss.NewStyle()
)

// View implements tea.Model.
func (m *Model) View() tea.View {
	v := tea.NewView(m.text())
	v.AltScreen = true
	v.WindowTitle = "reqresp top"
	return v
}

// text fills the terminal, and no more: what is too wide is cut, what is too long left out.
func (m *Model) text() string {
	var lines []string
	lines = append(lines, m.head()...)
	lines = append(lines, m.methods()...)
	lines = append(lines, "")
	room := max(m.height-len(lines)-2, 2)
	lines = append(lines, m.peers(room)...)
	lines = append(lines, "", faint.Render("q quit · space pause · ↑ ↓ scroll peers"))
	for i, line := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(m.width).Render(line)
	}
	return strings.Join(lines, "\n")
}

func (m *Model) head() []string {
	if m.last.At.IsZero() {
		if m.err != nil {
			return []string{alert.Render(m.err.Error())}
		}
		return []string{"asking the node …"}
	}
	s := &m.last
	inbound := 0
	for _, p := range s.Peers {
		if p.Direction == "inbound" {
			inbound++
		}
	}
	title := fmt.Sprintf("%s  %v  head %d  finalized epoch %d  peers %d in %d out", s.Info.Network, s.Info.PeerID,
		s.Info.Status.HeadSlot, s.Info.Status.FinalizedEpoch, inbound, len(s.Peers)-inbound)
	lines := []string{bold.Render(title), m.note()}
	if sync := s.Syncing; sync != nil {
		lines = append(lines, fmt.Sprintf("sync %s slot %d of %d, %d blocks, %s, from %v",
			bar.Of(uint64(sync.Slot), uint64(sync.Target), 30), sync.Slot, sync.Target, sync.Blocks,
			size(float64(sync.Bytes)), short(sync.PeerID)), "")
	}
	return lines
}

// note tells why what is shown is not what is.
func (m *Model) note() string {
	switch {
	case m.err != nil:
		return alert.Render(m.err.Error())
	case m.paused:
		return alert.Render("paused")
	}
	return ""
}

// methods shows those that something has come of.
func (m *Model) methods() []string {
	t := newTable("METHOD", "DIRECTION", "REQ/S", "FAIL/S", "ACTIVE", "WAITING", "THROTTLED",
		"CHUNKS/S", "WIRE/S", "SSZ/S", "1ST BYTE")
	for _, method := range m.last.Methods {
		if method.Ended() == 0 && method.Active == 0 {
			continue
		}
		r := m.rates[key{method.Method, method.Direction}]
		t.row(style(method.Waiting > 0), method.Method, method.Direction, number(r.ended), number(r.failed),
			method.Active, method.Waiting, number(r.delayed)+" s/s", number(r.chunks), size(r.wire),
			size(r.ssz), shortTime(method.FirstByte))
	}
	return t.lines()
}

// peers shows as many as there is room for, those with the least left first.
func (m *Model) peers(room int) []string {
	t := newTable("PEER", "CLIENT", "DIRECTION", "SINCE", "HEAD", "SERVING", "WAITING", "SCORE", "LEAST LEFT")
	scarcest := m.last.scarcest()
	peers := slices.Clone(m.last.Peers)
	slices.SortStableFunc(peers, func(a, b api.Peer) int { return compare(scarcest[a.PeerID], scarcest[b.PeerID]) })
	peers = peers[min(m.scroll, len(peers)):]
	for _, p := range peers[:min(len(peers), room-1)] {
		head := "-"
		if p.Status != nil {
			head = fmt.Sprint(p.Status.HeadSlot)
		}
		b := scarcest[p.PeerID]
		t.row(style(b.known && b.left <= 0), short(p.PeerID), p.Client, p.Direction,
			m.last.At.Sub(p.Connected).Round(time.Second), head, p.Serving, b.waiting, fmt.Sprintf("%.1f", p.Score), b)
	}
	return t.lines()
}

func compare(a, b budget) int {
	switch {
	case a.known != b.known && a.known, a.left < b.left:
		return -1
	case a.known != b.known, a.left > b.left:
		return 1
	}
	return 0
}

// String shows how much is left, and of what.
func (b budget) String() string {
	if !b.known {
		return "-"
	}
	return fmt.Sprintf("%s %4.0f %% %s", bar.Of(uint64(max(b.left, 0)*1000), 1000, 10), b.left*100, b.of)
}

// short is the end of a peer id, as all begin alike. The whole is what 'reqresp peers' lists.
func short(id peer.ID) string {
	text := id.String()
	return "…" + text[max(len(text)-12, 0):]
}

func style(hot bool) lipgloss.Style {
	if hot {
		return alert
	}
	return plain
}

// A table is laid out in columns before it is coloured, as colours have no width.
type table struct {
	text   strings.Builder
	w      *tabwriter.Writer
	styles []lipgloss.Style
}

func newTable(columns ...any) *table {
	t := new(table)
	t.w = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	t.row(bold, columns...)
	return t
}

func (t *table) row(style lipgloss.Style, cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = fmt.Fprint(t.w, "\t")
		}
		_, _ = fmt.Fprint(t.w, cell)
	}
	_, _ = fmt.Fprintln(t.w)
	t.styles = append(t.styles, style)
}

func (t *table) lines() []string {
	_ = t.w.Flush() // Nothing fails that writes to memory.
	lines := strings.Split(strings.TrimSuffix(t.text.String(), "\n"), "\n")
	for i, line := range lines {
		lines[i] = t.styles[i].Render(line)
	}
	return lines
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func size(bytes float64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%.1f KiB", bytes/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
}

func shortTime(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Microsecond)
}
