package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"oprun.example/internal/asyncapi"
	"oprun.example/internal/proc"
	"oprun.example/pkg/catalog"
)

type catalogCommand struct {
	Check    catalogCheckCommand    `cmd:"" help:"Look for mistakes in the catalogue, and for what a change of it does to jobs."`
	AsyncAPI catalogAsyncAPICommand `cmd:"" name:"asyncapi" help:"Describe all subjects, headers and payloads as an AsyncAPI document."`
}

type catalogAsyncAPICommand struct{}

// Help is the longer text of --help.
func (*catalogAsyncAPICommand) Help() string {
	return `The document is of AsyncAPI 3.0, and YAML unless --output asks for json, or ndjson: JSON on one line. It is made of the catalogue, of the schemas it names, with what these refer to, and of --subject-prefix and --events-prefix. The same of these gives the same bytes. Nothing is connected to.

	publisher catalog asyncapi >asyncapi.yaml`
}

// Run prints the document.
func (*catalogAsyncAPICommand) Run(_ context.Context, a *app) error {
	declared, err := loadCatalog("catalog", a.Catalog)
	if err != nil {
		return err
	}
	if err := a.validateSubjects(); err != nil {
		return misuse("catalog asyncapi", "%w", err)
	}
	doc := asyncapi.Describe(declared, a.subjects())
	var text []byte
	switch a.Output {
	case "json":
		text, err = asyncapi.JSON(doc)
	case "ndjson":
		text, err = json.Marshal(doc)
		text = append(text, '\n')
	default:
		text, err = asyncapi.YAML(doc)
	}
	if err != nil {
		return err
	}
	if _, err := a.out.Write(text); err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	return nil
}

// loadCatalog reads the catalogue that a flag names; its error says what is wrong in which line.
func loadCatalog(flag, path string) (*catalog.Catalog, error) {
	declared, err := catalog.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		hint := "type: --" + flag + " <file>"
		if flag == "catalog" {
			hint += ", or export OPRUN_CATALOG=<file>"
		}
		return nil, &proc.Error{Code: proc.Usage, Err: err, Hint: hint}
	}
	if err != nil {
		return nil, &proc.Error{Code: proc.Usage, Err: fmt.Errorf("the catalogue cannot be used:\n%w", err), Hint: "mend the lines it names"}
	}
	return declared, nil
}
