package asyncapi_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// What workers tell of a run is what the document says: each key is described, and each description holds.
func TestRunIsDescribedAsItIsTold(t *testing.T) {
	t.Parallel()
	run := compiled(t, "Run")
	tenant, workspace := uuid.New(), uuid.New()
	for _, outcome := range oprun.Outcomes() {
		full := told(t, jobs.Ended{
			ID: uuid.New(), TenantID: &tenant, WorkspaceID: &workspace, Type: "a.b", Status: "completed", Outcome: outcome, Attempt: 2,
			SummaryCounts: map[string]int64{"created": 3}, FailureSummary: []oprun.Failure{{Code: "a.b", Message: "x", Count: 1}},
		})
		if err := run.Validate(full); err != nil {
			t.Errorf("a run that ended as %s: %v", outcome, err)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(run.Properties)), slices.Sorted(maps.Keys(full))); diff != "" {
			t.Errorf("keys (-described +told):\n%s", diff)
		}
	}
	if err := run.Validate(told(t, jobs.Ended{ID: uuid.New(), Type: "a.b", Status: "completed", Outcome: oprun.Cancelled})); err != nil {
		t.Errorf("a run of which little is known: %v", err)
	}
	if run.Validate(told(t, jobs.Ended{ID: uuid.New(), Type: "a.b", Status: "running", Outcome: oprun.Pending})) == nil {
		t.Error("a run that has not ended is described, too")
	}
}

func told(t *testing.T, ended jobs.Ended) map[string]any {
	t.Helper()
	text, err := json.Marshal(ended)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	object, _ := value.(map[string]any)
	return object
}
