package catalog_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"oprun.example/pkg/catalog"
)

func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func TestExpandReplacesVariables(t *testing.T) {
	t.Parallel()
	c := load(t)
	env := environment(map[string]string{"FETCH_HOST": "10.0.0.7", "FETCH_TOKEN": "secret"})
	got, err := c.Handlers["assignments.fetch"].Expand(env)
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.Handler{HTTP: "http://10.0.0.7:9000/fetch", BearerEnv: "FETCH_TOKEN", Concurrency: 128}
	if diff := cmp.Diff(want, got, declared); diff != "" {
		t.Error(diff)
	}
	if c.Handlers["assignments.fetch"].HTTP != "http://${FETCH_HOST}:9000/fetch" {
		t.Error("the catalogue changed")
	}
}

func TestExpandKeepsDollarsThatAreNoVariable(t *testing.T) {
	t.Parallel()
	c, err := catalog.Parse("jobs.yaml", []byte(handler("exec: [sh, -c, 'echo $HOME $1 $$ ${WORD}s ${WORD}']")), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Handlers["a.b"].Expand(environment(map[string]string{"WORD": "${x}"}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sh", "-c", "echo $HOME $1 $$ ${x}s ${x}"}, got.Exec); diff != "" {
		t.Error(diff)
	}
	if c.Handlers["a.b"].Exec[2] == got.Exec[2] {
		t.Error("the catalogue changed")
	}
}

func TestExpandNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"unset variables": {
			handler("http: http://${HOST}:${PORT}/\nbearer_env: TOKEN"),
			"jobs.yaml:9: handlers[a.b].http: the environment variable HOST is not set: set it\n" +
				"jobs.yaml:9: handlers[a.b].http: the environment variable PORT is not set: set it\n" +
				"jobs.yaml:10: handlers[a.b].bearer_env: the environment variable TOKEN is not set: set it to the token",
		},
		"an address that is none": {
			handler("http: ${URL}"),
			"jobs.yaml:9: handlers[a.b].http: is no address: write http://host/path or https://host/path",
		},
		"a command that is none": {
			handler("exec: ['${EMPTY}']"),
			"jobs.yaml:9: handlers[a.b].exec[0]: is empty: write the command",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jobs, err := catalog.Parse("jobs.yaml", []byte(c.text), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = jobs.Handlers["a.b"].Expand(environment(map[string]string{"URL": "ftp://x/", "EMPTY": ""}))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A variable stands for itself everywhere else: what a publisher reads does not depend on its environment.
func TestVariablesAreExpandedInHandlersOnly(t *testing.T) {
	t.Setenv("WORD", "expanded")
	c, err := catalog.Parse("jobs.yaml", []byte(job("label: ${WORD}")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Jobs["a.b"].Label; got != "${WORD}" {
		t.Errorf("label is %q", got)
	}
}
