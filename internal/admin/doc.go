// Package admin is the operator's HTTP door to a process: its metrics, whether it lives, and whether it is ready.
//
// A [Listener] holds one port from [Listen] until its Run returns. [Metrics] is the handler of the metrics listener:
// it needs no token, answers while Postgres and NATS are away, and never waits longer for a [Check] than a probe
// would wait for it. The package registers what describes the process (build, Go runtime, operating system) and
// leaves the product's metrics to those who count them, and the meaning of ready to those who hand in the checks.
//
//	door, err := admin.Listen(ctx, ":9464", handler, log) // takes the port, or fails, before any work starts
//	err = door.Run(ctx)                              // answers until ctx ends
package admin
