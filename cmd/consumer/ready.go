package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/admin"
	"oprun.example/pkg/oprun"
)

// What /readyz says is for everybody who reaches the port: causes, with their addresses and users, are for the log.
var (
	errNotConnected = errors.New("not connected yet")
	errDisconnected = errors.New("the connection is lost, trying again")
	errNoAnswer     = errors.New("does not answer")
	errDraining     = errors.New("the worker is draining")
)

// checks are what has to be well before jobs are run here.
func (s *service) checks() []admin.Check {
	return []admin.Check{
		{Name: "postgres", Ask: s.postgresAnswers},
		{Name: "nats", Ask: s.natsAnswers},
		{Name: "schema", Ask: s.schemaFits},
		{Name: "consumer", Ask: s.consumerBound},
	}
}

// postgresAnswers asks on the ledger's own connections: those for handlers may all be in use, and rightly so.
func (s *service) postgresAnswers(ctx context.Context) error {
	ledger := s.opened.Load()
	if ledger == nil {
		return errNotConnected
	}
	if err := ledger.CheckSchema(ctx); err != nil && !oprun.IsSchema(err) {
		s.log.Debug("not ready", "check", "postgres", "error", err)
		return errNoAnswer
	}
	return nil
}

func (s *service) schemaFits(ctx context.Context) error {
	ledger := s.opened.Load()
	if ledger == nil {
		return errNotConnected
	}
	if err := ledger.CheckSchema(ctx); oprun.IsSchema(err) {
		return err
	} else if err != nil {
		return errors.New("not known: postgres does not answer")
	}
	return nil
}

func (s *service) natsAnswers(ctx context.Context) error {
	js := s.joined.Load()
	if js == nil {
		return errNotConnected
	}
	if !js.Conn().IsConnected() {
		return errDisconnected
	}
	if err := js.Conn().FlushWithContext(ctx); err != nil {
		s.log.Debug("not ready", "check", "nats", "error", err)
		return errNoAnswer
	}
	return nil
}

func (s *service) consumerBound(ctx context.Context) error {
	if s.draining.Load() {
		return errDraining
	}
	js := s.joined.Load()
	switch {
	case js == nil:
		return errNotConnected
	case !js.Conn().IsConnected():
		return errors.New("not known: the connection to nats is lost")
	}
	_, err := js.Consumer(ctx, s.topology.Stream, s.topology.Consumer)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("there is no consumer %s of stream %s: consumer topology apply makes them", s.topology.Consumer, s.topology.Stream)
	case err != nil:
		s.log.Debug("not ready", "check", "consumer", "error", err)
		return errors.New("not known: jetstream does not answer")
	}
	return nil
}
