package catalog_test

import (
	"fmt"
	"log"
	"time"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
)

// A catalogue declared in Go takes the same defaults and keeps the same rules as one in a file.
func Example() {
	jobs, err := catalog.New(catalog.Catalog{
		Jobs: map[string]catalog.Job{
			"assignments.fetch": {
				ScopeKind: dedupe.TenantScope,
				Identity:  []string{"connection_id", "policy_type"},
				Cooldown:  15 * time.Minute,
			},
		},
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	job := jobs.Jobs["assignments.fetch"]
	fmt.Println(job.Rule().Inputs, job.Timeout, job.Lease, job.Retry.MaxAttempts)
	// Output:
	// [connection_id policy_type] 15m0s 30s 5
}

// Every mistake of a file is named at once, by line and field.
func ExampleParse() {
	const text = `version: 1
jobs:
  assignments.fetch:
    scope: tenant
    lease: 2s
    timout: 10m
`
	_, err := catalog.Parse("jobs.yaml", []byte(text), nil)
	fmt.Println(err)
	// Output:
	// jobs.yaml:3: jobs[assignments.fetch].identity: required: name the inputs that make two jobs the same; [] means one active run per scope and type
	// jobs.yaml:5: jobs[assignments.fetch].lease: 2s is too short: use 3s to 10m
	// jobs.yaml:6: jobs[assignments.fetch].timout: is no key here: use ce_type, cooldown, counts, expected_duration, identity, identity_mode, label, lease, on_duplicate, retry, schema, scope, stale_after, timeout
}
