package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"oprun.example/internal/devstack"
)

// Each example does what its README says, by the very command that stands there, and leaves in the database what it is about.
func TestExamples(t *testing.T) {
	t.Parallel()
	examples := map[string][]asked{
		"transaction": {
			{"select id || ' ' || confirmed from orders", []string{"1 true"}},
			{"select outcome || ' ' || attempt from oprun.operation_runs where type = 'orders.confirm'", []string{"succeeded 1"}},
			{"select label || ' ' || status from oprun.tenants", []string{"demo active"}}, // the one that exec has made
		},
		"once": {
			{"select month || ' ' || reason from statements order by 1", []string{"2026-07 the month is over", "2026-08 the month is over"}},
			{"select outcome || ' ' || once from oprun.operation_runs where type = 'statements.issue'", []string{"succeeded true", "succeeded true"}},
			{"select verdict from oprun.operation_run_deliveries", []string{"duplicate"}},
		},
		"followup": {
			{"select customer || ' ' || documents from search_index", []string{"Ada 3"}},
			{"select summary_counts ->> 'processed' from oprun.operation_runs where type = 'search.index' order by started_at", []string{"1", "3"}},
		},
		"schedule": {
			{"select (count(*) >= 4 and count(*) = count(distinct run_id)) || ' ' || count(distinct tenant) from reports", []string{"true 2"}},
			{"select distinct label from oprun.operation_runs r join oprun.tenants t on t.id = r.tenant_id where type = 'reports.send' order by 1", []string{"demo", "second"}},
			{"select (count(*) = count(distinct (tenant_id, initiator_name, context ->> 'fire_time')))::text from oprun.operation_runs where type = 'reports.send'", []string{"true"}},
		},
		"assignments": {
			{"select policy || ' ' || assigned_to from assignments order by 1", []string{"compliance finance", "compliance sales", "encryption everyone"}},
			{"select type || ' ' || outcome from oprun.operation_runs where type like 'assignments.%' order by created_at", []string{
				"assignments.fetch partially_succeeded", "assignments.restore partially_succeeded", "assignments.restore partially_succeeded",
			}},
			{"select context -> 'reconciliation' ->> 'evidence' from oprun.operation_runs where context ? 'reconciliation'", []string{"the directory has restored a part of it"}},
		},
		"polyglot": {
			{"select outcome || ' ' || (attempt > 1) || ' ' || (summary_counts ->> 'created') from oprun.operation_runs where type = 'cards.charge'", []string{"succeeded true 1"}},
			{"select result from oprun.operation_run_attempts where attempt = 1", []string{"failed"}},
		},
	}
	for name := range examples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command, output := documented(t, name)
			var env []string
			if name == "polyglot" {
				env = []string{"PATH=" + devstack.NodePath(t), "PORT=" + freePort(t)}
			}
			play := start(t, command, env...)
			if !output.MatchString(play.output) {
				t.Errorf("it printed\n%s\nand its README says\n%s", play.output, output)
			}
			play.ask(t, examples[name])
			play.end(t)
		})
	}
	for _, name := range folders(t) {
		if _, ok := examples[name]; !ok && name != "minimal" { // that one is the README's listing, and cmd/consumer runs it
			t.Errorf("examples/%s is run by no test", name)
		}
	}
}

const root = "../.."

// documented returns the command of an example's README, and what it prints: "…" there stands for anything in a line.
func documented(t *testing.T, example string) (command string, output *regexp.Regexp) {
	t.Helper()
	text := read(t, filepath.Join("examples", example, "README.md"))
	blocks := regexp.MustCompile("(?s)```sh\n(go run ./cmd/dev exec -- [^\n]*)\n```\n\n```\n(.*?)```").FindStringSubmatch(text)
	if blocks == nil {
		t.Fatalf("the README has no command and what it prints:\n%s", text)
	}
	return blocks[1], regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(blocks[2]), "…", ".*") + "$")
}

// folders returns the examples. All that they are made of is read, so that the test cache knows of it.
func folders(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"examples/*/*", "cmd/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			file, _ = filepath.Rel(root, file)
			read(t, file)
			if base := filepath.Base(file); base == "README.md" {
				names = append(names, filepath.Base(filepath.Dir(file)))
			}
		}
	}
	return names
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
