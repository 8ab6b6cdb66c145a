package deploytest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// composeFile is what compose.yaml may say: a key that is not here is taken for a slip.
type composeFile struct {
	Name     string
	Shared   any                        `yaml:"x-oprun"`
	Consumer any                        `yaml:"x-consumer"`
	Services map[string]composeService  `yaml:"services"`
	Volumes  map[string]*map[string]any `yaml:"volumes"`
}

type composeService struct {
	Image           string
	Build           map[string]string
	Entrypoint      []string
	Command         []string
	Environment     map[string]string
	Volumes         []string
	Ports           []string
	Expose          []string
	Profiles        []string
	Restart         string
	DependsOn       dependencies  `yaml:"depends_on"`
	Healthcheck     healthcheck   `yaml:"healthcheck"`
	ExtraHosts      []string      `yaml:"extra_hosts"`
	ReadOnly        bool          `yaml:"read_only"`
	CapDrop         []string      `yaml:"cap_drop"`
	SecurityOpt     []string      `yaml:"security_opt"`
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
	MemLimit        string        `yaml:"mem_limit"`
	ShmSize         string        `yaml:"shm_size"`
	Logging         map[string]string
}

type healthcheck struct {
	Test              []string
	Interval, Timeout time.Duration
	Retries           int
}

// dependencies are services and what has to be true of them.
type dependencies map[string]string

// UnmarshalYAML reads both forms: a list of names, and names with conditions.
func (d *dependencies) UnmarshalYAML(node *yaml.Node) error {
	*d = dependencies{}
	var names []string
	if node.Kind == yaml.SequenceNode {
		err := node.Decode(&names)
		for _, name := range names {
			(*d)[name] = "service_started"
		}
		return err
	}
	var conditions map[string]struct{ Condition string }
	err := node.Decode(&conditions)
	for name, is := range conditions {
		(*d)[name] = is.Condition
	}
	return err
}

// variable is a setting from outside: ${NAME:?} must be there, ${NAME:-default} may be.
var variable = regexp.MustCompile(`\$\{(\w+)(:\?|:-([^}]*))\}`)

// composed reads compose.yaml with these settings from outside, as Compose would.
func composed(t *testing.T, outside map[string]string) composeFile {
	t.Helper()
	text := variable.ReplaceAllStringFunc(read(t, "../../deploy/compose.yaml"), func(found string) string {
		parts := variable.FindStringSubmatch(found)
		if value := outside[parts[1]]; value != "" {
			return value
		}
		if parts[2] == ":?" {
			t.Fatalf("compose.yaml wants %s", parts[1])
		}
		return parts[3]
	})
	if strings.Contains(text, "${") {
		t.Error("compose.yaml has a variable of another form than ${NAME:?} and ${NAME:-default}")
	}
	var file composeFile
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatalf("compose.yaml: %v", err)
	}
	return file
}

// ours tells whether a service runs one of our binaries.
func (s composeService) ours() bool { return s.Image == "oprun:local" }

func TestComposePinsImages(t *testing.T) {
	t.Parallel()
	exact := regexp.MustCompile(`^[a-z./]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?(@sha256:[0-9a-f]{64})?$`)
	for name, service := range composed(t, secrets).Services {
		if !service.ours() && !exact.MatchString(service.Image) {
			t.Errorf("%s: image %s is no exact version", name, service.Image)
		}
	}
}

func TestComposeMountsWhatIsThere(t *testing.T) {
	t.Parallel()
	file := composed(t, secrets)
	for name, service := range file.Services {
		for _, mount := range service.Volumes {
			source, rest, _ := strings.Cut(mount, ":")
			if !strings.HasPrefix(source, "./") {
				if _, declared := file.Volumes[source]; !declared {
					t.Errorf("%s: volume %s is not declared", name, source)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join("../../deploy", source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !strings.HasSuffix(rest, ":ro") {
				t.Errorf("%s: %s can be written to", name, mount)
			}
		}
	}
}

func TestComposeGivesOursLittle(t *testing.T) {
	t.Parallel()
	for name, service := range composed(t, secrets).Services {
		if !service.ours() {
			continue
		}
		if !service.ReadOnly || !slices.Contains(service.CapDrop, "ALL") || !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: its files can be written to, or it has capabilities, or may gain privileges", name)
		}
		if len(service.Ports) > 0 {
			t.Errorf("%s: is reached from outside", name)
		}
		if service.Build["dockerfile"] != "deploy/Dockerfile" || service.Build["context"] != ".." {
			t.Errorf("%s: is built from %v", name, service.Build)
		}
	}
}

// TestComposeOrder follows the arrows: what a service needs has started well, or has ended well, before.
func TestComposeOrder(t *testing.T) {
	t.Parallel()
	services := composed(t, secrets).Services
	for name, service := range services {
		for on, condition := range service.DependsOn {
			other, there := services[on]
			switch {
			case !there:
				t.Errorf("%s depends on %s, which is none", name, on)
			case condition == "service_healthy" && len(other.Healthcheck.Test) == 0:
				t.Errorf("%s waits until %s is healthy, which is never asked", name, on)
			case condition == "service_completed_successfully" && other.Restart != "":
				t.Errorf("%s waits for the end of %s, which is started again", name, on)
			}
		}
	}
	const ended, drain = "service_completed_successfully", 30 * time.Second // 25 s, and 5 s for commands that do not end
	for _, name := range []string{"consumer-1", "consumer-2"} {
		consumer := services[name]
		if on := consumer.DependsOn; on["migrate"] != ended || on["topology"] != ended || on["seed"] != ended {
			t.Errorf("%s starts before schema, stream and tenant are there: %v", name, on)
		}
		if consumer.StopGracePeriod < drain+10*time.Second {
			t.Errorf("%s has %s to stop", name, consumer.StopGracePeriod)
		}
	}
}

// TestComposeSettingsExist looks for every variable that our services are given in the help of their command, or in the
// catalogue.
func TestComposeSettingsExist(t *testing.T) {
	t.Parallel()
	catalogue := read(t, "../../deploy/jobs.yaml")
	for name, service := range composed(t, secrets).Services {
		if !service.ours() {
			continue
		}
		words := service.words()
		help, err := command(t, nil, append(words[:1:1], append(leading(words[1:]), "--help")...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %v: %s", name, words, err, help)
		}
		for variable := range service.Environment {
			if !strings.Contains(string(help), "$"+variable) && !strings.Contains(catalogue, "${"+variable+"}") {
				t.Errorf("%s: nothing reads %s", name, variable)
			}
		}
	}
}

// leading are the words before the first flag: the command.
func leading(words []string) []string {
	if i := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "-") }); i >= 0 {
		return words[:i]
	}
	return words
}

// words are the program and its arguments, the program as it is called in bin/.
func (s composeService) words() []string {
	program := "consumer"
	if len(s.Entrypoint) > 0 {
		program = filepath.Base(s.Entrypoint[0])
	}
	return append([]string{program}, s.Command...)
}

// The line of README.md that makes .env makes all that compose.yaml asks for.
func TestREADMEMakesEverySecret(t *testing.T) {
	t.Parallel()
	readme := read(t, "../../deploy/README.md")
	for _, found := range variable.FindAllStringSubmatch(read(t, "../../deploy/compose.yaml"), -1) {
		if found[2] == ":?" && !strings.Contains(readme, found[1]) {
			t.Errorf("deploy/README.md does not make %s", found[1])
		}
		if _, known := secrets[found[1]]; found[2] == ":?" && !known {
			t.Errorf("these tests do not know %s", found[1])
		}
	}
}
