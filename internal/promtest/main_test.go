package promtest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"oprun.example/internal/devstack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devstack.Tests{M: m}) }

const root = "../.."

// patience is how long a fact is waited for on a crowded machine.
const patience = time.Minute

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// matching lists files of the repository by a pattern, from the root.
func matching(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s matches no file (%v)", pattern, err)
	}
	for i, name := range found {
		if found[i], err = filepath.Rel(root, name); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// eventually waits for a fact. It returns nil when the fact is there, or else why it is not.
func eventually(t *testing.T, what string, fact func() error) {
	t.Helper()
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	deadline := time.Now().Add(patience)
	for {
		err := fact()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s: %v", patience, what, err)
		}
		<-retry.C
	}
}
