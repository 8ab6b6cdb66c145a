package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oprun.example/internal/devstack"
	"oprun.example/internal/proc"
)

func TestMain(m *testing.M) { os.Exit(devstack.Run(m)) }

func TestChoose(t *testing.T) {
	t.Parallel()
	chosen, err := choose([]string{"effects", "drain"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"effects", "drain"}, namesOf(chosen)); diff != "" {
		t.Error(diff)
	}
	var wrong *proc.Error
	if _, err := choose([]string{"drian"}); !errors.As(err, &wrong) || wrong.Code != proc.Usage || !strings.Contains(err.Error(), "drain, continuous") {
		t.Errorf("an unknown scenario: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"few_rounds_are_not_written":       {"--rounds", "4", "--write"},
		"a_smoke_is_not_written":           {"--smoke", "--write"},
		"what_is_profiled_is_not_written":  {"--profile", "x", "--write"},
		"a_smoke_has_one_round":            {"--smoke", "--rounds", "2"},
		"no_round_measures_nothing":        {"--rounds", "-1"},
		"few_rounds_of_growth_neither":     {"grow", "--rounds", "4", "--write"},
		"growth_wants_a_row_a_day":         {"grow", "--rows", "7"},
		"a_soak_is_a_minute_long_at_least": {"soak", "--for", "10s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wrong *proc.Error
			if err := run(t.Context(), args, streams{strings.NewReader(""), io.Discard, io.Discard}); !errors.As(err, &wrong) || wrong.Code != proc.Usage {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
