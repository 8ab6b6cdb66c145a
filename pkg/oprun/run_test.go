package oprun

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// names are the inputs of runs, which say by what they were asked for.
func (s *scene) names(runs []Run) string {
	s.t.Helper()
	var names []string
	for _, run := range runs {
		names = append(names, query[string](s, "select input->>'asked' from oprun.operation_runs where id = $1", run.ID))
	}
	return strings.Join(names, " ")
}

func TestRuns(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	a := s.ensure("a")
	b := s.ensure("b")
	s.finish(s.take(s.naming(a)))
	s.take(s.naming(b))
	other, _, err := s.AddTenant(t.Context(), s.workspace.ID, "other")
	must(t, err)
	r := s.request("c")
	r.Identity.Scope, r.Identity.Type = dedupe.Tenant(other.ExternalID), "assignments.restore"
	_, _, err = s.EnsureRunWithIdentity(t.Context(), r)
	must(t, err)
	r = s.request("d")
	r.Identity.Scope = dedupe.Workspace(s.workspace.ID)
	_, _, err = s.EnsureWorkspaceRunWithIdentity(t.Context(), r)
	must(t, err)
	tests := map[string]struct {
		filter RunFilter
		want   string
	}{
		"all, newest first":     {RunFilter{}, "d c b a"},
		"a page":                {RunFilter{Limit: 2}, "d c"},
		"the next page":         {RunFilter{Limit: 2, Before: b.ID}, "a"},
		"by status":             {RunFilter{Status: "queued"}, "d c"},
		"by outcome":            {RunFilter{Outcome: Succeeded}, "a"},
		"by type":               {RunFilter{Type: "assignments.restore"}, "c"},
		"by tenant":             {RunFilter{Tenant: s.tenant.ExternalID}, "b a"},
		"since a time":          {RunFilter{Since: b.CreatedAt}, "d c b"},
		"none since the future": {RunFilter{Since: time.Now().Add(time.Hour)}, ""},
		"by all of it":          {RunFilter{Status: "running", Outcome: Pending, Type: jobType, Tenant: s.tenant.ExternalID, Since: a.CreatedAt, Limit: 9}, "b"},
	}
	for name, test := range tests {
		runs, err := s.Runs(t.Context(), test.filter)
		must(t, err)
		same(t, name, test.want, s.names(runs))
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_run_that_is_not_there_is_not_found": func(s *scene) {
			id := uuid.New()
			if _, err := s.Run(s.t.Context(), id); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), id.String()) || Unavailable(err) {
				s.t.Errorf("a run that is not there: %v", err)
			}
			same(s.t, "attempts", nil, s.attempts(id))
		},
		"the_view_has_every_column_but_the_input_and_the_token": func(s *scene) {
			same(s.t, "columns left out", "claim_token input run_identity_hash spare_input", query[string](s, `
				select string_agg(column_name, ' ' order by column_name) from information_schema.columns c
				where table_schema = 'oprun' and table_name = 'operation_runs' and column_name not in (
					select column_name from information_schema.columns where table_schema = 'oprun' and table_name = 'operation_runs_view')`))
		},
		"a_run_shows_every_column_of_the_view": func(s *scene) {
			var fields []string
			for _, field := range reflect.VisibleFields(reflect.TypeFor[Run]()) {
				fields = append(fields, field.Tag.Get("db"))
			}
			slices.Sort(fields)
			same(s.t, "columns", strings.Join(fields, " "), query[string](s, `
				select string_agg(column_name, ' ' order by column_name collate "C") from information_schema.columns
				where table_schema = 'oprun' and table_name = 'operation_runs_view'`))
		},
		"a_newer_view_is_read_as_before": func(s *scene) {
			run := s.ensure("a")
			view := query[string](s, "select pg_get_viewdef('oprun.operation_runs_view')")
			s.exec("create or replace view oprun.operation_runs_view as " + strings.Replace(view, "FROM", ", 1 as added FROM", 1))
			same(s.t, "run", run, s.run(run.ID))
		},
		"a_log_line_names_it": func(s *scene) {
			run := s.ensure("a")
			var line strings.Builder
			slog.New(slog.NewTextHandler(&line, nil)).Info("run ended", "run", run)
			if want := fmt.Sprintf("run.run_id=%s run.job_type=%s run.scope=%s run.attempt=0", run.ID, run.Type, run.Scope()); !strings.Contains(line.String(), want) {
				s.t.Errorf("%s", line.String())
			}
		},
	})
}
