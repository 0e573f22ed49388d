package rustpeer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// command is one line of input. Members "do" and "number" are set by the methods that send it.
type command map[string]any

// answer is a line that answers a command.
type answer struct {
	Answers uint64          `json:"answers"`
	Value   json.RawMessage `json:"value"`
	Error   string          `json:"error"`
}

// read takes the lines of output apart until there are no more.
func (p *Peer) read(lines *json.Decoder) error {
	for {
		var line struct {
			answer
			Event
		}
		if err := lines.Decode(&line); err != nil {
			return err
		}
		p.mu.Lock()
		if line.Kind != "" {
			p.events = append(p.events, line.Event)
		} else if waiting, ok := p.waiting[line.Answers]; ok {
			waiting <- line.answer // has room for it
			delete(p.waiting, line.Answers)
		}
		p.mu.Unlock()
		select {
		case p.arrived <- struct{}{}:
		default:
		}
	}
}

// Next returns the next event, and waits for it if need be. Events are kept, in their order, until they
// are taken. One Next may be called at a time. The error is the cause of ctx, or tells how the process ended.
func (p *Peer) Next(ctx context.Context) (Event, error) {
	for {
		if event, ok := p.take(); ok {
			return event, nil
		}
		select {
		case <-p.arrived:
		case <-p.exited:
			if event, ok := p.take(); ok {
				return event, nil
			}
			return Event{}, p.exit
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

// Expect returns the next event that is not about a connection. It fails, as [Peer.Next] does and also if the event
// is not of the kind given.
func (p *Peer) Expect(ctx context.Context, kind Kind) (Event, error) {
	for {
		event, err := p.Next(ctx)
		switch {
		case err != nil:
			return Event{}, fmt.Errorf("rustpeer: waiting for event %s: %w", kind, err)
		case event.Kind == kind:
			return event, nil
		case event.Kind != KindConnected && event.Kind != KindDisconnected:
			return Event{}, fmt.Errorf("rustpeer: event %v, want %s", event, kind)
		}
	}
}

func (p *Peer) take() (event Event, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.events) == 0 {
		return Event{}, false
	}
	event = p.events[0]
	p.events = p.events[1:]
	return event, true
}

// do sends a command, waits for its answer and stores the answer's value in result unless that is nil.
func (p *Peer) do(ctx context.Context, what string, c command, result any) error {
	answers := make(chan answer, 1)
	if err := p.send(what, c, answers); err != nil {
		return fmt.Errorf("rustpeer: %s: %w", what, err)
	}
	select {
	case a := <-answers:
		return a.decode(what, result)
	case <-p.exited:
		return fmt.Errorf("rustpeer: %s: %w", what, p.exit)
	case <-ctx.Done():
		return fmt.Errorf("rustpeer: %s: %w", what, context.Cause(ctx))
	}
}

func (p *Peer) send(what string, c command, answers chan<- answer) error {
	p.mu.Lock()
	p.commands++
	number := p.commands
	p.waiting[number] = answers
	p.mu.Unlock()
	c["do"], c["number"] = what, number
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	p.write.Lock()
	defer p.write.Unlock()
	_, err = p.stdin.Write(append(line, '\n'))
	return err
}

func (a answer) decode(what string, result any) error {
	err := error(nil)
	if a.Error != "" {
		err = errors.New(a.Error)
	} else if result != nil {
		err = json.Unmarshal(a.Value, result)
	}
	if err != nil {
		return fmt.Errorf("rustpeer: %s: %w", what, err)
	}
	return nil
}
