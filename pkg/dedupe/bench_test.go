package dedupe_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

func BenchmarkIdentify(b *testing.B) {
	rule := dedupe.Rule{Inputs: []string{"connection_id", "policy_type"}}
	scope := dedupe.Tenant(uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964e1"))
	input := []byte(`{"connection_id":"8b1f5c1e-6a43-4a5e-9d55-0d6c2f5c9a11","policy_type":"compliance","page":3}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rule.Identify(scope, "assignments.fetch", input, dedupe.Occurrence{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRunID(b *testing.B) {
	scope := dedupe.Tenant(uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964e1"))
	occ := dedupe.ByPlace("JOBS", 123456, time.Unix(1763856000, 123456789))
	b.ReportAllocs()
	for b.Loop() {
		_ = occ.RunID(scope, "assignments.fetch")
	}
}
