package main

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"
)

// directory stands for a service far away, which has policies and their assignments, and a record of what it has restored.
type directory struct {
	mu       sync.Mutex
	mute     bool                      // it works, and its answers get lost
	policies map[string][]string       // the groups that each policy is assigned to; nil: nobody may read it
	restored map[uuid.UUID]restoration // by the key that it was asked with
}

// restoration is the directory's own record of one restore.
type restoration struct {
	restored int
	refused  []string // policies that it would not touch
}

var errForbidden = errors.New("reading this policy is forbidden")

func newDirectory() *directory {
	return &directory{
		policies: map[string][]string{"compliance": {"sales", "finance"}, "encryption": {"everyone"}, "payroll": nil},
		restored: map[uuid.UUID]restoration{},
	}
}

// names returns what policies there are.
func (d *directory) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.policies))
}

// read returns the groups that a policy is assigned to.
func (d *directory) read(policy string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.policies[policy] == nil {
		return nil, errForbidden
	}
	return d.policies[policy], nil
}

// restore assigns policies anew, and does so once for each key.
func (d *directory) restore(key uuid.UUID, backup map[string][]string) (restoration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	record, done := d.restored[key]
	if !done {
		for policy, groups := range backup {
			if d.policies[policy] == nil {
				record.refused = append(record.refused, policy)
				continue
			}
			d.policies[policy] = groups
			record.restored++
		}
		d.restored[key] = record
	}
	if d.mute {
		return restoration{}, errors.New("the connection was lost")
	}
	return record, nil
}

// look returns what the directory recorded under a key.
func (d *directory) look(key uuid.UUID) (restoration, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	record, done := d.restored[key]
	return record, done
}

// loseAnswers breaks the line from the directory to its callers.
func (d *directory) loseAnswers() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mute = true
}
