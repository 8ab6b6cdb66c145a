package oprun

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"oprun.example/pkg/dedupe"
)

// maxEnsure is how many requests one statement takes: more gains nothing.
const maxEnsure = 512

// settleAll finds each request its run. All callers take the identities in one order, so that no two of them wait for each
// other: first they create what can be created, then they join the rest.
func settleAll(ctx context.Context, db DB, all []*ensuring) error {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b *ensuring) int {
		return cmp.Or(bytes.Compare(a.Identity.Hash[:], b.Identity.Hash[:]), bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.at, b.at))
	})
	var missed []*ensuring
	for part := range slices.Chunk(sorted, maxEnsure) {
		left, err := createAll(ctx, db, part)
		if err != nil {
			return err
		}
		missed = append(missed, left...)
	}
	return joinAll(ctx, db, missed)
}

// fresh creates the run, if it can be created, and reads it.
func (e *ensuring) fresh(ctx context.Context, db DB) error {
	_, err := createAll(ctx, db, []*ensuring{e})
	return err
}

// createAll creates and reads in one round trip the runs of all requests that need not join another, and returns the rest.
func createAll(ctx context.Context, db DB, part []*ensuring) (missed []*ensuring, err error) {
	var created []rawID
	var runs []Run
	var batch pgx.Batch
	args := newRunArgs(part)
	batch.Queue(ensureNewSQL, args...).Query(func(rows pgx.Rows) (err error) {
		created, err = pgx.CollectRows(rows, pgx.RowTo[rawID])
		return err
	})
	batch.Queue(runSQL, args[0]).Query(func(rows pgx.Rows) (err error) {
		runs, err = pgx.CollectRows(rows, pgx.RowToStructByName[Run])
		return err
	})
	if err := db.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("ensure %d runs of %s: %w", len(part), part[0].Identity.Type, err)
	}
	return answerAll(part, created, runs), nil
}

// answerAll answers the requests whose runs were created. When two have one id, the first has created the run.
func answerAll(part []*ensuring, created []rawID, runs []Run) (missed []*ensuring) {
	made := make(map[rawID]*Run, len(created))
	for _, id := range created {
		made[id] = nil
	}
	for i, run := range runs {
		if _, ours := made[rawID(run.ID)]; ours { // another may have had a known id for long
			made[rawID(run.ID)] = &runs[i]
		}
	}
	for _, e := range part {
		e.tried = true
		if run := made[rawID(e.ID)]; run != nil {
			e.answer = Ensured{*run, true}
			delete(made, rawID(e.ID))
			continue
		}
		missed = append(missed, e)
	}
	return missed
}

// joinAll settles one by one what could not be created at once, and then reads the runs that stand for them.
func joinAll(ctx context.Context, db DB, missed []*ensuring) error {
	ids := make([]pgtype.UUID, len(missed))
	for i, e := range missed {
		id, created, err := e.standing(ctx, db)
		if err != nil {
			return fmt.Errorf("request %d: %w", e.at, e.failed(err))
		}
		ids[i], e.answer.Created = idOf(id), created
	}
	runs := make(map[uuid.UUID]Run, len(ids))
	for part := range slices.Chunk(ids, maxEnsure) {
		list, err := readRuns(ctx, db, part)
		if err != nil {
			return err
		}
		for _, run := range list {
			runs[run.ID] = run
		}
	}
	for i, e := range missed {
		run, there := runs[ids[i].Bytes]
		if !there {
			return e.failed(orNotFound(pgx.ErrNoRows, "run", ids[i].Bytes))
		}
		e.answer.Run = run
	}
	return nil
}

// idOf is an id for a connection of the caller's, which may be set up so that pgx knows no more of a parameter than its Go
// type. The zero id is null.
func idOf(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }

// newRunArgs are the parameters of ensure_new.sql.
func newRunArgs(part []*ensuring) []any {
	n := len(part)
	ids, scopes, tenants := make([]pgtype.UUID, n), make([]pgtype.UUID, n), make([]bool, n)
	types, hashes, attempts := make([]string, n), make([][]byte, n), make([]int32, n)
	known, once, cools := make([]bool, n), make([]bool, n), make([]bool, n)
	inputs, initiators, contexts := make([]string, n), make([]string, n), make([]string, n)
	times, initiatorIDs := make([]*time.Time, n), make([]pgtype.UUID, n)
	for i, e := range part {
		scope := e.Identity.Scope
		ids[i], scopes[i], tenants[i] = idOf(e.ID), idOf(scope.ID), scope.Kind == dedupe.TenantScope
		types[i], hashes[i], attempts[i] = e.Identity.Type, e.Identity.Hash[:], int32(e.maxAttempts())
		known[i], once[i], cools[i] = e.known, e.Once, e.Cools
		inputs[i], initiators[i], contexts[i] = e.input(), cmp.Or(e.InitiatorName, systemInitiator), e.context()
		times[i], initiatorIDs[i] = optional(e.RunAt), idOf(e.InitiatorID)
	}
	return []any{
		ids, tenants, scopes, types, hashes, sparse(known, false), sparse(times, nil), sparse(inputs, emptyInput),
		sparse(initiators, systemInitiator), sparse(initiatorIDs, pgtype.UUID{}), attempts, sparse(once, false), sparse(cools, false),
		sparse(contexts, emptyContext),
	}
}
