package model

// branch is one step that can be taken.
type branch struct {
	next  state
	note  note
	fault bool
}

// branches collects the steps from a state.
type branches struct {
	config *Config
	from   *state
	list   []branch
}

// steps appends everything that can happen next.
func (c *Config) steps(from *state, list []branch) []branch {
	b := &branches{config: c, from: from, list: list}
	c.requestSteps(b)
	c.relaySteps(b)
	c.sweepSteps(b)
	c.streamSteps(b)
	for k := range from.workers {
		c.workSteps(b, k)
	}
	c.groupSteps(b)
	c.landSteps(b)
	c.timeSteps(b)
	c.tenantSteps(b)
	c.retentionSteps(b)
	c.failoverSteps(b)
	return b.list
}

func (b *branches) step(next *state, format string, about ...word) { b.add(next, false, format, about) }

// fault is a step that spends the budget; there is none when that is spent.
func (b *branches) fault(f Fault, next *state, format string, about ...word) {
	if b.from.faults[f] == 0 {
		return
	}
	next.faults[f]--
	b.add(next, true, format, about)
}

func (b *branches) add(next *state, fault bool, format string, about []word) {
	b.config.checkParked(b.from, next)
	b.config.canonical(next)
	n := note{format: format}
	copy(n.about[:], about)
	b.list = append(b.list, branch{*next, n, fault})
}
