package jobs

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCached(t *testing.T) {
	t.Parallel()

	t.Run("is asked for once by all who look at once", func(t *testing.T) {
		t.Parallel()
		asked, release := make(chan struct{}, 10), make(chan struct{})
		c := cached[int]{ask: func(context.Context) int {
			asked <- struct{}{}
			<-release
			return 7
		}}
		var lookers sync.WaitGroup
		for range 10 {
			lookers.Go(func() {
				if got := c.get(); got != 7 {
					t.Errorf("got %d, want the answer", got)
				}
			})
		}
		<-asked
		close(release)
		lookers.Wait()
		if n := len(asked); n != 0 {
			t.Errorf("it was asked %d times more", n)
		}
	})

	t.Run("is asked for again when it is old, and later when it took long", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var asked int
			var takes time.Duration
			c := cached[int]{ask: func(context.Context) int {
				asked++
				<-time.After(takes)
				return asked
			}}
			look := func(want int) {
				t.Helper()
				if got := c.get(); got != want {
					t.Errorf("got the answer of question %d, want that of %d", got, want)
				}
			}
			look(1)
			<-time.After(keepFor - time.Millisecond)
			look(1)
			takes = time.Second / 2
			<-time.After(time.Millisecond)
			look(2)
			<-time.After(50*time.Second - time.Millisecond)
			look(2)
			takes = time.Second
			<-time.After(time.Millisecond)
			look(3)
			<-time.After(keepMost)
			look(4)
		})
	})

	t.Run("is given up after a while, and soon asked for again", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var asked int
			c := cached[int]{ask: func(ctx context.Context) int {
				asked++
				<-ctx.Done()
				return asked
			}}
			began := time.Now()
			c.get()
			if took := time.Since(began); took != askPatience {
				t.Errorf("it took %s, want %s", took, askPatience)
			}
			<-time.After(keepFor)
			if got := c.get(); got != 2 {
				t.Errorf("it was asked for %d times, want 2", got)
			}
		})
	})
}
