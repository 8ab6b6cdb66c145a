package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/internal/admin"
	"oprun.example/pkg/jobs"
)

const scrapeEvery = time.Second // Prometheus' default is a minute

// oprunObserved is the worker as one runs it: it writes its log, and somebody reads its metrics.
func oprunObserved(ctx context.Context, s *stage) (func() error, error) {
	log, err := os.CreateTemp("", "oprun-bench-*.log")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(log.Name()); err != nil { // it is gone when it is closed
		return nil, err
	}
	config := jobs.Config{Logger: slog.New(slog.NewJSONHandler(log, nil))}
	registry := prometheus.NewRegistry()
	config.Registry = registry
	work, err := s.oprunWorker(ctx, 4, oprunNoop, config)
	if err != nil {
		return nil, err
	}
	handler, err := admin.Metrics(registry, admin.MetricsConfig{Logger: config.Logger})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }() // whoever scrapes sees what is wrong
	return func() error {
		defer func() { _ = server.Close() }()
		scraping, stop := context.WithCancel(ctx)
		scraped := make(chan error, 1)
		go func() { scraped <- scrape(scraping, "http://"+listener.Addr().String()+"/metrics") }()
		err := work()
		stop()
		return errors.Join(err, <-scraped, log.Close())
	}, nil
}

// scrape reads metrics until the context ends.
func scrape(ctx context.Context, url string) error {
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	for {
		if err := scrapeOnce(ctx, url); err != nil {
			return ignoreStop(ctx, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func scrapeOnce(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
