// Package devstack runs a private Postgres and an in-process NATS server with JetStream, for tests and for cmd/dev; and a
// Prometheus, and Node with npm's packages, for tests of what is written for them.
//
// Everything it starts is a child of this process or lives inside it, listens on a unix socket or on the loopback
// address, keeps its files in one temporary folder, and is gone after Close. A process that is killed outright leaves
// at most its folder; the next start sweeps it. The machine's own clusters and packages are never touched.
//
// It leaves to others: the schema (package migrations), streams and consumers, and every statement of the ledger.
// Shipped binaries do not link it, because it carries nats-server.
//
// A test package asks for what it needs and gives nothing back:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(devstack.Tests{M: m}) }
//
//	func TestClaim(t *testing.T) {
//		t.Parallel()
//		pool := devstack.Pool(t)    // a migrated database of its own
//		nats := devstack.Server(t)  // a server of its own
//		…
//	}
package devstack
