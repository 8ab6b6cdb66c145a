package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"oprun.example/internal/proc"
	"oprun.example/pkg/catalog"
)

type catalogCheckCommand struct {
	Against string `placeholder:"FILE" help:"An older catalogue: show which changes since then change identities, fires or what inputs are taken. Its schemas are read from its own folder."`
	Strict  bool   `help:"Exit with 1 when there is a warning or a change."`
}

// Help is the longer text of --help.
func (*catalogCheckCommand) Help() string {
	return `Errors are what no program accepts of a catalogue: exit code 2. Warnings are what it may say and probably does not mean, and changes are what --against finds: exit code 0, or with --strict 1. Nothing is connected to.

	publisher catalog check --against <older>/jobs.yaml --strict

A change of identity means that a job running under the old identity and a new one can both be active. What is not shown as changed makes the same jobs the same as before.`
}

// finding is one thing to know of a catalogue.
type finding struct {
	Level string         `json:"level"` // error, warning, change
	File  string         `json:"file,omitempty"`
	Line  int            `json:"line,omitempty"`
	Field string         `json:"field,omitempty"`
	Text  string         `json:"text"`
	Kind  catalog.Effect `json:"effect,omitempty"` // of a change
	Was   string         `json:"was,omitempty"`
	Now   string         `json:"now,omitempty"`
}

// Run shows what there is to know of the catalogue.
func (c *catalogCheckCommand) Run(_ context.Context, a *app) error {
	declared, err := catalog.Load(a.Catalog)
	if problems, ok := errors.AsType[catalog.Problems](err); ok {
		if err := a.printFindings(ofProblems("error", problems)); err != nil {
			return err
		}
		return &proc.Error{Code: proc.Usage, Err: fmt.Errorf("%s cannot be used: errors: %d", a.Catalog, len(problems)), Hint: "mend the lines it names"}
	}
	if err != nil {
		return &proc.Error{Code: proc.Usage, Err: err, Hint: "type: publisher catalog check --catalog <file>, or export OPRUN_CATALOG=<file>"}
	}
	findings, err := c.findings(a, declared)
	if err != nil {
		return err
	}
	if err := a.printFindings(findings); err != nil {
		return err
	}
	if c.Strict && len(findings) > 0 {
		return fmt.Errorf("%s has warnings or changes: %d", a.Catalog, len(findings))
	}
	a.log.Info("catalogue checked", "file", a.Catalog, "job_types", len(declared.Jobs), "schedules", len(declared.Schedules), "findings", len(findings))
	return nil
}

// findings are the warnings, and the changes if they are asked for.
func (c *catalogCheckCommand) findings(a *app, declared *catalog.Catalog) ([]finding, error) {
	found := ofProblems("warning", declared.Warnings())
	if c.Against == "" {
		return found, nil
	}
	older, err := loadCatalog("against", c.Against)
	if err != nil {
		return nil, err
	}
	return append(found, ofChanges(a.Catalog, declared.Changes(older))...), nil
}

func ofProblems(level string, problems catalog.Problems) []finding {
	found := []finding{}
	for _, p := range problems {
		found = append(found, finding{Level: level, File: p.File, Line: p.Line, Field: p.Field, Text: p.Text})
	}
	return found
}

func ofChanges(file string, changes []catalog.Change) []finding {
	found := []finding{}
	for _, c := range changes {
		found = append(found, finding{
			Level: "change", File: file, Line: c.Line, Field: c.Field, Text: c.Means, Kind: c.Effect, Was: c.Was, Now: c.Now,
		})
	}
	return found
}

// printFindings writes a table, of which nothing is cut off; a JSON array; or one JSON object on each line.
func (a *app) printFindings(findings []finding) error {
	switch a.Output {
	case "table":
		return a.tableFindings(findings)
	case "ndjson":
		for _, f := range findings {
			if err := a.encode(f); err != nil {
				return err
			}
		}
		return nil
	default:
		return a.encode(findings)
	}
}

func (a *app) tableFindings(findings []finding) error {
	if len(findings) == 0 {
		return nil // as compilers have it
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LEVEL\tPLACE\tFIELD\tTEXT")
	for _, f := range findings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Level, f.place(), orDash(f.Field), f.sentence())
	}
	return table.Flush()
}

func (f finding) place() string {
	if f.Line == 0 {
		return orDash(f.File)
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

// sentence is the text, led by what has changed.
func (f finding) sentence() string {
	if f.Level != "change" {
		return f.Text
	}
	return fmt.Sprintf("%s: %s -> %s: %s", f.Kind, orDash(f.Was), orDash(f.Now), f.Text)
}
