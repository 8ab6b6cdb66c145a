package promtest

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
)

// Two consumers of the shipped binary, a real Prometheus with the configuration of deploy/, and what it answers.
func TestPrometheusScrapesConsumers(t *testing.T) {
	t.Parallel()
	const jobs = 200
	f := startFleet(t)
	p := startPrometheus(t, f)
	wants := func(expression string, want float64) {
		t.Helper()
		eventually(t, expression, func() error { return p.is(expression, want) })
	}
	wants(`sum(up{job="oprun"})`, 2)
	wants(`count(oprun_runs_total{job_type="`+orderType+`", outcome="succeeded"} == 0)`, 2) // there from the start, at zero
	var orders []string
	for n := range jobs {
		orders = append(orders, fmt.Sprintf(`{"number": %d}`, n))
	}
	f.publish(t, orders...)

	t.Run("the sum over both consumers is what was published", func(t *testing.T) {
		ofType := `{job_type="` + orderType + `"}`
		wants(`sum(oprun_runs_total`+ofType+`)`, jobs)
		wants(`sum(oprun_runs_total{job_type="`+orderType+`", outcome="failed"})`, jobs/10)
		wants(`sum(oprun_runs_total{job_type="`+orderType+`", outcome="succeeded"})`, jobs*9/10)
		wants(`sum(oprun_deliveries_total{job_type="`+orderType+`", verdict="execute"})`, jobs)
		wants(`sum(oprun_run_duration_seconds_count`+ofType+`)`, jobs)
		wants(`count(sum by (instance) (oprun_runs_total`+ofType+`) > 0)`, 2) // each has done some
		wants(`max(oprun_unaccounted_messages)`, 0)
	})
	t.Run("a message that can never run sets off an alert, and nothing else does", func(t *testing.T) {
		f.publish(t, "not an order")
		wants(`sum(oprun_dead_letters_total{reason="malformed"})`, 1)
		wants(`count(ALERTS{alertname="OprunDeadLetters", alertstate="firing", reason="malformed"})`, 1)
		wants(`count(ALERTS{alertstate="firing"})`, 1)
	})
	t.Run("every rule is evaluated", func(t *testing.T) { everyRuleIsEvaluated(t, p) })
	t.Run("what rules, dashboards and the run book name is exposed", func(t *testing.T) { everyNameIsExposed(t, p) })
	t.Run("every query of the dashboards is understood", func(t *testing.T) { everyQueryIsUnderstood(t, p) })
	t.Run("every panel of the dashboards shows something", func(t *testing.T) { everyPanelShowsSomething(t, p) })
	t.Run("every command of the run book exists", func(t *testing.T) { everyCommandExists(t, f.binary) })
	t.Run("a consumer that is gone is seen", func(t *testing.T) {
		f.consumers[0].stop()
		wants(`sum(up{job="oprun"})`, 1)
		wants(`count(ALERTS{alertname="OprunConsumerDown", alertstate="pending", instance="`+f.consumers[0].address+`"})`, 1)
	})
}

func everyRuleIsEvaluated(t *testing.T, p *prometheus) {
	t.Helper()
	eventually(t, "every rule to be evaluated", func() error {
		var answer struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
		if err := p.get("rules", nil, &answer); err != nil {
			return err
		}
		evaluated := 0
		for _, group := range answer.Groups {
			for _, r := range group.Rules {
				if r.Health != "ok" {
					return fmt.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
				}
				evaluated++
			}
		}
		if want := len(rules(t)); evaluated != want {
			return fmt.Errorf("%d rules, want %d", evaluated, want)
		}
		return nil
	})
}

// seldom are names that a healthy consumer may not expose: there is no oldest of nothing.
var seldom = []string{
	"oprun_ledger_oldest_active_run_created_timestamp_seconds", "oprun_jetstream_oldest_unclaimed_timestamp_seconds",
}

// awaited are names that consumers will expose. One that they do expose is awaited no more.
var awaited = []string{
	"oprun_ledger_up", "oprun_ledger_active_runs", "oprun_ledger_problem_runs", "oprun_ledger_relay_due_runs",
	"oprun_jetstream_consumer_pending_messages", "oprun_jetstream_consumer_ack_pending_messages", "oprun_jetstream_consumer_redelivered_messages",
	"oprun_jetstream_stream_bytes", "oprun_jetstream_stream_max_bytes", "oprun_jetstream_stream_max_age_seconds",
	"oprun_db_pool_connections", "oprun_db_pool_acquire_wait_seconds_total",
}

func everyNameIsExposed(t *testing.T, p *prometheus) {
	t.Helper()
	var exposed []string
	if err := p.get("label/__name__/values", url.Values{}, &exposed); err != nil {
		t.Fatal(err)
	}
	for name, place := range named(t) {
		if !slices.Contains(exposed, name) && !slices.Contains(seldom, name) && !slices.Contains(awaited, name) {
			t.Errorf("%s: no consumer exposes %s", place, name)
		}
	}
	for _, name := range awaited {
		if slices.Contains(exposed, name) {
			t.Errorf("%s is exposed: it is awaited no more", name)
		}
	}
}
