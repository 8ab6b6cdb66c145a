package model

import "hash/maphash"

// index finds states by their contents: open addressing over their numbers. A map would hold each of them a second time.
type index struct {
	slots []slot // a power of two
	used  int
	seed  maphash.Seed
}

type slot struct {
	hash uint32
	at   int32 // the state's number plus one
}

// shelf holds states by number. It grows without moving them: a slice would have each of them twice while it grows.
type shelf struct {
	boards []*[board]state
	count  int
}

const board = 4096

func (s *shelf) at(n int32) *state { return &s.boards[n/board][n%board] }

func (s *shelf) add(next *state) {
	if s.count%board == 0 {
		s.boards = append(s.boards, new([board]state))
	}
	s.count++
	*s.at(int32(s.count - 1)) = *next
}

// place returns a state's number, and whether it is new: then it is the next one.
func (x *index) place(s *state, states *shelf) (at int32, isNew bool) {
	if 2*x.used >= len(x.slots) {
		x.grow()
	}
	hash := uint32(maphash.Comparable(x.seed, *s))
	for i := hash & x.mask(); ; i = (i + 1) & x.mask() {
		switch slot := &x.slots[i]; {
		case slot.at == 0:
			slot.hash, slot.at = hash, int32(states.count+1)
			x.used++
			return int32(states.count), true
		case slot.hash == hash && *states.at(slot.at - 1) == *s:
			return slot.at - 1, false
		}
	}
}

func (x *index) mask() uint32 { return uint32(len(x.slots) - 1) }

func (x *index) grow() {
	if x.slots == nil {
		x.seed = maphash.MakeSeed()
	}
	before := x.slots
	x.slots = make([]slot, max(1024, 2*len(before)))
	for _, s := range before {
		if s.at == 0 {
			continue
		}
		i := s.hash & x.mask()
		for x.slots[i].at != 0 {
			i = (i + 1) & x.mask()
		}
		x.slots[i] = s
	}
}
