package jobs_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"oprun.example/pkg/jobs"
)

// Who asked for a run may wait for its end, for as long as the context allows.
func ExampleDispatcher_Wait() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	shop := openShop(ctx, func(_ *shop, _ context.Context, job *jobs.Job[confirmation]) error {
		job.Count("updated", 1)
		return nil
	})
	defer shop.close()

	asked, err := shop.dispatcher.Dispatch(ctx, shop.tenant, "orders.confirm", confirmation{OrderID: 7})
	if err != nil {
		log.Print(err)
		return
	}
	run, err := shop.dispatcher.Wait(ctx, asked.ID)
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(run.Outcome, run.SummaryCounts)
	// Output:
	// succeeded map[updated:1]
}
