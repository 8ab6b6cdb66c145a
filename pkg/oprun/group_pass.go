package oprun

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pass is one transaction of a group. The plain pass sends the statements as they are, and gives up at the first error.
// The careful one puts a savepoint before each job: what fails is taken back and noted, and the pass goes on behind it.
type pass struct {
	*group
	tx      pgx.Tx
	careful bool
	began   time.Time
	played  []int         // jobs whose statements have succeeded
	bad     map[int]error // jobs of which one has failed, and that have been taken back
}

// restart asks for another transaction with these jobs.
type restart struct{ jobs []int }

func (*restart) Error() string { return "the group is to be tried again" }

// play sends the statements of these jobs, in growing parts, and returns the jobs that it had no time for. The first part
// goes however long it took to begin: a group that never sent anything would be tried for ever.
func (p *pass) play(ctx context.Context, jobs []int) (left []int, err error) {
	left = jobs
	for size := firstPart; len(left) == len(jobs) || len(left) > 0 && time.Since(p.began) < groupBudget; {
		part := p.cut(left, size)
		n, err := p.send(ctx, part)
		p.played, left = append(p.played, left[:n]...), left[n:]
		switch {
		case err == nil:
			size *= 8
			continue
		case timedOut(ctx, err):
			return nil, p.slow(jobs, part)
		case unclear(err), gone(err):
			return nil, err
		case !p.careful:
			p.group.careful = true
			return nil, &restart{jobs}
		}
		size = firstPart
		p.bad[left[0]], left = err, left[1:]
		if _, err := p.tx.Exec(ctx, jobUndoSQL); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// begin begins the transaction, with its limits.
func (p *pass) begin(ctx context.Context, conn *pgxpool.Conn) error {
	limit := plainLimits
	if p.careful {
		limit = carefulLimits
	}
	var batch pgx.Batch
	batch.BeginTx(groupOptions)
	batch.Queue(groupLimitsSQL, limit.lock.String(), limit.statement.String())
	if p.careful {
		batch.Queue(jobBeginSQL)
	}
	results := conn.SendBatch(ctx, &batch)
	p.tx = results.Tx()
	return results.Close()
}

// slow sends the jobs of a part that took too long by themselves, and has the others tried again.
func (p *pass) slow(jobs, part []int) error {
	for _, job := range part {
		p.decide(job, Alone, nil)
	}
	return &restart{without(jobs, part)}
}

// timedOut tells a part that had its time from a call that had.
func timedOut(ctx context.Context, err error) bool {
	return errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
}

// cut returns the first jobs, with as many statements together, and at least one.
func (p *pass) cut(jobs []int, statements int) []int {
	for n, job := range jobs {
		if statements -= len(p.batch[job].Statements); statements < 0 {
			return jobs[:max(1, n)]
		}
	}
	return jobs
}

// send sends the statements of these jobs in one round trip. It returns how many jobs' have succeeded, and the error of
// the first that did not. In a careful pass there is a savepoint before the next job, whatever came of this one.
func (p *pass) send(ctx context.Context, part []int) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, partPatience)
	defer cancel()
	batch := &pgx.Batch{}
	var fences []string
	if p.careful {
		fences = []string{jobEndSQL, jobBeginSQL}
	}
	for _, job := range part {
		for _, s := range p.batch[job].Statements {
			batch.Queue(s.SQL, s.Args...)
		}
		for _, sql := range fences {
			batch.Queue(sql)
		}
	}
	results, err := sendGuarded(ctx, p.tx, batch)
	if err != nil {
		return 0, err
	}
	for _, job := range part {
		if err := read(results, len(p.batch[job].Statements), len(fences)); err != nil {
			_ = results.Close()
			return n, err
		}
		n++
	}
	return n, results.Close()
}

// read reads the results of one job's statements, and of those of ours behind them.
func read(results pgx.BatchResults, statements, ours int) error {
	for number := range statements {
		if _, err := results.Exec(); err != nil {
			return ofStatement(number+1, err)
		}
	}
	for range ours {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	return nil
}

// ofStatement says which statement an error is of, unless it is of the connection.
func ofStatement(number int, err error) error {
	if gone(err) {
		return err
	}
	return &StatementError{number, err}
}
