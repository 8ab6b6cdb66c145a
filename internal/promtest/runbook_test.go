package promtest

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const runbook = "docs/operations.md"

// sections returns what the run book says under each of its headings.
func sections(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, section := range strings.Split(read(t, runbook), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		found[title] = text
	}
	return found
}

func TestEveryAlertHasASectionInTheRunBook(t *testing.T) {
	t.Parallel()
	found := sections(t)
	for name, alert := range alerts(t) {
		text, ok := found[name]
		if !ok {
			t.Errorf("%s has no section %q", runbook, name)
			continue
		}
		delete(found, name)
		if severity := alert.Labels["severity"]; !strings.HasPrefix(text, "\n"+severity+"\n") {
			t.Errorf("%s: section %s does not begin with %q", runbook, name, severity)
		}
		for _, part := range []string{"\n**It means** ", "\n**Look** ", "**do** "} {
			if !strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
				t.Errorf("%s: section %s has no %q", runbook, name, strings.TrimSpace(part))
			}
		}
		if !strings.Contains(text, "```sh\n") && !strings.Contains(text, "](#") {
			t.Errorf("%s: section %s says nothing to type", runbook, name)
		}
	}
	for title := range found {
		t.Errorf("%s: section %s is about no alert", runbook, title)
	}
}

// What the run book refers to is there: its own sections, and the panels of the dashboards.
func TestTheRunBookRefersToWhatIsThere(t *testing.T) {
	t.Parallel()
	text := read(t, runbook)
	anchors, titles := map[string]bool{}, map[string]bool{}
	for title := range sections(t) {
		anchors[strings.ToLower(title)] = true
	}
	for _, p := range panels(t) {
		titles[p.Title] = true
	}
	for _, link := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		if !anchors[link[1]] {
			t.Errorf("%s: there is no section #%s", runbook, link[1])
		}
	}
	for _, mention := range regexp.MustCompile(`panels?\s((?:\*[^*]+\*(?:\sand\s)?)+)`).FindAllStringSubmatch(text, -1) {
		for _, panel := range regexp.MustCompile(`\*([^*]+)\*`).FindAllStringSubmatch(mention[1], -1) {
			if title := strings.Join(strings.Fields(panel[1]), " "); !titles[title] {
				t.Errorf("%s: no dashboard has a panel %q", runbook, title)
			}
		}
	}
}

// everyCommandExists asks the shipped binaries to explain each command line of the run book. They read the line before they
// explain, so an unknown subcommand or flag is an error.
func everyCommandExists(t *testing.T, consumer string) {
	t.Helper()
	publisher := build(t, "publisher")
	placeholders := strings.NewReplacer("<type>", "orders.place", "<tenant>", anyID, "<run>", anyID, "<letter>", anyID, "<size>", "10GB",
		"<day>", "2026-01-31", "<seq>", "7")
	tried := 0
	for _, line := range commands(t) {
		if strings.Contains(line, "<") {
			line = placeholders.Replace(line)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `consumer() { "$CONSUMER" "$@"; }; publisher() { "$PUBLISHER" "$@"; }; `+line+" --help")
		cmd.Env = []string{"CONSUMER=" + consumer, "PUBLISHER=" + publisher, "PATH=/usr/bin:/bin"}
		name, _, _ := strings.Cut(line, " ")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Usage: "+name+" ") {
			t.Errorf("%s: %s: %v\n%s", runbook, line, err, out)
		}
		tried++
	}
	if tried == 0 {
		t.Errorf("%s has no commands", runbook)
	}
}

const anyID = "6f9619ff-8b86-4d01-b42d-00c04fc964ff"

// commands returns each command line of ours once: those in a pipeline, and behind xargs, by themselves.
func commands(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(read(t, runbook), -1) {
		for line := range strings.Lines(block[1]) {
			for part := range strings.SplitSeq(strings.TrimSpace(line), " | ") {
				part = strings.TrimPrefix(part, "xargs -n 1 ")
				part, _, _ = strings.Cut(part, " >")
				if part == "consumer runs retry" {
					part += " <run>" // which xargs adds
				}
				if strings.HasPrefix(part, "consumer ") || strings.HasPrefix(part, "publisher ") {
					lines = append(lines, part)
				}
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}
