package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// machine is where, when and with what was measured.
type machine struct {
	hardware string
	software []string
	date     string
}

func (m machine) String() string {
	return fmt.Sprintf("Measured on %s: %s; %s.\n", m.date, m.hardware, strings.Join(m.software, ", "))
}

func (s *servers) machine(ctx context.Context) (machine, error) {
	var postgres string
	if err := s.admin.QueryRow(ctx, "show server_version").Scan(&postgres); err != nil {
		return machine{}, err
	}
	postgres, _, _ = strings.Cut(postgres, " ")
	return machine{
		hardware: fmt.Sprintf("%s, %d cores", processor(), runtime.NumCPU()),
		software: append([]string{
			runtime.Version(), "PostgreSQL " + postgres, "nats-server " + s.js.Conn().ConnectedServerVersion(),
		}, modules("nats.go", "pgx/v5", "river", "watermill", "watermill-nats/v2")...),
		date: time.Now().UTC().Format(time.DateOnly),
	}, nil
}

// processor is the model's name; where it is not known, the architecture.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	_, after, found := strings.Cut(string(info), "model name\t: ")
	if err != nil || !found {
		return runtime.GOARCH
	}
	name, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(name)
}

// modules are the versions of what this program was built with, by the ends of their paths.
func modules(names ...string) (found []string) {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, name := range names {
		for _, module := range build.Deps {
			if strings.HasSuffix(module.Path, "/"+name) {
				found = append(found, name+" "+module.Version)
			}
		}
	}
	return found
}
