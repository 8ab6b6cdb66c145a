package asyncapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oprun.example/internal/asyncapi"
	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
)

// parse has others' parser read documents, in one process, since it takes its time to start, and returns what it prints
// of each. With them may come values, as check.cjs wants them.
func parse(t *testing.T, files map[string][]byte) (printed map[string]string, good bool) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(devstack.NodeModules(t, "testdata/parser"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/parser/check.cjs")
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"check.cjs"}
	files["check.cjs"] = script
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o600); err != nil {
			t.Fatal(err)
		}
		if name != "check.cjs" && !strings.HasSuffix(name, ".values") {
			arguments = append(arguments, name)
		}
	}
	cmd := devstack.Node(t.Context(), t, arguments...)
	cmd.Dir = dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if _, ended := err.(*exec.ExitError); err != nil && !ended || complaints.Len() > 0 { //nolint:errorlint // Output does not wrap
		t.Fatalf("check.cjs: %v\n%s", err, complaints.String())
	}
	printed, rest := map[string]string{}, string(out)
	for _, name := range slices.Backward(arguments[1:]) {
		before, own, found := strings.Cut(rest, name+": ")
		if !found {
			t.Fatalf("check.cjs says nothing of %s:\n%s", name, out)
		}
		printed[name], rest = own, before
	}
	return printed, err == nil
}

// The document has neither errors nor warnings for the parser that the AsyncAPI project gives to everybody, in either
// form, and the schemas in it say to another validator what they say to ours.
func TestOthersReadTheDocument(t *testing.T) {
	t.Parallel()
	doc := describe(t)
	asJSON, err := asyncapi.JSON(doc)
	if err != nil {
		t.Fatal(err)
	}
	values, want := verdicts(t)
	printed, good := parse(t, map[string][]byte{"1.json": asJSON, "2.yaml": asYAML(t, doc), "2.yaml.values": values})
	if !good {
		t.Errorf("check.cjs has found something")
	}
	for name, out := range printed {
		if !strings.HasPrefix(out, "good\n") || !strings.HasSuffix(out, "\nchannels: 12, operations: 12, schemas of 2020-12: 12\n") {
			t.Errorf("%s: %s", name, out)
		}
	}
	var got []string
	for line := range strings.Lines(printed["2.yaml"]) {
		if line = strings.TrimSpace(line); strings.HasSuffix(line, ": true") || strings.HasSuffix(line, ": false") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-ours +theirs):\n%s\nof %s", diff, values)
	}
}

// verdicts returns inputs for check.cjs, and what the catalogue says of each: as a body, and as the data of a CloudEvent.
func verdicts(t *testing.T) (values []byte, verdicts []string) {
	t.Helper()
	c, err := catalog.Load("testdata/jobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const id = `"8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11"`
	pairs, taken := [][]any{}, map[string]bool{}
	for _, v := range []struct{ jobType, input string }{
		{"assignments.fetch", `{"connection_id":` + id + `,"policy_type":"compliance"}`},
		{"assignments.fetch", `{"connection_id":7,"policy_type":"compliance"}`},
		{"assignments.fetch", `{"connection_id":"7","policy_type":"compliance"}`},
		{"assignments.fetch", `{"connection_id":` + id + `,"policy_type":"compliance","x":1}`},
		{"assignments.fetch", `{"connection_id":` + id + `,"policy_type":"compliance","since":"today"}`},
		{"assignments.fetch", `{"policy_type":"compliance"}`},
		{"assignments.restore", `{"assignment_id":` + id + `,"range":["2026-01-01","2026-01-31"]}`},
		{"assignments.restore", `{"assignment_id":` + id + `,"range":["2026-01-01","31"]}`},
		{"assignments.restore", `{"assignment_id":` + id + `,"range":["2026-01-01","2026-01-31",1]}`},
		{"reports.build", `{"month":1}`},
		{"trees.prune", `{"children":[{"children":[{"n":1}]}]}`},
		{"trees.prune", `{"children":[{"children":[{"n":"1"}]}]}`},
		{"ops.delete_expired_runs", `{"limit":1}`},
		{"ops.delete_expired_runs", `{"limit":0}`},
	} {
		verdict := "false"
		if c.Jobs[v.jobType].ValidateInput([]byte(v.input)) == nil {
			verdict = "true"
		}
		event := `{"specversion":"1.0","type":"` + v.jobType + `","id":"1","source":"/test","data":` + v.input + `}`
		pairs = append(pairs, []any{v.jobType, json.RawMessage(v.input)}, []any{v.jobType + "-cloudevent", json.RawMessage(event)})
		verdicts = append(verdicts, v.jobType+": "+verdict, v.jobType+"-cloudevent: "+verdict)
		taken[verdict] = true
	}
	if len(taken) != 2 {
		t.Fatal("every input is taken, or none: that shows nothing")
	}
	if values, err = json.Marshal(pairs); err != nil {
		t.Fatal(err)
	}
	return values, verdicts
}

// A check that never fails shows nothing: the same script finds fault with documents that are broken on purpose.
func TestOthersRefuseABrokenDocument(t *testing.T) {
	t.Parallel()
	breaks := map[string]struct{ from, to, finding string }{
		"no AsyncAPI":                    {"asyncapi: 3.0.0", "openapi: 3.0.0", "Error asyncapi-is-asyncapi"},
		"a member too few":               {"  title: Background jobs\n", "", "Error asyncapi-document"},
		"an action that is none":         {"action: receive", "action: run", "Error asyncapi-document"},
		"a parameter without a place":    {"jobs.tenant.{tenant_id}.assignments.fetch", "jobs.tenant.x.assignments.fetch", "arameter"},
		"a message that is not there":    {"$ref: '#/components/messages/RunEnded'", "$ref: '#/components/messages/RunBegun'", "Error invalid-ref"},
		"a header's type that is none":   {"maxLength: 128\n          type: string", "maxLength: 128\n          type: thing", "Error asyncapi-document"},
		"an input's type that is none":   {"        type: object\n        unevaluatedProperties: false\n", "        type: thing\n        unevaluatedProperties: false\n", "Error draft-2020-12: "},
		"an input's reference to no end": {"~1common.json/$defs/id", "~1common.json/$defs/no", "Error invalid-ref"},
	}
	document, files := string(asYAML(t, describe(t))), map[string][]byte{}
	for name, b := range breaks {
		broken := strings.Replace(document, b.from, b.to, 1)
		if broken == document {
			t.Fatalf("the document does not hold %q", b.from)
		}
		files[name] = []byte(broken)
	}
	printed, good := parse(t, files)
	if good {
		t.Error("check.cjs ends as if all were good")
	}
	for name, b := range breaks {
		if out := printed[name]; !strings.HasPrefix(out, "bad\n") || !strings.Contains(out, b.finding) {
			t.Errorf("%s: want it to be bad, and among its findings %s\n%s", name, b.finding, out)
		}
	}
}
