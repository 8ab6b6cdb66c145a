package oprun

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

func TestEnsureRunWithIdentity(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"the_first_request_creates_the_run": func(s *scene) {
			r := s.request("a")
			r.InitiatorID, r.MaxAttempts, r.RunAt = uuid.New(), 9, time.Now().Add(time.Hour).Truncate(time.Microsecond)
			run, created, err := s.EnsureRunWithIdentity(s.t.Context(), r)
			must(s.t, err)
			same(s.t, "created", true, created)
			same(s.t, "id's version", uuid.Version(7), run.ID.Version())
			want := Run{
				ID: run.ID, WorkspaceID: s.workspace.ID, TenantID: &s.tenant.ExternalID, Type: jobType,
				IdentityHash: fmt.Sprintf("%x", r.Identity.Hash), Status: "queued", Outcome: Pending, MaxAttempts: 9, RunAt: r.RunAt, DueAt: &r.RunAt,
				InitiatorName: "tester", InitiatorID: &r.InitiatorID, Context: []byte("{}"), CreatedAt: run.CreatedAt, UpdatedAt: run.CreatedAt,
				Freshness: UnknownFreshness, Problem: NoProblem,
			}
			same(s.t, "run", want, run)
			same(s.t, "input", `{"asked": "a"}`, query[string](s, "select input::text from oprun.operation_runs"))
		},
		"what_a_request_leaves_out_has_a_default": func(s *scene) {
			run, _, err := s.EnsureRunWithIdentity(s.t.Context(), Request{Identity: s.identity("a")})
			must(s.t, err)
			same(s.t, "initiator and attempts", "system 5", fmt.Sprint(run.InitiatorName, " ", run.MaxAttempts))
			same(s.t, "input", "{}", string(s.claim(s.naming(run))[0].Input))
		},
		"a_second_request_joins_and_the_first_initiator_stays": func(s *scene) {
			first := s.ensure("a")
			again := s.request("a")
			again.InitiatorName, again.Input = "another", []byte(`{"other": true}`)
			h := Hold{}
			for _, status := range []string{"queued", "running"} {
				run, created, err := s.EnsureRunWithIdentity(s.t.Context(), again)
				must(s.t, err)
				same(s.t, "created", false, created)
				same(s.t, "run", "tester "+status+" "+first.ID.String(), run.InitiatorName+" "+run.Status+" "+run.ID.String())
				if status == "queued" {
					h = s.take(s.naming(first))
				}
			}
			same(s.t, "input", `{"asked": "a"}`, query[string](s, "select input::text from oprun.operation_runs"))
			s.finish(h)
			run, created, err := s.EnsureRunWithIdentity(s.t.Context(), again)
			must(s.t, err)
			same(s.t, "a run that has ended is not joined", "another true", fmt.Sprint(run.InitiatorName, " ", created))
		},
		"a_message_that_runs_already_is_joined": func(s *scene) {
			h := s.take(s.delivery("a"))
			run := s.ensure("a")
			same(s.t, "run", h.RunID, run.ID)
		},
		"a_scope_of_the_wrong_kind_or_unknown_is_refused": func(s *scene) {
			r := s.request("a")
			_, _, err := s.EnsureWorkspaceRunWithIdentity(s.t.Context(), r)
			if err == nil || errors.Is(err, ErrScopeUnknown) || Unavailable(err) {
				s.t.Errorf("a tenant's identity as a workspace's: %v", err)
			}
			r.Identity.Scope = dedupe.Workspace(s.workspace.ID)
			_, _, err = s.EnsureRunWithIdentity(s.t.Context(), r)
			if err == nil || errors.Is(err, ErrScopeUnknown) || Unavailable(err) {
				s.t.Errorf("a workspace's identity as a tenant's: %v", err)
			}
			r.Identity.Scope.ID = uuid.New()
			if _, _, err = s.EnsureWorkspaceRunWithIdentity(s.t.Context(), r); !errors.Is(err, ErrScopeUnknown) || Unavailable(err) {
				s.t.Errorf("an unknown workspace: %v", err)
			}
			r.Identity.Scope = dedupe.Tenant(s.tenant.ID) // our own id of it is nobody's business
			if run, created, err := s.EnsureRunWithIdentity(s.t.Context(), r); !errors.Is(err, ErrScopeUnknown) || created || run.ID != uuid.Nil {
				s.t.Errorf("an unknown tenant: %v %v %v", run.ID, created, err)
			}
			same(s.t, "runs", 0, query[int](s, "select count(*) from oprun.operation_runs"))
		},
		"sixteen_callers_at_once_make_one_run": func(s *scene) {
			ids := make([]uuid.UUID, 16)
			created := make([]bool, 16)
			group, ctx := errgroup.WithContext(context.Background())
			for i := range ids {
				group.Go(func() error {
					run, made, err := s.EnsureRunWithIdentity(ctx, s.request("a"))
					ids[i], created[i] = run.ID, made
					return err
				})
			}
			must(s.t, group.Wait())
			made := 0
			for i, id := range ids {
				same(s.t, "run", ids[0], id)
				if created[i] {
					made++
				}
			}
			same(s.t, "created", 1, made)
		},
		"nothing_exists_until_the_callers_transaction_commits": func(s *scene) {
			tx := s.open()
			run, _, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("a"))
			must(s.t, err)
			if _, err := s.Run(s.t.Context(), run.ID); !errors.Is(err, ErrNotFound) {
				s.t.Errorf("the run before the commit: %v", err)
			}
			must(s.t, tx.Rollback(s.t.Context()))
			same(s.t, "a new request", "execute", verdicts(s.claim(s.delivery("a")))[0])
		},
	})
}

