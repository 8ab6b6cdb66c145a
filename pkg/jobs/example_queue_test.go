package jobs_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"oprun.example/pkg/jobs"
)

// A hundred orders are confirmed by a hundred jobs, whose updates and ends share a few commits: each is confirmed exactly
// once, whatever fails meanwhile.
func ExampleWork_Queue() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	shop := openShop(ctx, (*shop).confirmQueued)
	defer shop.close()

	must(shop.pool.Exec(ctx, "insert into orders select n, false from generate_series(1, 100) n"))
	for order := 1; order <= 100; order++ {
		must(shop.dispatcher.Dispatch(ctx, shop.tenant, "orders.confirm", confirmation{OrderID: order}))
	}
	fmt.Println(shop.confirmedOrders(ctx, 100), "orders are confirmed")
	// Output:
	// 100 orders are confirmed
}

func (*shop) confirmQueued(_ context.Context, job *jobs.Job[confirmation]) error {
	job.Queue("update orders set confirmed = true where id = $1", job.Args.OrderID) // carried out when this returns nil
	job.Count("updated", 1)
	return nil
}

// confirmedOrders waits until there are so many, and counts them.
func (s *shop) confirmedOrders(ctx context.Context, want int) (n int) {
	for look := time.NewTicker(10 * time.Millisecond); ; {
		if err := s.pool.QueryRow(ctx, "select count(*) from orders where confirmed").Scan(&n); err != nil {
			log.Panic(err)
		}
		if n >= want {
			return n
		}
		<-look.C
	}
}
