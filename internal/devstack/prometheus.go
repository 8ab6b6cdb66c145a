package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Promtool returns the path of Prometheus' promtool, 2.42 or later: the one on PATH, else one unpacked into the user's
// cache. The test fails, and is never skipped, when there is none to be had; the text says what to type.
func Promtool(tb TB) string {
	tb.Helper()
	return prometheusOf(tb).promtool
}

// Prometheus runs a Prometheus on this configuration file until the test ends, on a free port of the loopback address
// and with a data folder of its own, and returns its address once it is ready. It fails the test as Promtool does.
func Prometheus(tb TB, config string) (address string) {
	tb.Helper()
	programs := prometheusOf(tb)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s, err := startPrometheus(ctx, programs.server, config)
	if err != nil {
		tb.Fatalf("%v", err)
		return ""
	}
	tb.Cleanup(func() {
		if err := s.close(); err != nil {
			tb.Errorf("%v", err)
		}
	})
	return s.address
}

func prometheusOf(tb TB) prometheusPrograms {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	programs, err := machine.findPrometheus(ctx)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return programs
}

// prometheusServer is a child process, and the folder with its data.
type prometheusServer struct {
	address string
	dir     *workdir
	process *child
	log     *logTail
}

// startPrometheus starts the server and waits until it answers. A port that is free now may be taken when the server
// wants it, so it has some tries.
func startPrometheus(ctx context.Context, program, config string) (s *prometheusServer, err error) {
	dir, err := makeWorkdir("")
	if err != nil {
		return nil, err
	}
	for range 3 {
		s = &prometheusServer{dir: dir, log: &logTail{}}
		if err = s.launch(ctx, program, config); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, dir.remove())
}

func (s *prometheusServer) launch(ctx context.Context, program, config string) error {
	port, err := freePort()
	if err != nil {
		return fmt.Errorf("find a port for Prometheus: %w", err)
	}
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s.address = "http://" + listen
	cmd := exec.Command(program, "--config.file="+config, "--web.listen-address="+listen,
		"--storage.tsdb.path="+filepath.Join(s.dir.path, "prometheus"), "--log.level=warn")
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if s.process, err = startChild(cmd, account{}, syscall.SIGKILL); err != nil {
		return fmt.Errorf("start Prometheus: %w", err)
	}
	if err := s.ready(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("%s is no TCP address", listener.Addr())
	}
	return address.Port, nil
}

// ready waits until the server answers that it is.
func (s *prometheusServer) ready(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		answer, err := client.Get(s.address + "/-/ready")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-retry.C:
		case <-s.process.done:
			return fmt.Errorf("prometheus ended at its start: %w; its log ends with:\n%s", s.process.err, s.log)
		case <-ctx.Done():
			return fmt.Errorf("wait for Prometheus: %w; its log ends with:\n%s", context.Cause(ctx), s.log)
		}
	}
}

// stop kills the server: nobody will read its data again.
func (s *prometheusServer) stop() error {
	if !s.process.running() {
		return nil
	}
	if err := syscall.Kill(-s.process.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop Prometheus: %w", err)
	}
	<-s.process.done
	return nil
}

func (s *prometheusServer) close() error {
	return errors.Join(s.stop(), s.dir.remove())
}
