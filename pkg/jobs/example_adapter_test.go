package jobs_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// transfers is what another service records of its transfers, by transfer id.
type transfers map[string]transfer

type transfer struct {
	runID uuid.UUID // the run that began it, as the handler passed it on
	state string
}

// Look implements jobs.Adapter: it finds each run's transfer by the id in its input.
func (t transfers) Look(_ context.Context, runs []oprun.Candidate) (map[uuid.UUID]jobs.Truth, error) {
	truths := make(map[uuid.UUID]jobs.Truth, len(runs))
	for _, run := range runs {
		var input struct {
			TransferID string `json:"transfer_id"`
		}
		if json.Unmarshal(run.Input, &input) != nil {
			continue // nothing is known of it
		}
		found, ok := t[input.TransferID]
		switch {
		case !ok:
			truths[run.ID] = jobs.Truth{State: jobs.DomainGone, Evidence: "no such transfer"}
		case found.state == "done":
			truths[run.ID] = jobs.Truth{
				State: jobs.DomainEnded, Outcome: oprun.Succeeded, Evidence: "the transfer is done",
				Confirmed: found.runID == run.ID, // another run's success proves nothing of this one
			}
		default:
			truths[run.ID] = jobs.Truth{State: jobs.DomainWorking}
		}
	}
	return truths, nil
}

// A worker is told of it by jobs.Config{Adapters: map[string]jobs.Adapter{"transfers.send": domain}}.
func ExampleAdapter() {
	run := uuid.MustParse("0193b6a0-0000-7000-8000-000000000001")
	domain := transfers{"t-1": {runID: run, state: "done"}}
	truths, err := domain.Look(context.Background(), []oprun.Candidate{{ID: run, Input: []byte(`{"transfer_id": "t-1"}`)}})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(truths[run].State, truths[run].Outcome, truths[run].Confirmed)
	// Output: ended succeeded true
}
