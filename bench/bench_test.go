package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example are results in which the contestants of a scenario are 1, 2, 3 … thousand jobs a second fast.
func example(rounds int) results {
	r := results{scenarios: scenarios(), machine: machine{hardware: "a machine, 2 cores", software: []string{"go"}, date: "2026-11-25"}}
	for i := range rounds {
		measured := round{}
		for _, s := range r.scenarios {
			for j, c := range s.contestants {
				x := float64(j+1) + float64(i)/10
				measured[s.name+"/"+c.name] = measurement{Rate: 1000 * x, Own: x, Parts: []float64{x / 2, x / 2}, Postgres: x, NATS: x, WAL: 100 * x, Peak: 10 * x, Figures: map[string]float64{half: x, almostAll: x, published: x}}
			}
		}
		r.rounds = append(r.rounds, measured)
	}
	return r
}

func TestScenariosAreWhole(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		seen := map[string]bool{}
		for _, c := range s.contestants {
			if seen[c.name] {
				t.Errorf("%s has two contestants %q", s.name, c.name)
			}
			seen[c.name] = true
			if c.settings == "" || c.jobs == 0 || c.prepare == nil || len(c.parts) == 0 || len(c.done) == 0 {
				t.Errorf("%s/%s is not told what to do, or not asked whether it did", s.name, c.name)
			}
		}
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	t.Run("each_names_figures_that_its_scenario_measures", func(t *testing.T) {
		t.Parallel()
		r := example(1)
		for _, s := range r.scenarios {
			for _, g := range s.goals {
				if value := g.of(r.rounds[0]); math.IsNaN(value) || math.IsInf(value, 0) {
					t.Errorf("%s: %s is %v", s.name, g.figure, value)
				}
			}
		}
	})
	t.Run("each_says_whether_it_is_reached", func(t *testing.T) {
		t.Parallel()
		for reached, want := range map[float64]string{
			5: "| x | ≥ 2 | ≥ 4 | 5 (5–5) | reached |", 3: "| x | ≥ 2 | ≥ 4 | 3 (3–3) | reached, not the aim |", 1: "| x | ≥ 2 | ≥ 4 | 1 (1–1) | **missed** |",
		} {
			g := goal{figure: "x", must: 2, aim: 4, of: func(round) float64 { return reached }}
			if diff := cmp.Diff(want, g.row(example(1).rounds)); diff != "" {
				t.Error(diff)
			}
		}
		g := goal{figure: "x", must: 4, aim: 2, atMost: true, of: func(round) float64 { return 5 }}
		if diff := cmp.Diff("| x | ≤ 4 | ≤ 2 | 5 (5–5) | **missed** |", g.row(example(1).rounds)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a_ratio_is_the_median_of_the_rounds_ratios", func(t *testing.T) {
		t.Parallel()
		rounds := []round{ // the machine slows down to a tenth
			{"a": {Rate: 200}, "b": {Rate: 100}}, {"a": {Rate: 90}, "b": {Rate: 30}}, {"a": {Rate: 40}, "b": {Rate: 10}},
		}
		if got := median(over(rounds, ratio(rate, "a", "b"))); got != 3 {
			t.Errorf("the ratio is %v, want 3", got)
		}
	})
}

func TestEveryOtherRoundGoesBackwards(t *testing.T) {
	t.Parallel()
	all := []contestant{{name: "a"}, {name: "b"}, {name: "c"}}
	for i, want := range []string{"abc", "cba", "abc"} {
		got := ""
		for _, c := range inOrderOf(i, all) {
			got += c.name
		}
		if got != want {
			t.Errorf("round %d is %s, want %s", i, got, want)
		}
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{
		0: "0", 0.333: "0.33", 1.5: "1.5", 2: "2", 12.34: "12.3", 123.4: "123", 1234: "1,230", 43_210: "43,200", 1_234_567: "1,230,000", 999.7: "1,000",
	} {
		if got := number(x); got != want {
			t.Errorf("number(%v) = %q, want %q", x, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	r := example(3)
	r.scenarios = []scenario{{name: "drain", contestants: []contestant{{name: "oprun", settings: "defaults"}}}}
	want := `| | jobs/s (least–most) | CPU µs/job | of it own (each process), Postgres, NATS | WAL B/job | peak MB | settings |
|---|---|---|---|---|---|---|
| oprun | 1,100 (1,000–1,200) | 3.3 | 0.55 + 0.55, 1.1, 1.1 | 110 | 11 | defaults |

Medians of 3 rounds on 2026-11-25: a machine, 2 cores.
`
	if diff := cmp.Diff(want, r.table(r.scenarios[0])); diff != "" {
		t.Error(diff)
	}
}

func TestWriteSections(t *testing.T) {
	t.Parallel()
	const page = "before\n<!-- bench:drain -->\nold\n<!-- /bench -->\nbetween\n<!-- bench:effects -->\nkept\n<!-- /bench -->\nafter\n"
	t.Run("a_section_goes_into_its_place_and_into_no_other", func(t *testing.T) {
		t.Parallel()
		root := documentsOf(t, page, "none\n")
		if err := writeSections(root, []section{{"drain", "new\n"}}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, "docs", "performance.md"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Replace(page, "old", "new", 1), string(got)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a_section_without_a_place_is_told", func(t *testing.T) {
		t.Parallel()
		if err := writeSections(documentsOf(t, page, "none\n"), []section{{"latency", "new\n"}}); err == nil || !strings.Contains(err.Error(), "<!-- bench:latency -->") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("a_place_without_an_end_is_told", func(t *testing.T) {
		t.Parallel()
		if err := writeSections(documentsOf(t, "<!-- bench:drain -->\nold\n", ""), []section{{"drain", "new\n"}}); err == nil || !strings.Contains(err.Error(), "does not end") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("the_projects_own_documents_have_all_places", func(t *testing.T) {
		t.Parallel()
		root := documentsOf(t, read(t, "../docs/performance.md"), read(t, "../README.md"))
		if err := findPlaces(root, append(example(1).sectionNames(), growthSection, soakSection)); err != nil {
			t.Error(err)
		}
		if err := example(1).write(root); err != nil {
			t.Error(err)
		}
	})
}

// documentsOf makes a root folder with the two documents.
func documentsOf(t *testing.T, performance, readme string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "docs"), 0o750); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"docs/performance.md": performance, "README.md": readme} {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestChart(t *testing.T) {
	t.Parallel()
	r := example(3)
	svg, err := r.draw()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := r.draw(); again != svg {
		t.Error("the same results are drawn in two ways")
	}
	var texts []string
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the chart is not XML: %v", err)
		}
		if text, ok := token.(xml.CharData); ok {
			texts = append(texts, string(text))
		}
	}
	for _, s := range r.scenarios {
		for _, c := range s.contestants {
			if drawn := slices.Contains(texts, c.name); s.columns == nil && drawn == c.gauge {
				t.Errorf("the chart has a bar for %s: %t", c.name, drawn)
			}
		}
	}
}
