package deploytest

import (
	"encoding/json"
	"go/version"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one line of a Dockerfile, continued ones joined.
type instruction struct{ word, rest string }

func (i instruction) list(t *testing.T) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(i.rest), &words); err != nil {
		t.Errorf("%s %s: there is no shell to read it, so it has to be a list: %v", i.word, i.rest, err)
	}
	return words
}

// stages reads the Dockerfile.
func stages(t *testing.T) (stages [][]instruction) {
	t.Helper()
	text := strings.ReplaceAll(read(t, "../../deploy/Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "" || strings.HasPrefix(word, "#"):
			continue
		case !slices.Contains([]string{"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}, word):
			t.Errorf("Dockerfile: %s is none of the instructions that are needed here", word)
		case word == "FROM":
			stages = append(stages, nil)
		}
		if len(stages) == 0 {
			t.Fatalf("Dockerfile begins with %s", word)
		}
		last := len(stages) - 1
		stages[last] = append(stages[last], instruction{word, strings.TrimSpace(rest)})
	}
	return stages
}

func TestDockerfileBuildsWithThisGo(t *testing.T) {
	t.Parallel()
	build := stages(t)[0]
	from := regexp.MustCompile(`^golang:(\d+\.\d+\.\d+)-[a-z]+(@sha256:[0-9a-f]{64})? AS build$`).FindStringSubmatch(build[0].rest)
	if from == nil {
		t.Fatalf("FROM %s names no exact version", build[0].rest)
	}
	wanted := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../../go.mod"))
	if version.Compare("go"+from[1], "go"+wanted[1]) < 0 {
		t.Errorf("FROM golang:%s is older than the %s of go.mod", from[1], wanted[1])
	}
	if !slices.Contains(build, instruction{"RUN", "OPRUN_VCS=$VCS deploy/build /out"}) {
		t.Error("the binaries are not made by deploy/build, so they are not those that deploy/reproducible compares")
	}
}

func TestDockerfileShipsTheBinariesAlone(t *testing.T) {
	t.Parallel()
	all := stages(t)
	image := all[len(all)-1]
	if image[0].rest != "scratch" {
		t.Errorf("FROM %s", image[0].rest)
	}
	said := map[string]instruction{}
	var copied []string
	for _, i := range image {
		said[i.word] = i
		if i.word == "COPY" {
			copied = append(copied, i.rest)
		}
		if i.word == "RUN" {
			t.Errorf("RUN %s: there is nothing to run it", i.rest)
		}
	}
	if !regexp.MustCompile(`^[1-9]\d{3,}:[1-9]\d{3,}$`).MatchString(said["USER"].rest) {
		t.Errorf("USER %s: want the numbers of an ordinary user", said["USER"].rest)
	}
	if all := strings.Join(copied, "\n"); !strings.Contains(all, "ca-certificates.crt") || strings.Count(all, "--from=build ") != len(copied) {
		t.Errorf("COPY\n%s", all)
	}
	entry := said["ENTRYPOINT"].list(t)
	if len(entry) != 1 || !strings.Contains(strings.Join(copied, "\n"), "/out/consumer") || entry[0] != "/usr/local/bin/consumer" {
		t.Errorf("ENTRYPOINT %v is not what is copied", entry)
	}
	help, err := command(t, nil, append([]string{"consumer"}, append(said["CMD"].list(t), "--help")...)...).Output()
	if err != nil || !strings.Contains(string(help), "$OPRUN_CATALOG") || !strings.Contains(said["ENV"].rest, "OPRUN_CATALOG=") {
		t.Errorf("CMD %s: %s: %v", said["CMD"].rest, help, err)
	}
}

// A commit's binary says "modified" when a file of the commit is not there to be copied.
func TestDockerignoreLeavesWhatGitKnows(t *testing.T) {
	t.Parallel()
	ignored := strings.Fields(read(t, "../../.gitignore"))
	for line := range strings.Lines(read(t, "../../deploy/Dockerfile.dockerignore")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if bare := strings.TrimPrefix(line, "**/"); !slices.Contains(ignored, bare) && !slices.Contains(ignored, "/"+bare) {
			t.Errorf("%s is left out of the image's build, and git does not ignore it", line)
		}
	}
}