func TestEnsureInACallersTransaction(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_queued_run_that_was_joined_cannot_start_before_the_commit": func(s *scene) {
			run := s.ensure("a")
			first, second := s.open(), s.open()
			for _, tx := range []pgx.Tx{first, second} { // neither of them waits for the other
				joined, created, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("a"))
				must(s.t, err)
				same(s.t, "joined", fmt.Sprint(run.ID, false), fmt.Sprint(joined.ID, created))
			}
			must(s.t, first.Commit(s.t.Context()))
			same(s.t, "while one is open", "busy", verdicts(s.claim(s.naming(run)))[0])
			must(s.t, second.Commit(s.t.Context()))
			same(s.t, "after both", "execute", verdicts(s.claim(s.naming(run)))[0])
		},
		"a_running_owner_is_read_without_a_lock": func(s *scene) {
			h := s.take(s.naming(s.ensure("a")))
			tx := s.open()
			run, _, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("a"))
			must(s.t, err)
			same(s.t, "run", h.RunID, run.ID)
			same(s.t, "heartbeat", map[uuid.UUID]Extended{h.RunID: {}}, s.extend(h))
			s.finish(h)
			must(s.t, tx.Commit(s.t.Context()))
		},
		"a_holder_that_goes_between_two_looks_is_followed_by_a_new_run": func(s *scene) {
			group, ctx := errgroup.WithContext(context.Background())
			for caller := range 4 {
				group.Go(func() error {
					for range 100 {
						if err := s.ensureAndEnd(ctx, caller); err != nil {
							return err
						}
					}
					return nil
				})
			}
			must(s.t, group.Wait())
			same(s.t, "active runs", 0, query[int](s, "select count(*) from oprun.operation_runs where completed_at is null"))
		},
		"the_settings_of_the_callers_transaction_survive": func(s *scene) {
			tx := s.open()
			_, _, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("a"))
			must(s.t, err)
			rows, err := tx.Query(s.t.Context(), "select current_setting('plan_cache_mode') || current_setting('enable_seqscan') || current_setting('lock_timeout')")
			must(s.t, err)
			settings, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
			must(s.t, err)
			same(s.t, "settings", "autoon0", settings)
		},
	})
}

// ensureAndEnd asks for the one identity, and ends its run as fast as it can.
func (s *scene) ensureAndEnd(ctx context.Context, caller int) error {
	run, _, err := s.EnsureRunWithIdentity(ctx, s.request("a"))
	if err != nil {
		return fmt.Errorf("caller %d: %w", caller, err)
	}
	d := s.naming(run)
	answers, err := s.Claim(ctx, s.who, []Delivery{d})
	if err != nil || answers[0].Verdict != dedupe.Execute {
		return err
	}
	_, err = s.Finish(ctx, []Result{succeeded(hold(d, answers[0]))})
	return err
}
