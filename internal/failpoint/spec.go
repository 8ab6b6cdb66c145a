//go:build failpoint

package failpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// action is what happens at a point.
type action string

const (
	kill  action = "kill"
	stop  action = "stop"
	fail  action = "error"
	delay action = "delay"
)

// fault is what one point was told.
type fault struct {
	action action
	delay  time.Duration
	times  int64 // how often; 0: always
	passed int64 // how many hits are let pass before
	hits   atomic.Int64
}

// plan is what a process was told.
type plan struct {
	faults map[Point]*fault
	off    map[Switch]bool
}

var (
	points = []Point{
		ClaimBefore, ClaimAfter, RunDuring, GroupBefore, FinishBefore, CommitBefore, CommitAfter, ParkAfter, AckBefore, AckAfter,
		PublishBefore, PubAck, MarkBefore, SweepBefore, SweepAfter,
	}
	switches = []Switch{Fence, Sweeper, Lease, GroupFence, AckAfterCommit}
)

// parse reads both variables; an empty one asks for nothing.
func parse(faults, off string) (*plan, error) {
	p := &plan{map[Point]*fault{}, map[Switch]bool{}}
	for _, text := range fields(faults, ";") {
		if err := p.add(text); err != nil {
			return nil, fmt.Errorf("OPRUN_FAILPOINTS: %q: %w", text, err)
		}
	}
	for _, name := range fields(off, ",") {
		if !slices.Contains(switches, Switch(name)) {
			return nil, fmt.Errorf("OPRUN_BREAK: there is no switch %q, only %q", name, switches)
		}
		p.off[Switch(name)] = true
	}
	return p, nil
}

func fields(list, separator string) (found []string) {
	for field := range strings.SplitSeq(list, separator) {
		if field = strings.TrimSpace(field); field != "" {
			found = append(found, field)
		}
	}
	return found
}

func (p *plan) add(text string) error {
	name, what, _ := strings.Cut(text, "=")
	point := Point(strings.TrimSpace(name))
	if !slices.Contains(points, point) {
		return fmt.Errorf("there is no point %q, only %q", point, points)
	}
	if p.faults[point] != nil {
		return fmt.Errorf("the point %q is there twice", point)
	}
	f, err := parseFault(strings.TrimSpace(what))
	p.faults[point] = f
	return err
}

// parseFault reads action[*times][@passed].
func parseFault(text string) (f *fault, err error) {
	f = &fault{}
	text, passed, isPassed := strings.Cut(text, "@")
	text, times, isTimes := strings.Cut(text, "*")
	if isPassed {
		if f.passed, err = count(passed); err != nil {
			return nil, err
		}
	}
	if isTimes {
		if f.times, err = count(times); err != nil {
			return nil, err
		}
	}
	return f, f.act(text)
}

func count(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a count from 1", text)
	}
	return n, nil
}

func (f *fault) act(text string) (err error) {
	switch f.action = action(text); f.action {
	case kill, stop, fail:
		return nil
	case delay:
	}
	inner, found := strings.CutPrefix(text, "delay(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !found || !closed {
		return fmt.Errorf("%q is not kill, stop, error or delay(duration)", text)
	}
	f.action = delay
	if f.delay, err = time.ParseDuration(inner); err != nil || f.delay <= 0 {
		return fmt.Errorf("%q is not a duration", inner)
	}
	return nil
}
