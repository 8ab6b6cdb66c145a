package catalog

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Catalog is what a set of programs runs: its job types, their schedules, and the handlers that live outside the
// process. One made by [New], [Parse] or [Load] is complete and valid; read it and leave it as it is. It has the
// built-in types and their schedules too, which are not to be declared (see [Catalog.IsBuiltin]).
type Catalog struct {
	Jobs      map[string]Job      // by job type
	Schedules map[string]Schedule // by name
	Handlers  map[string]Handler  // by job type; a type handled in Go has none

	aliases map[string]string // CloudEvents type → job type
	source  source
}

// Load reads the catalogue file at path. The schemas it names are read from the file's folder and below.
func Load(path string) (*Catalog, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load catalogue: %w", err)
	}
	return Parse(path, data, os.DirFS(filepath.Dir(path)))
}

// Parse reads a catalogue in YAML. The name stands for the file in error texts; schemas holds the files that jobs
// name as their schema and may be nil when none does.
func Parse(name string, data []byte, schemas fs.FS) (*Catalog, error) {
	r := &report{source: source{name, map[string]int{}}}
	declared := decode(r, data)
	return r.check(declared, schemas)
}

// New returns a catalogue declared in Go: defaults applied, rules checked, schemas compiled. The declaration's maps
// are copied. Schemas holds the files that jobs name as their schema and may be nil when none does.
func New(declared Catalog, schemas fs.FS) (*Catalog, error) {
	return new(report).check(declared, schemas)
}

// check makes a catalogue of a declaration. It is where the three ways to make one meet.
func (r *report) check(declared Catalog, schemas fs.FS) (*Catalog, error) {
	c := &Catalog{
		Jobs:      make(map[string]Job, len(declared.Jobs)),
		Schedules: make(map[string]Schedule, len(declared.Schedules)),
		Handlers:  make(map[string]Handler, len(declared.Handlers)),
		aliases:   map[string]string{},
		source:    r.source,
	}
	r.builtins(c, declared)
	for _, jobType := range slices.Sorted(maps.Keys(declared.Jobs)) {
		if !c.IsBuiltin(jobType) { // that is refused already, whatever it says
			c.Jobs[jobType] = r.job(jobType, declared.Jobs[jobType], schemas)
		}
	}
	r.aliases(c)
	for _, name := range slices.Sorted(maps.Keys(declared.Schedules)) {
		c.Schedules[name] = r.schedule(name, declared.Schedules[name], c.Jobs)
	}
	for _, jobType := range slices.Sorted(maps.Keys(declared.Handlers)) {
		c.Handlers[jobType] = r.handler(jobType, declared.Handlers[jobType], c.Jobs)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// aliases collects what the jobs are called in CloudEvents. A name that stood for two types would run one job as
// the other.
func (r *report) aliases(c *Catalog) {
	for _, jobType := range slices.Sorted(maps.Keys(c.Jobs)) {
		alias, field := c.Jobs[jobType].CEType, entry("jobs", jobType)+".ce_type"
		if alias == "" || alias == jobType {
			continue
		}
		if _, ok := c.Jobs[alias]; ok {
			r.breaks(field, "%.100q is a job type of its own: choose another alias", alias)
		}
		if other, ok := c.aliases[alias]; ok {
			r.breaks(field, "%.100q is the alias of %s already: choose another", alias, other)
			continue
		}
		c.aliases[alias] = jobType
	}
}

// Alias returns the job type that a CloudEvents type stands for: the job type of that name, or the one that
// declares it as its ce_type.
func (c *Catalog) Alias(ceType string) (string, bool) {
	if _, ok := c.Jobs[ceType]; ok {
		return ceType, true
	}
	jobType, ok := c.aliases[ceType]
	return jobType, ok
}
