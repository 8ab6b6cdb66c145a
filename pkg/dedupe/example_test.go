package dedupe_test

import (
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// Two requests for the same connection are one job, however their JSON is written; their occurrences are two, so a
// redelivery of either is known from a new request.
func Example() {
	tenant := dedupe.Tenant(uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964e1"))
	rule := dedupe.Rule{Inputs: []string{"connection", "limit"}}

	first := dedupe.ByRequest("0192a4c1-5b7e-7c3d-9a1b-2c3d4e5f6071", time.Time{})
	one, err := rule.Identify(tenant, "assignments.fetch", []byte(`{"connection": "c1", "limit": 1e3, "trace": "x"}`), first)
	if err != nil {
		log.Fatal(err)
	}
	second := dedupe.ByPlace("JOBS", 42, time.Unix(1763856000, 0))
	two, err := rule.Identify(tenant, "assignments.fetch", []byte(`{"limit":1000,"connection":"c1"}`), second)
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println("same job:", one == two)
	fmt.Println("same request:", first == second)
	fmt.Println("run id:", first.RunID(tenant, "assignments.fetch"))
	// Output:
	// same job: true
	// same request: false
	// run id: 0192a4c1-5b7e-8fa9-b627-bde3b61e0293
}
