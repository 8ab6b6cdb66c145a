//go:build failpoint

package crash

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// drained tells whether everything that was accepted has been served and acknowledged.
func (s *scene) drained() bool {
	s.t.Helper()
	return s.served() && s.count("select count(*) from oprun.operation_runs where completed_at is null") == 0 && s.acknowledged()
}

// served tells whether each accepted job has a run that has ended.
func (s *scene) served() bool {
	s.t.Helper()
	return s.count(`select count(*) from unnest($1::uuid[]) job(id)
		left join oprun.operation_run_deliveries d using (id)
		left join oprun.operation_runs r on r.id = coalesce(d.run_id, job.id)
		where r.completed_at is null`, s.accepted) == 0
}

// acknowledged tells whether the consumer has no message left. A broker that is away does not say so.
func (s *scene) acknowledged() bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), shortAckWait)
	defer cancel()
	consumer, err := s.js.Consumer(ctx, s.topology.Stream, s.topology.Consumer)
	if err != nil {
		return false
	}
	info := consumer.CachedInfo()
	return info.NumPending == 0 && info.NumAckPending == 0
}

// end waits until everything is done, stops the workers, whose last word that is, and says what they did wrong.
func (s *scene) end() {
	s.t.Helper()
	s.eventually("everything to be done", s.drained)
	s.stop()
	s.eventually("everything still to be done", s.drained)
	for _, breach := range s.breaches() {
		s.t.Error(breach)
	}
}

// stop ends the workers that still live; what they hand in while they stop is theirs to get right, too.
func (s *scene) stop() {
	s.t.Helper()
	for _, w := range s.workers {
		if w.cmd.ProcessState != nil {
			continue // it was killed
		}
		if err := w.end(); err != nil {
			s.t.Errorf("a worker process ended with: %v", err)
		}
	}
}

// breaches are what the oracle has against the story: what was lost, what was doubled, and the invariants broken.
func (s *scene) breaches() []string {
	s.t.Helper()
	rows := must(s.pool.Query(s.t.Context(), `
		select 'I4: lost: job ' || job.id || case when r.id is null then ' has no run'
			when r.completed_at is null then ' is ' || r.status else ' ended as ' || r.outcome end
		from unnest($1::uuid[]) job(id)
		left join oprun.operation_run_deliveries d using (id)
		left join oprun.operation_runs r on r.id = coalesce(d.run_id, job.id)
		where r.outcome is distinct from 'succeeded' and not coalesce(r.outcome = 'cancelled' and r.id = any($3), false)
		union all
		select 'I6: job ' || job.id || ' was asked for after the claim that stands for it'
		from unnest($1::uuid[], $2::timestamptz[]) job(id, at)
		join oprun.operation_run_deliveries d using (id)
		join oprun.operation_runs r on r.id = d.run_id
		where r.type = 'crash.follow' and r.attempt = 1 and r.started_at < job.at
		union all
		select 'I2: ' || case when n.effects > 1 then 'doubled' else 'lost' end || ': run ' || r.id || ' is ' || r.outcome || ' with ' || n.effects || ' effects'
		from oprun.operation_runs r, lateral (select count(*) as effects from effects e where e.run_id = r.id) n
		where r.type like 'crash.%' and n.effects <> (r.outcome = 'succeeded')::integer -- housekeeping fires by the clock, and writes none
		union all
		select 'I2: doubled: an effect of run ' || e.run_id || ', which nobody knows'
		from effects e where not exists (select from oprun.operation_runs r where r.id = e.run_id)
		union all
		select 'I5: doubled: ' || count(*) || ' runs of message ' || r.origin_seq
		from oprun.operation_runs r where r.origin_seq is not null
		group by r.origin_stream, r.origin_seq, r.origin_time having count(*) > 1
		union all
		select what from breaches`, s.accepted, s.asked, s.cancelled))(s.t)
	return must(pgx.CollectRows(rows, pgx.RowTo[string]))(s.t)
}
