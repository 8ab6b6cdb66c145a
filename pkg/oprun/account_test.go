package oprun

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// sighting is this delivery's message, as an audit meets it in the stream.
func sighting(d Delivery) Sighting {
	return Sighting{
		RunID: d.RunID, Named: d.Named, Scope: d.Identity.Scope, Type: d.Identity.Type, Seq: d.Seq, StoredAt: d.StoredAt,
	}
}

// account is what the ledger has of these messages of JOBS, but for how their runs have ended.
func (s *scene) account(messages ...Sighting) []Account {
	s.t.Helper()
	accounts, err := s.Account(s.t.Context(), "JOBS", messages)
	must(s.t, err)
	for i := range accounts {
		accounts[i].Outcome, accounts[i].EndedAt = "", time.Time{}
	}
	return accounts
}

func TestAccount(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_message_that_created_a_run_has_it": func(s *scene) {
			d := s.delivery("a")
			s.finish(s.take(d))
			elsewhere, later := sighting(d), sighting(d)
			elsewhere.Seq++
			later.StoredAt = later.StoredAt.Add(time.Hour)
			same(s.t, "accounts", []Account{
				{Run: d.RunID, MadeHere: true},
				{Run: d.RunID}, // the same occurrence, in another message
				{Run: d.RunID},
			}, s.account(sighting(d), elsewhere, later))
		},
		"a_message_that_joined_has_the_run_that_stands_for_it": func(s *scene) {
			owner, second := s.delivery("a"), s.delivery("a")
			s.take(owner)
			same(s.t, "verdicts", []string{"duplicate"}, verdicts(s.claim(second)))
			same(s.t, "accounts", []Account{{Joined: owner.RunID}}, s.account(sighting(second)))
		},
		"a_message_that_names_a_run_has_it_in_its_own_scope_and_type_only": func(s *scene) {
			run := s.ensure("a")
			neighbour, _, err := s.AddTenant(s.t.Context(), s.workspace.ID, "neighbour")
			must(s.t, err)
			foreign, workspace, other := sighting(s.naming(run)), sighting(s.naming(run)), sighting(s.naming(run))
			foreign.Scope = dedupe.Tenant(neighbour.ExternalID)
			workspace.Scope = dedupe.Workspace(s.workspace.ID)
			other.Type = "assignments.other"
			same(s.t, "accounts", []Account{{Run: run.ID}, {}, {}, {}},
				s.account(sighting(s.naming(run)), foreign, workspace, other))
		},
		"a_run_of_a_workspace_is_found_by_its_id": func(s *scene) {
			d := s.delivery("a")
			d.Identity.Scope = dedupe.Workspace(s.workspace.ID)
			s.take(d)
			same(s.t, "accounts", []Account{{Run: d.RunID, MadeHere: true}}, s.account(sighting(d)))
		},
		"a_buried_message_is_known_by_its_place": func(s *scene) {
			must(s.t, s.Bury(s.t.Context(), []DeadLetter{letter(9)}))
			buried := Sighting{Seq: 9, StoredAt: letter(9).StoreTime}
			remade, next := buried, buried
			remade.StoredAt = remade.StoredAt.Add(time.Second)
			next.Seq++
			accounts := s.account(buried, remade, next)
			same(s.t, "accounts", []Account{{DeadLetter: query[uuid.UUID](s, "select id from oprun.dead_letters")}, {}, {}}, accounts)
			elsewhere, err := s.Account(s.t.Context(), "OTHER", []Sighting{buried})
			must(s.t, err)
			same(s.t, "of another stream", []Account{{}}, elsewhere)
		},
		"a_message_of_which_the_ledger_has_nothing_has_no_account": func(s *scene) {
			same(s.t, "accounts", []Account{{}, {}}, s.account(sighting(s.delivery("a")), Sighting{}))
			same(s.t, "of nothing", nil, s.account())
		},
		"a_run_tells_how_and_when_it_ended": func(s *scene) {
			ended, active, none := s.delivery("a"), s.delivery("b"), s.delivery("c")
			s.finish(s.take(ended))
			s.take(active)
			accounts, err := s.Account(s.t.Context(), "JOBS", []Sighting{sighting(ended), sighting(active), sighting(none)})
			must(s.t, err)
			same(s.t, "outcomes", []Outcome{Succeeded, Pending, ""}, []Outcome{accounts[0].Outcome, accounts[1].Outcome, accounts[2].Outcome})
			at := query[time.Time](s, "select completed_at from oprun.operation_runs where completed_at is not null")
			same(s.t, "ends", []bool{true, true, true}, []bool{accounts[0].EndedAt.Equal(at), accounts[1].EndedAt.IsZero(), accounts[2].EndedAt.IsZero()})
		},
		"successes_are_the_recorded_ones_of_a_run_that_succeeded": func(s *scene) {
			once, twice := s.delivery("a"), s.delivery("b")
			s.finish(s.take(once), s.take(twice))
			for range 2 {
				s.exec(`insert into oprun.operation_run_attempts (run_id, attempt, claim_token, result)
					values ($1, 1, gen_random_uuid(), 'succeeded'), ($2, 1, gen_random_uuid(), 'failed')`, twice.RunID, once.RunID)
			}
			accounts := s.account(sighting(once), sighting(twice))
			same(s.t, "successes", []int{0, 2}, []int{accounts[0].Successes, accounts[1].Successes})
		},
	})
}

func TestTwins(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"no_place_has_two_runs_however_often_its_message_comes": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			s.claim(again(d), again(d))
			twins, total, err := s.Twins(s.t.Context(), everything, 10)
			must(s.t, err)
			if len(twins) != 0 || total != 0 {
				s.t.Errorf("%d of %d places have two runs", len(twins), total)
			}
		},
		"places_with_two_runs_are_listed_up_to_the_limit_and_all_counted": func(s *scene) {
			at := time.Now().Truncate(time.Microsecond)
			for seq := range uint64(3) {
				for range 2 { // what only a bug could do: two ids for one message
					d := s.delivery(uuid.NewString())
					d.Seq, d.StoredAt = seq+1, at
					s.take(d)
				}
			}
			retry := s.delivery("retried")
			retry.Seq, retry.StoredAt = 9, at
			s.take(retry)
			retry.RunID, retry.Identity, retry.Token = newID(s.t), s.identity("again"), uuid.New()
			s.take(retry)
			s.exec(`update oprun.operation_runs set context = '{"retry_of": "x"}' where id = $1`, retry.RunID)
			twins, total, err := s.Twins(s.t.Context(), everything, 2)
			must(s.t, err)
			if total != 3 || len(twins) != 2 || twins[1].Seq != 2 || !twins[1].StoredAt.Equal(at) || len(twins[1].Runs) != 2 {
				s.t.Errorf("twins %+v of %d, want 2 of 3", twins, total)
			}
			part := everything
			part.FirstSeq = 3
			twins, total, err = s.Twins(s.t.Context(), part, 2)
			must(s.t, err)
			if total != 1 || len(twins) != 1 || twins[0].Seq != 3 {
				s.t.Errorf("twins %+v of %d from message 3 on, want 1 of 1", twins, total)
			}
		},
	})
}

var everything = Span{Stream: "JOBS", FirstSeq: 1, LastSeq: 1000, FirstAt: time.Now().Add(-time.Hour), LastAt: time.Now().Add(time.Hour)}
