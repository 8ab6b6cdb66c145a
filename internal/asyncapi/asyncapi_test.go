package asyncapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"oprun.example/internal/asyncapi"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
)

func describe(t *testing.T) *asyncapi.Document {
	t.Helper()
	c, err := catalog.Load("testdata/jobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return asyncapi.Describe(c, events.Subjects{})
}

func asYAML(t *testing.T, doc *asyncapi.Document) []byte {
	t.Helper()
	text, err := asyncapi.YAML(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The golden document is what others have read and built on: a change of it is a change for them.
func TestDocumentIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // maps have no order of their own
		if diff := cmp.Diff(string(want), string(asYAML(t, describe(t)))); diff != "" {
			t.Fatalf("testdata/asyncapi.yaml (-want +got):\n%s\nif it is meant: go run ./cmd/publisher catalog asyncapi --catalog internal/asyncapi/testdata/jobs.yaml >internal/asyncapi/testdata/asyncapi.yaml", diff)
		}
	}
}

func TestYAMLAndJSONSayTheSame(t *testing.T) {
	t.Parallel()
	text, err := asyncapi.JSON(describe(t))
	if err != nil {
		t.Fatal(err)
	}
	var fromYAML any
	if err := yaml.Unmarshal(asYAML(t, describe(t)), &fromYAML); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, text), decoded(t, again)); diff != "" {
		t.Errorf("JSON and YAML differ:\n%s", diff)
	}
}

// decoded keeps the spelling of numbers.
func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
