package remote

import (
	"slices"
	"strings"
	"testing"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
)

// declarations reads the handlers of a catalogue.
func declarations(t *testing.T, handlers ...string) map[string]catalog.Handler {
	t.Helper()
	text := "version: 1\njobs:\n"
	for _, name := range []string{"a.a", "a.b", "a.c"}[:len(handlers)] {
		text += "  " + name + ": {scope: tenant, identity: []}\n"
	}
	text += "handlers:\n  " + strings.Join(handlers, "\n  ") + "\n"
	return must(catalog.Parse("jobs.yaml", []byte(text), nil))(t).Handlers
}

func variables(values map[string]string) Config {
	return Config{LookupEnv: func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}}
}

func TestRegisterAddsAHandlerForEachDeclaration(t *testing.T) {
	t.Parallel()
	handlers := declarations(t,
		`a.a: {http: "http://${HOST}/fetch", bearer_env: TOKEN}`, `a.b: {exec: ["${SHELL}"], concurrency: 4}`)
	mux := &jobs.Mux{}
	config := variables(map[string]string{"HOST": "localhost", "TOKEN": "t", "SHELL": "sh"})
	check(t, Register(mux, handlers, config))
	if got := mux.Types(); !slices.Equal(got, []string{"a.a", "a.b"}) {
		t.Errorf("types %q", got)
	}
}

func TestRegisterOfNothingIsFine(t *testing.T) {
	t.Parallel()
	check(t, Register(&jobs.Mux{}, nil, Config{}))
}

func TestRegisterNamesEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	handlers := declarations(t,
		`a.a: {http: "http://localhost/", bearer_env: TOKEN}`, `a.b: {exec: ["${DIR}/run"]}`, `a.c: {exec: [./not/there]}`)
	mux := &jobs.Mux{}
	err := Register(mux, handlers, variables(nil))
	wantText(t, err, "handlers[a.a].bearer_env: the environment variable TOKEN is not set",
		"handlers[a.b].exec: the environment variable DIR is not set", "handlers[a.c]: find the command", "./not/there")
	if got := mux.Types(); len(got) > 0 {
		t.Errorf("added %q", got)
	}
}

func TestRegisterRefusesATokenThatCannotBeSent(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		"":            "TOKEN is not set",
		"t0ken\n":     "TOKEN holds what no header takes",
		"two t0kens":  "TOKEN holds what no header takes",
		"t0ken\u00e9": "TOKEN holds what no header takes",
	} {
		handlers := declarations(t, `a.a: {http: "http://localhost/", bearer_env: TOKEN}`)
		err := Register(&jobs.Mux{}, handlers, variables(map[string]string{"TOKEN": token}))
		wantText(t, err, "handlers[a.a]: bearer_env:", want)
		wantNone(t, err, "t0ken")
	}
}

func TestRegisterRefusesASecondHandlerForAType(t *testing.T) {
	t.Parallel()
	mux := &jobs.Mux{}
	handlers := declarations(t, `a.a: {exec: [sh]}`)
	check(t, Register(mux, handlers, Config{}))
	wantText(t, Register(mux, handlers, Config{}), "handlers[a.a]: the type has a handler in Go")
}

func TestRegisterRefusesWhatNoCatalogueCompleted(t *testing.T) {
	t.Parallel()
	err := Register(&jobs.Mux{}, map[string]catalog.Handler{"a.a": {Exec: []string{"sh"}}}, Config{})
	wantText(t, err, "handlers[a.a]: no concurrency")
}
