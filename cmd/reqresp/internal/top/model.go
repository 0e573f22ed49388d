package top

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
)

// A Model is the state of the view. It is a tea.Model.
type Model struct {
	// take asks the node.
	take func(context.Context) (Snapshot, error)
	// every is the time between two questions.
	every time.Duration

	last   Snapshot
	rates  map[key]rate // between the last two
	err    error        // of the last question
	paused bool
	scroll int // peers above the first that is shown

	width, height int
}

// New returns a view of what take returns, which is called every so often.
func New(take func(context.Context) (Snapshot, error), every time.Duration) *Model {
	return &Model{take: take, every: every, width: 120, height: 40}
}

// Messages beside those of a terminal.
type (
	// Taken is a snapshot, or why there is none.
	Taken struct {
		Snapshot Snapshot
		Err      error
	}
	tick struct{}
)

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd { return m.ask }

// ask runs on a goroutine of its own.
func (m *Model) ask() tea.Msg {
	ctx, cancel := context.WithTimeout(context.Background(), m.timeout())
	defer cancel()
	s, err := m.take(ctx)
	return Taken{s, err}
}

// timeout bounds a question.
func (m *Model) timeout() time.Duration { return max(m.every, 5*time.Second) }

// Update implements tea.Model.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case Taken:
		m.taken(msg)
		return m, tea.Tick(m.every, func(time.Time) tea.Msg { return tick{} })
	case tick:
		return m, m.ask
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// taken notes a snapshot, unless the view is paused. One that failed leaves the last in place.
func (m *Model) taken(t Taken) {
	m.err = t.Err
	if m.paused || t.Err != nil {
		return
	}
	if !m.last.At.IsZero() {
		m.rates = rates(m.last, t.Snapshot)
	}
	m.last = t.Snapshot
	m.scroll = min(m.scroll, max(len(m.last.Peers)-1, 0))
}

func (m *Model) key(name string) tea.Cmd {
	switch name {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	case "space", "p":
		m.paused = !m.paused
	case "down", "j":
		m.scroll = min(m.scroll+1, max(len(m.last.Peers)-1, 0))
	case "up", "k":
		m.scroll = max(m.scroll-1, 0)
	}
	return nil
}
