package deploytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"oprun.example/internal/devstack"
)

const unit = "../../deploy/systemd/oprun-consumer.service"

// unitSettings reads the unit: each setting's values, in order.
func unitSettings(t *testing.T) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	for line := range strings.Lines(read(t, unit)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

// analyze runs systemd-analyze on a copy of the unit whose program is there.
func analyze(t *testing.T, verb string, flags ...string) (string, error) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), filepath.Base(unit))
	text := strings.ReplaceAll(read(t, unit), "/usr/local/bin/consumer", binary(t, "consumer"))
	if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := devstack.SystemdAnalyze(t.Context(), t, append(append([]string{verb}, flags...), copied)...).CombinedOutput()
	return string(out), err
}

func TestUnitIsValid(t *testing.T) {
	t.Parallel()
	if said, err := analyze(t, "verify", "--man=no"); err != nil || said != "" {
		t.Errorf("%v: %s", err, said)
	}
}

func TestUnitIsLittleExposed(t *testing.T) {
	t.Parallel()
	said, err := analyze(t, "security", "--offline=yes", "--no-pager")
	level := regexp.MustCompile(`exposure level for \S+: (\d+\.\d+)`).FindStringSubmatch(said)
	if err != nil || level == nil {
		t.Fatalf("%v: %s", err, said)
	}
	if exposure, err := strconv.ParseFloat(level[1], 64); err != nil || exposure > 2.0 {
		t.Errorf("exposure %s:\n%s", level[1], said)
	}
}

// TestUnitLeavesTimeToDrain holds the unit against what a stop takes: the drain, and the commands that do not end.
func TestUnitLeavesTimeToDrain(t *testing.T) {
	t.Parallel()
	settings := unitSettings(t)
	drain := regexp.MustCompile(`OPRUN_DRAIN_TIMEOUT\b`)
	help, err := command(t, nil, "consumer", "run", "--help").Output()
	if err != nil || !drain.Match(help) {
		t.Fatalf("%v: %s", err, help)
	}
	const needed = 25*time.Second + 5*time.Second
	if stop, err := time.ParseDuration(settings["TimeoutStopSec"][0]); err != nil || stop < needed+10*time.Second {
		t.Errorf("TimeoutStopSec=%s: want more than %s: %v", settings["TimeoutStopSec"], needed, err)
	}
	if mode := settings["KillMode"]; len(mode) != 1 || mode[0] != "mixed" {
		t.Errorf("KillMode=%v: handlers would be told to stop before they may finish", mode)
	}
	if words := strings.Fields(settings["ExecStart"][0]); len(words) != 2 || words[1] != "run" {
		t.Errorf("ExecStart=%v", words)
	}
}

// TestUnitTellsCrashesFromMistakes: a wrong setting is not tried again, and a crash is, though Go ends both with 2.
func TestUnitTellsCrashesFromMistakes(t *testing.T) {
	t.Parallel()
	settings := unitSettings(t)
	if never := settings["RestartPreventExitStatus"]; len(never) != 1 || never[0] != "2" {
		t.Fatalf("RestartPreventExitStatus=%v", never)
	}
	wrong := exec.CommandContext(t.Context(), binary(t, "consumer"), "run", "--no-such-flag")
	_ = wrong.Run()
	if wrong.ProcessState.ExitCode() != 2 {
		t.Errorf("a wrong flag ends with %s", wrong.ProcessState)
	}
	var env []string
	for _, variables := range settings["Environment"] {
		env = append(env, strings.Fields(variables)...)
	}
	crash := exec.CommandContext(t.Context(), os.Args[0])
	crash.Env, crash.Dir = append(env, crashing+"=1"), t.TempDir() // for a core, where there is no limit
	_ = crash.Run()
	if status, ok := crash.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGABRT {
		t.Errorf("a crash ends with %s: systemd would take it for a wrong setting", crash.ProcessState)
	}
}

// The settings that the unit gives, and those it names in comments, are read by the program.
func TestUnitSettingsExist(t *testing.T) {
	t.Parallel()
	help, err := command(t, nil, "consumer", "run", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := map[string]bool{"PGPASSFILE": true, "GOTRACEBACK": true} // pgx and Go read them
	for _, variables := range unitSettings(t)["Environment"] {
		for variable := range strings.FieldsSeq(variables) {
			name, _, _ := strings.Cut(variable, "=")
			if !elsewhere[name] && !strings.Contains(string(help), "$"+name) {
				t.Errorf("nothing reads %s", name)
			}
		}
	}
}
